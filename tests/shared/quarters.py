"""Scenes with a bright block in some of their quarters, and a detector that finds such blocks without training."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

SIDE = 64  # pixels of a scene
NAMES = "red", "green"


class Block(NamedTuple):
    """A block of 24 x 24 pixels.

    Attributes:
        quarter: in which it is, from 0 to 3, row by row.
        colour: 0 is red, 1 is green.
        light: up to 255; its detector finds it with a probability of 0.00220588 times that.
        said: the colour that its annotation says, or None for a block that has none.
        difficult: whether finding it counts.
    """

    quarter: int
    colour: int
    light: int
    said: int | None
    difficult: bool = False

    @property
    def box(self) -> tuple[int, int, int, int]:
        top, left = (32 * part + 4 for part in divmod(self.quarter, 2))
        return left, top, left + 24, top + 24


SCENES = (
    [Block(0, 0, 250, 0), Block(3, 1, 200, 1)],  # found
    [Block(1, 0, 200, 0), Block(2, 0, 240, None)],  # one is found, and another that is not said to be there
    [Block(0, 1, 120, 1), Block(1, 0, 120, 0), Block(2, 0, 180, 1)],  # two too dark, one of another colour than is said
    [Block(3, 0, 250, 0, difficult=True)],
    [],
)


def probability(light: int) -> float:
    """What the detector says of a block: the mean of its quarter."""
    return light / 255 * (24 / 32) ** 2


def write(directory: Path, scenes: Sequence[Sequence[Block]] = SCENES, names: Sequence[str] = NAMES) -> Path:
    """The scenes as validation data in VOC's format, whose training data have one scene with a block of each colour."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (directory / folder).mkdir(parents=True)
    parts = {"train": [[Block(0, 0, 250, 0), Block(1, 1, 250, 1)]], "val": scenes}
    for part, some in parts.items():
        for number, blocks in enumerate(some):
            (directory / "JPEGImages" / f"{part}{number}.png").write_bytes(_png(blocks))
            objects = "".join(_object(block, names) for block in blocks if block.said is not None)
            text = f"<annotation>{objects}</annotation>"
            (directory / "Annotations" / f"{part}{number}.xml").write_text(text, "utf-8")
        lines = "".join(f"{part}{number}\n" for number in range(len(some)))
        (directory / "ImageSets" / "Main" / f"{part}.txt").write_text(lines, "utf-8")
    (directory / "labels.txt").write_text("\n".join(names), "utf-8")
    return directory


def save_detector(model_dir: Path, names: Sequence[str] = NAMES, size: int = SIDE) -> None:
    """Its artifact, for pictures of this size."""
    from gluon_job import artifact, detector
    from gluon_job.compat import mx

    class Quarters(mx.gluon.HybridBlock):
        """Of each quarter a red and a green box; none where it is dark."""

        def __init__(self) -> None:
            super().__init__()
            boxes = [np.array(Block(i // 2, 0, 0, None).box) * (size / SIDE) for i in range(8)]
            self.boxes = self.params.get_constant("boxes", np.float32(boxes)[None])
            self.kinds = self.params.get_constant("kinds", np.float32([0, 1] * 4).reshape(1, 8, 1))

        def hybrid_forward(self, F, x, boxes, kinds):  # noqa: N803
            means = F.mean(F.reshape(x, shape=(0, 3, 2, size // 2, 2, size // 2)), axis=(3, 5))
            means = F.slice_axis(means, axis=1, begin=0, end=2).transpose((0, 2, 3, 1)).reshape((0, -1, 1))
            kinds = F.where(means > 0.05, F.broadcast_add(kinds, means * 0), means * 0 - 1)
            return F.concat(kinds, means, F.broadcast_add(boxes, means * 0), dim=2)

    net = Quarters()
    net.initialize()
    artifact.save(net, str(model_dir), (3, size, size), list(names), output=detector.OUTPUT)


def _png(blocks: Sequence[Block]) -> bytes:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    for block in blocks:
        left, top, right, bottom = block.box
        pixels[top:bottom, left:right, block.colour] = block.light
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, rows, b"")))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _object(block: Block, names: Sequence[str]) -> str:
    left, top, right, bottom = block.box
    box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    difficult = "<difficult>1</difficult>" if block.difficult else ""
    return f"<object><name>{escape(names[block.said])}</name>{difficult}<bndbox>{box}</bndbox></object>"


if __name__ == "__main__":
    save_detector(Path(sys.argv[1]), sys.argv[2:])
