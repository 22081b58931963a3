// What the model says, shown: its answer, the probabilities, and the images it saw.

import { SIDE } from "./image.js";
import { VARIANTS } from "./variants.js";

const MOST_BARS = 20; // a model with more classes shows its ten likeliest
const FEWER_BARS = 10;
const INVITATIONS = {
  shift: "Draw something: here it is shown moved by 3 and by 6 pixels.",
  rotation: "Draw something: here it is shown turned about its middle.",
};

const element = (id) => document.getElementById(id);
const percent = (probability) => `${(100 * probability).toFixed(1)}\u00a0%`;

export class Answer {
  #labels;
  #bars;
  #tiles;

  /** Of a model with these labels; it fills the elements of the page. */
  constructor(labels) {
    this.#labels = labels;
    const bars = labels.length > MOST_BARS ? FEWER_BARS : labels.length;
    this.#bars = Array.from({ length: bars }, () => grow("bar", element("bars").tBodies[0]));
    this.#tiles = VARIANTS.map(({ kind, caption, words }) => {
      const tile = grow("tile", element(`${kind}-tiles`));
      tile.querySelector(".caption").textContent = caption;
      tile.querySelector(".words").textContent = `${words}: `;
      return tile;
    });
    this.words = "";
    this.clear();
  }

  /** Images of 784 bytes, the drawing first and then its variants, and the prediction of each. */
  show(images, [first, ...others]) {
    showPixels(element("seen"), images[0]);
    element("label").textContent = first.label;
    element("label").classList.toggle("short", String(first.label).length < 3);
    element("probability").textContent = percent(first.probability);
    this.#showBars(first.probabilities);
    others.forEach((other, i) => showTile(this.#tiles[i], images[i + 1], other, other.class === first.class));
    const steady = this.#showSummaries(first, others);
    this.words = `${first.label}, ${percent(first.probability)}. ${steady} of ${others.length} variants read the same.`;
  }

  clear() {
    const nothing = new Array(SIDE * SIDE).fill(0);
    showPixels(element("seen"), nothing);
    element("label").textContent = "–";
    element("label").classList.add("short");
    element("probability").textContent = "nothing drawn yet";
    this.#showBars(this.#labels.map(() => 0));
    for (const tile of this.#tiles) showTile(tile, nothing, null, true);
    for (const kind of Object.keys(INVITATIONS)) element(`${kind}-summary`).textContent = INVITATIONS[kind];
  }

  #showBars(probabilities) {
    const best = Math.max(...probabilities);
    let classes = [...probabilities.keys()];
    if (classes.length > this.#bars.length) classes = classes.sort((a, b) => probabilities[b] - probabilities[a]);
    this.#bars.forEach((bar, i) => {
      const probability = probabilities[classes[i]];
      bar.querySelector(".class").textContent = this.#labels[classes[i]];
      bar.querySelector(".number").textContent = percent(probability);
      bar.querySelector(".bar").style.setProperty("--share", `${100 * probability}%`);
      bar.classList.toggle("best", best > 0 && probability === best);
    });
  }

  #showSummaries(first, others) {
    let sum = 0;
    for (const kind of Object.keys(INVITATIONS)) {
      const ofKind = others.filter((_, i) => VARIANTS[i].kind === kind);
      const steady = ofKind.filter((other) => other.class === first.class).length;
      element(`${kind}-summary`).textContent = `${steady} of ${ofKind.length} still read as ${first.label}.`;
      sum += steady;
    }
    return sum;
  }
}

function showTile(tile, bytes, prediction, same) {
  showPixels(tile.querySelector("canvas"), bytes);
  tile.querySelector(".verdict").textContent = prediction ? prediction.label : "–";
  tile.querySelector(".sureness").textContent = prediction ? percent(prediction.probability) : "";
  tile.classList.toggle("differs", !same);
}

function showPixels(canvas, bytes) {
  const pixels = new ImageData(SIDE, SIDE);
  bytes.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function grow(template, parent) {
  parent.append(element(template).content.cloneNode(true));
  return parent.lastElementChild;
}
