// Grey images as flat arrays, row by row, from 0 (paper) to 1 (ink). Pure functions: neither page nor canvas.

export const SIDE = 28; // of the image that the model sees
export const FINE = 280; // of the drawing that it is made from

const MNIST_BOX = 20; // MNIST scales each digit into a box of this side
const MNIST_MIDDLE = 14.5; // and moves it until its centre of mass lies in the pixel from 14 to 15
const INK = 0.02; // what is fainter does not count as part of the drawing
const NOISE = 0.15; // of paper that was scanned or photographed

/** The drawing as it stands: each pixel of the model is the mean of ten by ten points. */
export const AS_DRAWN = Object.freeze({ left: 0, top: 0, step: FINE / SIDE });

/**
 * The part of a drawing that MNIST would have shown: the digit scaled so that its longer side is 20 pixels, then moved
 * by whole pixels so that its centre of mass is in the middle.
 */
export function mnistFrame(fine) {
  const box = bounds(fine, FINE);
  if (!box) return AS_DRAWN;
  const step = Math.max(box.right - box.left, box.bottom - box.top) / MNIST_BOX;
  const mass = centreOfMass(fine, FINE);
  const start = (edge, centre) => edge - Math.round(MNIST_MIDDLE - (centre - edge) / step) * step;
  return { left: start(box.left, mass.x), top: start(box.top, mass.y), step };
}

/** The SIDE x SIDE image whose pixels are the means of squares of `fine`: `step` wide, the first at (left, top). */
export function reduce(fine, { left, top, step }) {
  const sums = cumulate(fine);
  return makeImage((x, y) => {
    const [x0, y0] = [left + x * step, top + y * step];
    const [x1, y1] = [x0 + step, y0 + step];
    const sum = sumTo(sums, x1, y1) - sumTo(sums, x0, y1) - sumTo(sums, x1, y0) + sumTo(sums, x0, y0);
    return clamp(sum / (step * step), 0, 1);
  });
}

/** The image moved right by `right` and down by `down` whole pixels; what leaves it is lost. */
export function shift(image, right, down) {
  return makeImage((x, y) => at(image, x - right, y - down));
}

/** The image turned clockwise about its middle, between pixels bilinear. */
export function rotate(image, degrees) {
  const [sine, cosine] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  const middle = (SIDE - 1) / 2;
  return makeImage((x, y) => {
    const [dx, dy] = [x - middle, y - middle];
    return between(image, middle + cosine * dx + sine * dy, middle - sine * dx + cosine * dy);
  });
}

/** Levels of grey as a model's input has them: whole numbers from 0 to 255. */
export function toBytes(image) {
  return Array.from(image, (value) => Math.round(255 * value));
}

/**
 * The ink of a photograph or scan: what differs from its background, which is taken from its border.
 *
 * Most pictures of digits are dark on light and MNIST is light on dark, so a light background is inverted.
 */
export function toInk(grey, width, height) {
  const border = [];
  for (let x = 0; x < width; x++) border.push(grey[x], grey[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) border.push(grey[y * width], grey[y * width + width - 1]);
  const paper = border.sort((a, b) => a - b)[border.length >> 1];
  const inverted = paper > 0.5;
  const range = inverted ? paper : 1 - paper;
  const least = paper === 0 || paper === 1 ? 0 : NOISE;
  const ink = grey.map((value) => {
    const difference = (inverted ? paper - value : value - paper) / range;
    return difference < least ? 0 : Math.min(difference, 1);
  });
  return { ink, inverted };
}

/** The smallest box around the ink, as edges between points; null for an empty image. */
export function bounds(image, side) {
  let [left, top, right, bottom] = [side, side, 0, 0];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (image[y * side + x] < INK) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
    }
  }
  return right ? { left, top, right, bottom } : null;
}

/** Where the ink balances; (0, 0) is the upper left corner of the first point. */
export function centreOfMass(image, side) {
  let [sum, x, y] = [0, 0, 0];
  for (let i = 0; i < image.length; i++) {
    sum += image[i];
    x += image[i] * ((i % side) + 0.5);
    y += image[i] * (Math.floor(i / side) + 0.5);
  }
  return sum ? { x: x / sum, y: y / sum } : { x: side / 2, y: side / 2 };
}

function makeImage(value) {
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => value(i % SIDE, Math.floor(i / SIDE)));
}

function at(image, x, y) {
  return x >= 0 && y >= 0 && x < SIDE && y < SIDE ? image[y * SIDE + x] : 0;
}

function between(image, x, y) {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  const [right, down] = [x - column, y - row];
  const upper = (1 - right) * at(image, column, row) + right * at(image, column + 1, row);
  const lower = (1 - right) * at(image, column, row + 1) + right * at(image, column + 1, row + 1);
  return (1 - down) * upper + down * lower;
}

// The sums of all points above and left of each corner: any rectangle's sum is then four look-ups.
function cumulate(fine) {
  const stride = FINE + 1;
  const sums = new Float64Array(stride * stride);
  for (let y = 0; y < FINE; y++) {
    let row = 0;
    for (let x = 0; x < FINE; x++) {
      row += fine[y * FINE + x];
      sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
    }
  }
  return sums;
}

// Inside a point the sum is bilinear, so that rectangles which cut through points are exact too.
function sumTo(sums, x, y) {
  [x, y] = [clamp(x, 0, FINE), clamp(y, 0, FINE)];
  const [column, row] = [Math.min(Math.floor(x), FINE - 1), Math.min(Math.floor(y), FINE - 1)];
  const [right, down] = [x - column, y - row];
  const upper = row * (FINE + 1) + column;
  const lower = upper + FINE + 1;
  return (
    (1 - down) * ((1 - right) * sums[upper] + right * sums[upper + 1]) +
    down * ((1 - right) * sums[lower] + right * sums[lower + 1])
  );
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
