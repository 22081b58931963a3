"use strict";
// The mistakes can be filtered by class; without this script all are shown.
const filter = document.querySelector(".filter");
if (filter) {
  const pictures = [...document.querySelectorAll("#mistakes li")];
  const { truth, predicted } = filter.elements;
  const apply = () => {
    let shown = 0;
    for (const picture of pictures) {
      const fits =
        (!truth.value || truth.value === picture.dataset.truth) &&
        (!predicted.value || predicted.value === picture.dataset.predicted);
      picture.hidden = !fits;
      shown += fits;
    }
    filter.querySelector("output").value = `${shown} of ${pictures.length} shown`;
  };
  filter.hidden = false;
  filter.addEventListener("change", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("reset", () => setTimeout(apply));
  for (const link of document.querySelectorAll("a[data-truth]")) {
    link.addEventListener("click", () => {
      truth.value = link.dataset.truth;
      predicted.value = link.dataset.predicted;
      apply();
    });
  }
  apply();
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
