"""Pictures as a classifier sees them: shifted, mirrored and coloured anew in training, always the same in scoring."""

import math
from typing import Any, Dict, Mapping, Tuple

import numpy as np

from gluon_job import images
from gluon_job.hyperparameters import Hyperparameter

HYPERPARAMETERS = {
    "crop": Hyperparameter(
        None,
        "what is seen of a picture in training: `pad` moves it by up to an eighth, `area` takes 8 to 100 % of it; by "
        "default pad up to 64 pixels, area above",
        kind=str,
        choices=["none", "pad", "area"],
    ),
    "flip": Hyperparameter(True, "mirror half of the pictures in training; not for letters and digits"),
    "colour": Hyperparameter(0.0, "how much brightness, contrast and saturation vary in training", low=0, high=1),
}
_SMALL = 64  # pixels
_AREA, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of Szegedy et al., Going Deeper with Convolutions, 2015
_TRIES = 10
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Augmentation:
    """Makes of a picture, uint8 (height, width, 3), one to train on: uint8 (3, size, size).

    Args:
        values: HYPERPARAMETERS.
        size: pixels of a side.
    """

    def __init__(self, values: Mapping[str, Any], size: int) -> None:
        self._crop = values["crop"] or ("pad" if size <= _SMALL else "area")
        self._flip, self._colour, self._size = values["flip"], values["colour"], size

    def __call__(self, picture: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The same for the same state of the generator."""
        if self._crop == "area":
            made = _area(picture, self._size, random)
        else:
            made = images.fit(picture, self._size, self._size)
        if self._crop == "pad":
            made = _shifted(made, random)
        if self._flip and random.rand() < 0.5:
            made = made[:, ::-1]
        if self._colour:
            made = coloured(made, self._colour, random)
        return as_bytes(made)


def plain(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture to score, uint8 (3, size, size), as an endpoint would see it."""
    return as_bytes(images.fit(picture, size, size))


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """(height, width, 3) of any numbers as uint8 (3, height, width)."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(2, 0, 1)


def coloured(picture: np.ndarray, strength: float, random: np.random.RandomState) -> np.ndarray:
    """The picture, float32, with brightness, contrast and saturation up to this share higher or lower."""
    brightness, contrast, saturation = 1 + strength * random.uniform(-1, 1, 3)
    picture = picture.astype(np.float32) * np.float32(brightness)
    grey = picture @ _GREY
    picture = grey.mean() + (picture - grey.mean()) * np.float32(contrast)
    grey = (picture @ _GREY)[..., None]
    return grey + (picture - grey) * np.float32(saturation)


def targets(labels: np.ndarray, classes: int, smoothing: float) -> np.ndarray:
    """Probabilities to learn, float32 (N, classes): a label's is 1, but for a share that goes to all classes alike.

    Szegedy et al., Rethinking the Inception Architecture, 2016.
    """
    wanted = np.full((len(labels), classes), smoothing / classes, np.float32)
    wanted[np.arange(len(labels)), labels] += 1 - smoothing
    return wanted


def mixup(batch: Dict[str, np.ndarray], alpha: float, random: np.random.RandomState) -> Dict[str, np.ndarray]:
    """Mixes each picture of a batch, and what is to be learned of it, with another's.

    The share is drawn from a beta distribution (Zhang et al., mixup, 2018).
    """
    share, other = random.beta(alpha, alpha), random.permutation(len(batch["images"]))

    def mixed(array: np.ndarray) -> np.ndarray:
        return np.float32(share) * array + np.float32(1 - share) * array[other]

    return {
        **batch,
        "images": np.rint(mixed(batch["images"])).astype(np.uint8),
        "targets": mixed(batch["targets"]),
    }


def _shifted(picture: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    margin = max(1, picture.shape[0] // 8)
    top, left = random.randint(2 * margin + 1, size=2)
    padded = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    return padded[top : top + picture.shape[0], left : left + picture.shape[1]]


def _area(picture: np.ndarray, size: int, random: np.random.RandomState) -> np.ndarray:
    top, left, rows, columns = _window(picture.shape[0], picture.shape[1], random)
    return images.resize(picture[top : top + rows, left : left + columns], size, size)


def _window(height: int, width: int, random: np.random.RandomState) -> Tuple[int, int, int, int]:
    """A part of a picture: its first row and column, and how many of them; the middle where no try fits."""
    for _ in range(_TRIES):
        area = height * width * random.uniform(*_AREA)
        ratio = math.exp(random.uniform(*map(math.log, _RATIO)))
        rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < rows <= height and 0 < columns <= width:
            return random.randint(height - rows + 1), random.randint(width - columns + 1), rows, columns
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side
