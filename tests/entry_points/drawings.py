"""Pictures on disk, small enough to learn from in a moment: PNG files made without a library."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np


def png(values: np.ndarray) -> bytes:
    """A PNG file of uint8 (height, width) or (height, width, 3)."""
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8, 0 if values.ndim == 2 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def picture(label: int, random: np.random.RandomState, side: int = 32) -> np.ndarray:
    """Noise, uint8 (side, side, 3), that is reddest, greenest or bluest for the labels 0, 1 and 2."""
    values = random.randint(60, size=(side, side, 3)).astype(np.uint8)
    values[..., label] += 150
    return values


def write_folders(directory: Path, names: tuple[str, ...] = ("blue", "green", "red"), count: int = 20) -> Path:
    """A folder of so many pictures for each of up to three classes."""
    random = np.random.RandomState(0)
    for label, name in enumerate(names):
        (directory / name).mkdir(parents=True)
        for i in range(count):
            (directory / name / f"{i}.png").write_bytes(png(picture(label, random)))
    return directory


def write_records(path: Path, pictures: list[tuple[float, bytes]]) -> None:
    """A RecordIO file of labels and encoded pictures."""
    content = b""
    for number, (label, body) in enumerate(pictures):
        record = struct.pack("<IfQQ", 0, label, number, 0) + body
        content += struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4)
    path.write_bytes(content)


def scene(random: np.random.RandomState, side: int = 64) -> tuple[np.ndarray, list[tuple[str, tuple[int, ...]]]]:
    """A dark picture with a bright block or two, and the name and box of each: left, top, right, bottom."""
    canvas = random.randint(30, size=(side, side, 3)).astype(np.uint8)
    objects = []
    for left in (2, 34)[: random.randint(1, 3)]:
        top, kind = random.randint(2, side - 28), random.randint(2)
        canvas[top : top + 24, left : left + 24, kind] += 200
        objects.append((("red", "green")[kind], (left, top, left + 24, top + 24)))
    return canvas, objects


def write_voc(directory: Path, training: int = 24, test: int = 8) -> Path:
    """So many scenes in the format of Pascal VOC."""
    random = np.random.RandomState(0)
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (directory / folder).mkdir(parents=True)
    for part, count in (("train", training), ("test", test)):
        names = [f"{part}{i}" for i in range(count)]
        for name in names:
            canvas, objects = scene(random)
            (directory / "JPEGImages" / f"{name}.png").write_bytes(png(canvas))
            (directory / "Annotations" / f"{name}.xml").write_text(annotation(objects), "utf-8")
        if names:
            (directory / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names) + "\n", "utf-8")
    return directory


def annotation(objects: list[tuple[str, tuple[int, ...]]]) -> str:
    """VOC's XML of objects, whose boxes are in pixels from 0 on."""
    items = [
        f"<object><name>{name}</name><bndbox><xmin>{box[0] + 1}</xmin><ymin>{box[1] + 1}</ymin><xmax>{box[2]}</xmax>"
        f"<ymax>{box[3]}</ymax></bndbox></object>"
        for name, box in objects
    ]
    return f"<annotation>{''.join(items)}</annotation>"


def read_annotation(path: Path) -> list[tuple[str, list[int]]]:
    """The objects of `annotation`."""
    found = []
    for item in ElementTree.parse(path).iter("object"):
        left, top, right, bottom = (int(item.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax"))
        found.append((item.find("name").text, [left - 1, top - 1, right, bottom]))
    return found
