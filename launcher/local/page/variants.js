// The ways in which a drawing is disturbed, to see whether the model still reads it.

import { rotate, shift } from "./image.js";

const moved = (sign, words, right, down) => ({
  kind: "shift",
  caption: `${sign} ${Math.abs(right + down)} px`,
  words: `${Math.abs(right + down)} pixels ${words}`,
  apply: (image) => shift(image, right, down),
});

const turned = (degrees) => ({
  kind: "rotation",
  caption: `${degrees < 0 ? "↺" : "↻"} ${Math.abs(degrees)}°`,
  words: `${Math.abs(degrees)} degrees ${degrees < 0 ? "anticlockwise" : "clockwise"}`,
  apply: (image) => rotate(image, degrees),
});

/** Each has a kind (shift or rotation), a caption to show, words to read out, and apply(image). */
export const VARIANTS = [
  ...[3, 6].flatMap((by) => [
    moved("←", "to the left", -by, 0),
    moved("→", "to the right", by, 0),
    moved("↑", "up", 0, -by),
    moved("↓", "down", 0, by),
  ]),
  ...[-15, 15, -30, 30, -45, 45, 90, 180].map(turned),
];
