// What is drawn on: strokes of a pointer or of the keyboard, and pictures, each of which can be undone.

import { FINE, SIDE } from "./image.js";

const PEN = 0.1; // the pad being 1 wide: as thick as the strokes of MNIST are, nearly three pixels of the model
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LONG_STEP = 4; // with Shift, in pixels of the model

/** Fires "change" after each change that is visible, and "pen" when the keyboard lowers or lifts the pen. */
export class Pad extends EventTarget {
  #canvas;
  #cursor;
  #drawings = [[]]; // every drawing so far, the present one last; a drawing is a list of {points} and {picture}
  #pointer = null;
  #at = { x: 0.5, y: 0.5 }; // of the keyboard's pen
  #keyPen = false;
  #painting = false;

  /** On a canvas element; `cursor` is an element above it that marks the keyboard's pen. */
  constructor(canvas, cursor) {
    super();
    this.#canvas = canvas;
    this.#cursor = cursor;
    canvas.width = canvas.height = 2 * FINE;
    canvas.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.#pointerMove(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#pointerEnd(event));
    }
    canvas.addEventListener("keydown", (event) => this.#keyDown(event));
    canvas.addEventListener("blur", () => this.#setKeyPen(false));
    this.#showKeyPen();
    this.#changed();
  }

  get empty() {
    return this.#items.length === 0;
  }

  get canUndo() {
    return this.#drawings.length > 1;
  }

  /** Whether a stroke is under way. */
  get drawing() {
    return this.#pointer !== null || this.#keyPen;
  }

  get penIsDown() {
    return this.#keyPen;
  }

  undo() {
    this.#stop();
    if (this.canUndo) this.#drawings.pop();
    this.#changed();
  }

  clear() {
    this.#stop();
    if (!this.empty) this.#drawings.push([]);
    this.#changed();
  }

  /** Replaces the drawing by a picture: a canvas of FINE x FINE. */
  show(picture) {
    this.#stop();
    this.#drawings.push([{ picture }]);
    this.#changed();
  }

  /** The drawing as FINE x FINE points from 0 to 1. */
  ink() {
    const canvas = new OffscreenCanvas(FINE, FINE);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    paint(context, this.#items, FINE);
    const { data } = context.getImageData(0, 0, FINE, FINE);
    return Float32Array.from({ length: FINE * FINE }, (_, i) => data[4 * i] / 255);
  }

  get #items() {
    return this.#drawings.at(-1);
  }

  get #stroke() {
    return this.#items.at(-1).points;
  }

  #begin(point) {
    this.#drawings.push([...this.#items, { points: [point] }]);
    this.#changed();
  }

  #stop() {
    this.#pointer = null;
    this.#setKeyPen(false);
  }

  #pointerDown(event) {
    if (event.button !== 0 || this.#pointer !== null) return;
    this.#stop();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#begin(this.#position(event));
  }

  #pointerMove(event) {
    if (event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.#stroke.push(...(events.length ? events : [event]).map((each) => this.#position(each)));
    this.#changed();
  }

  #pointerEnd(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#changed();
  }

  #position(event) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  #keyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) this.#moveKeyPen(STEPS[event.key], event.shiftKey ? LONG_STEP : 1);
    else if (event.key === " ") this.#setKeyPen(!this.#keyPen && !event.repeat);
    else if (event.key === "Escape") this.#setKeyPen(false);
    else return;
    event.preventDefault();
  }

  #moveKeyPen([right, down], steps) {
    const move = (from, by) => Math.min(Math.max(from + (by * steps) / SIDE, 0), 1);
    this.#at = { x: move(this.#at.x, right), y: move(this.#at.y, down) };
    this.#showKeyPen();
    if (!this.#keyPen) return;
    this.#stroke.push(this.#at);
    this.#changed();
  }

  #setKeyPen(isDown) {
    if (isDown === this.#keyPen) return;
    this.#keyPen = isDown;
    this.#showKeyPen();
    if (isDown) this.#begin(this.#at);
    else this.#changed();
    this.dispatchEvent(new Event("pen"));
  }

  #showKeyPen() {
    this.#cursor.style.left = `${100 * this.#at.x}%`;
    this.#cursor.style.top = `${100 * this.#at.y}%`;
    this.#cursor.classList.toggle("down", this.#keyPen);
  }

  // Pointers report far more often than a screen shows: one painting a frame.
  #changed() {
    if (this.#painting) return;
    this.#painting = true;
    requestAnimationFrame(() => {
      this.#painting = false;
      paint(this.#canvas.getContext("2d"), this.#items, this.#canvas.width);
      this.dispatchEvent(new Event("change"));
    });
  }
}

function paint(context, items, size) {
  context.fillStyle = "#000";
  context.fillRect(0, 0, size, size);
  context.imageSmoothingEnabled = false;
  for (const { points, picture } of items) {
    if (picture) context.drawImage(picture, 0, 0, size, size);
    else paintStroke(context, points, size);
  }
}

function paintStroke(context, points, size) {
  context.strokeStyle = "#fff";
  context.lineWidth = PEN * size;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(points[0].x * size, points[0].y * size);
  // A line of no length leaves no mark, and a tap must: so the first point is left by a hair.
  for (const { x, y } of points) context.lineTo(x * size + 0.01, y * size);
  context.stroke();
}
