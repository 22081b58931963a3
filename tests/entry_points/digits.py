"""A data set in the format of MNIST that a network learns in a moment: each digit is a bar at its own height."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

SIZE = 28


def draw(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (count, 28, 28) of the digits 0 to 9 in turn, with some noise, and their labels uint8 (count,)."""
    labels = np.arange(count, dtype=np.uint8) % 10
    images = np.random.RandomState(seed).randint(40, size=(count, SIZE, SIZE)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[2 + 2 * label : 6 + 2 * label] += 200
    return images, labels


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes an IDX file, gzipped if its name says so."""
    content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write(directory: Path, training: int = 60, test: int = 20) -> Path:
    """Writes a flat data set of so many images; none of a kind, no files of it."""
    for prefix, count, seed in (("train", training, 0), ("t10k", test, 1)):
        if count:
            images, labels = draw(count, seed)
            write_idx(directory / f"{prefix}-images-idx3-ubyte", images)
            write_idx(directory / f"{prefix}-labels-idx1-ubyte", labels)
    return directory
