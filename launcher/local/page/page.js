// The page: a drawing in; out, what the model makes of it, and of the same drawing moved and turned.

import { Answer } from "./answer.js";
import { EndpointError, describe, oneAtATime, predict, sentence } from "./endpoint.js";
import { AS_DRAWN, SIDE, mnistFrame, reduce, toBytes } from "./image.js";
import { Pad } from "./pad.js";
import { PictureError, readPicture } from "./picture.js";
import { VARIANTS } from "./variants.js";

const PATIENCE_MS = 700; // an answer that takes longer is said to be awaited

const element = (id) => document.getElementById(id);

let retry = null; // the timer of the next attempt after a failure that may pass

start();

async function start() {
  try {
    introduce(await describe());
    solved();
  } catch (error) {
    report(error, start);
  }
}

// What this endpoint serves, and how to use it

function introduce(description) {
  const labels = (description.labels ?? []).map(String);
  element("name").textContent = [description.script, description.runtime].filter(Boolean).join(" · ");
  element("warning").textContent = description.warning ? sentence(description.warning) : "";
  element("call").hidden = false;
  if (!canDrawFor(description)) return explain(description);
  const digits = labels.join() === "0,1,2,3,4,5,6,7,8,9";
  setTitle(digits ? "Draw a digit" : "Draw or drop an image");
  element("lead").textContent = digits
    ? "The model reads it while you draw. See, too, what it makes of the same digit when it is moved or turned."
    : `The model tells apart: ${labels.join(", ")}. It answers one of these for anything it is shown.`;
  showCommands("It takes images and rows of numbers, and answers in JSON.", [
    ["image/png", "image.png"],
    ["application/json", "images.json"],
  ]);
  element("centre").checked = digits;
  element("drawn").hidden = false;
  connect(new Answer(labels));
}

function canDrawFor({ kind, labels, shape }) {
  const size = (shape ?? []).filter((length) => length !== 1).join();
  return kind === "classifier" && labels?.length > 0 && [`${SIDE},${SIDE}`, `${SIDE * SIDE}`].includes(size);
}

function explain(description) {
  const { kind, shape } = description;
  setTitle("This endpoint is ready");
  element("lead").textContent = `There is nothing to draw here: ${reason(description)}`;
  element("call").open = true;
  if (kind === "script" || !shape) {
    return showCommands("Send what the model expects.", [["application/json", "request.json"]]);
  }
  return showCommands(`Send N samples as N × ${shape.join(" × ")} numbers.`, [
    ["application/json", "samples.json"],
    ["application/x-npy", "samples.npy"],
  ]);
}

function reason({ kind, script, shape }) {
  if (kind === "script") return `${script} decides what it takes and what it answers.`;
  if (!shape) return "the model does not say what it takes.";
  const sample = shape.join(" × ");
  if (kind === "classifier") return `the model takes samples of ${sample}, and this page draws ${SIDE} × ${SIDE}.`;
  return `the model came without a script, and answers samples of ${sample} with plain numbers.`;
}

function setTitle(title) {
  element("title").textContent = title;
  document.title = `${title} · ${element("name").textContent}`;
}

function showCommands(text, examples) {
  element("call-text").textContent = text;
  element("call-code").textContent = examples
    .map(([type, file]) => `curl ${location.origin}/invocations \\\n  -H 'Content-Type: ${type}' --data-binary @${file}`)
    .join("\n\n");
}

// From the drawing to a request, and its answer

function connect(answer) {
  const pad = new Pad(element("pad"), element("cursor"));
  const submit = oneAtATime((images) => ask(images, pad, answer));
  const refresh = () => {
    showTools(pad);
    if (pad.empty) answer.clear();
    // While the endpoint is in trouble it is left alone: it gets the drawing when it has recovered.
    else if (!retry) submit(imagesOf(pad));
  };
  pad.addEventListener("change", refresh);
  pad.addEventListener("pen", () => announce(pad.penIsDown ? "Pen down." : "Pen up."));
  document.addEventListener("recovered", () => {
    if (pad.empty) solved();
    refresh();
  });
  element("centre").addEventListener("change", refresh);
  element("undo").addEventListener("click", () => pad.undo());
  element("clear").addEventListener("click", () => pad.clear());
  document.addEventListener("keydown", (event) => useShortcut(event, pad));
  takePictures((file) => take(file, pad));
}

function imagesOf(pad) {
  const ink = pad.ink();
  const original = reduce(ink, element("centre").checked ? mnistFrame(ink) : AS_DRAWN);
  return [original, ...VARIANTS.map(({ apply }) => apply(original))].map(toBytes);
}

async function ask(images, pad, answer) {
  const impatience = setTimeout(() => setState("waiting"), PATIENCE_MS);
  try {
    const predictions = await predict(images);
    solved();
    if (pad.empty) return; // it has been cleared since
    answer.show(images, predictions);
    // To a reader of the screen every step of a stroke would be noise.
    if (!pad.drawing) announce(answer.words);
  } catch (error) {
    report(error, recover);
  } finally {
    clearTimeout(impatience);
  }
}

function useShortcut(event, pad) {
  const undo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
  if (!undo && event.key !== "Delete") return;
  event.preventDefault();
  if (undo) pad.undo();
  else pad.clear();
}

function showTools(pad) {
  element("undo").disabled = !pad.canUndo;
  element("clear").disabled = pad.empty;
  element("invitation").hidden = !pad.empty;
  element("centre-help").textContent = element("centre").checked
    ? "Cropped, scaled to 20 × 20 pixels, its centre of mass in the middle of 28 × 28."
    : "As drawn: the whole pad becomes the 28 × 28 pixels.";
  if (pad.empty) note("");
}

// Images that are chosen, dropped or pasted

function takePictures(use) {
  element("file").addEventListener("change", async ({ target }) => {
    await use(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => use(event.clipboardData.files[0]));
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dragging", name === "dragover");
    });
  }
  document.addEventListener("drop", (event) => use(event.dataTransfer.files[0]));
}

async function take(file, pad) {
  if (!file) return;
  try {
    const { picture, inverted } = await readPicture(file);
    pad.show(picture);
    note(inverted ? "Its background is light, so it was inverted: the model knows light on dark." : "");
  } catch (error) {
    if (!(error instanceof PictureError)) throw error;
    note(error.message);
  }
}

// What goes on, in words

function note(text) {
  element("note").textContent = text;
}

function announce(text) {
  element("announcement").textContent = text;
}

function setState(state) {
  element("state").dataset.state = state;
  element("state").textContent = { ready: "ready", waiting: "waiting for an answer", trouble: "no answer" }[state];
}

function report(error, again) {
  if (!(error instanceof EndpointError)) throw error;
  setState("trouble");
  // The same words set again would be read out again.
  if (element("problem").textContent !== error.message) element("problem").textContent = error.message;
  element("drawn").classList.add("stale");
  clearTimeout(retry);
  retry = error.retrySeconds ? setTimeout(again, 1000 * error.retrySeconds) : null;
}

function solved() {
  setState("ready");
  element("problem").textContent = "";
  element("drawn").classList.remove("stale");
  clearTimeout(retry);
  retry = null;
}

async function recover() {
  try {
    await describe();
    retry = null;
    document.dispatchEvent(new Event("recovered"));
  } catch (error) {
    report(error, recover);
  }
}
