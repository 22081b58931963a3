"use strict";
// The mistakes can be filtered by class; without this script all are shown.
const filter = document.querySelector(".filter");
if (filter) {
  const pictures = [...document.querySelectorAll("#mistakes li")];
  const selects = [...filter.querySelectorAll("select")];
  const apply = () => {
    let shown = 0;
    for (const picture of pictures) {
      const fits = selects.every(({ name, value }) => !value || picture.dataset[name].split(" ").includes(value));
      picture.hidden = !fits;
      shown += fits;
    }
    filter.querySelector("output").value = `${shown} of ${pictures.length} shown`;
  };
  filter.hidden = false;
  filter.addEventListener("change", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("reset", () => setTimeout(apply));
  for (const link of document.querySelectorAll("main a[href='#mistakes']")) {
    link.addEventListener("click", () => {
      for (const select of selects) select.value = link.dataset[select.name] ?? "";
      apply();
    });
  }
  apply();
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
