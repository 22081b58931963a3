// A picture from a file, as ink on the pad.

import { FINE, toInk } from "./image.js";

/** A file without a picture in it; the message is for a person. */
export class PictureError extends Error {}

/** {picture, inverted} of a file: a FINE x FINE canvas of white ink, the whole picture in its middle. */
export async function readPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new PictureError(`“${file.name}” is not an image that this browser can read: try a PNG or a JPEG.`);
  }
  const scale = FINE / Math.max(bitmap.width, bitmap.height);
  const width = Math.max(1, Math.round(scale * bitmap.width));
  const height = Math.max(1, Math.round(scale * bitmap.height));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  // Enlarged pixels keep their edges, so that a picture of 28 x 28 comes through unchanged.
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  fillBackground(context, width, height);
  const { ink, inverted } = toInk(greys(context, width, height), width, height);
  return { picture: onPad(ink, width, height), inverted };
}

// A transparent picture is put on the paper that shows it: white under dark ink, black under light.
function fillBackground(context, width, height) {
  const { data } = context.getImageData(0, 0, width, height);
  let [weight, light] = [0, 0];
  for (let i = 0; i < data.length; i += 4) {
    weight += data[i + 3];
    light += data[i + 3] * luma(data, i);
  }
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = light < weight / 2 ? "#fff" : "#000";
  context.fillRect(0, 0, width, height);
}

function greys(context, width, height) {
  const { data } = context.getImageData(0, 0, width, height);
  return Float32Array.from({ length: width * height }, (_, i) => luma(data, 4 * i));
}

function luma(data, i) {
  return (0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]) / 255;
}

function onPad(ink, width, height) {
  const canvas = new OffscreenCanvas(FINE, FINE);
  const pixels = new ImageData(width, height);
  for (let i = 0; i < ink.length; i++) pixels.data.set([255, 255, 255, Math.round(255 * ink[i])], 4 * i);
  canvas.getContext("2d").putImageData(pixels, (FINE - width) >> 1, (FINE - height) >> 1);
  return canvas;
}
