"""Images that are shifted, turned and bent anew in each epoch, so that a network learns what stays the same.

The elastic deformation is that of Simard, Steinkraus and Platt, Best Practices for Convolutional Neural Networks
Applied to Visual Document Analysis, 2003; displacements are drawn on a coarse grid and smoothed as they become fine.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Mapping, NamedTuple, Tuple

import numpy as np

from gluon_job import threads
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.task import Task

HYPERPARAMETERS = {
    "augment": Hyperparameter(
        [], "how the training images vary from epoch to epoch", kind=[str], choices=["shift", "rotate", "elastic"]
    ),
    "augment_shift": Hyperparameter(3.0, "of shift: at most so many pixels, along each side", above=0, high=256),
    "augment_rotate": Hyperparameter(15.0, "of rotate: at most so many degrees, either way", above=0, high=180),
    "augment_elastic": Hyperparameter(
        1.2, "of elastic: how far pixels move, as a standard deviation in pixels", above=0, high=64
    ),
}
_TOGETHER = 100  # images that are made at a time: their numbers fit into a processor's cache
_SMOOTH = 4.0  # pixels: the standard deviation of the elastic deformation's Gaussian
_SEED = 0xA06  # keeps these numbers apart from those of the samples' order


class AugmentedImages(Task):
    """The classification of images that are other ones in each epoch.

    Each host makes all of them, from the seed, the epoch and their place alone: several hosts learn what one would, and
    a training that goes on from a checkpoint what it would have without the interruption.

    Args:
        training: images uint8 (N, channels, height, width), and labels (N,).
        values: HYPERPARAMETERS, and `seed`.
    """

    def __init__(self, training: Tuple[np.ndarray, np.ndarray], values: Mapping[str, Any]) -> None:
        self._images, self._labels = training
        self._values, self._smoothing = values, _smoothing(self._images.shape[2:])
        self.identity = {name: values[name] for name in HYPERPARAMETERS}

    def samples(self, epoch: int) -> Tuple[np.ndarray, np.ndarray]:
        """The images of an epoch, and their labels."""
        made = np.empty_like(self._images)

        def make(begin: int) -> None:
            random = np.random.RandomState([self._values["seed"], _SEED, epoch, begin])
            part = self._images[begin : begin + _TOGETHER]
            rows, columns = _places(part.shape, self._values, self._smoothing, random)
            made[begin : begin + _TOGETHER] = _sampled(part, rows, columns)

        with ThreadPoolExecutor(threads.available()) as pool:  # numpy lets other threads work while it computes
            list(pool.map(make, range(0, len(made), _TOGETHER)))
        return made, self._labels


def task(training: Tuple[np.ndarray, np.ndarray], values: Mapping[str, Any]) -> Task:
    """What `fit` trains: augmented images, or those that there are where `augment` names nothing."""
    return AugmentedImages(training, values) if values["augment"] else Task()


class _Smoothing(NamedTuple):
    """Makes a fine field, (height, width), of a coarse one: `rows @ coarse @ columns.T`."""

    rows: np.ndarray
    columns: np.ndarray


def _smoothing(shape: Tuple[int, ...]) -> _Smoothing:
    return _Smoothing(*[_gaussians(length) for length in shape])


def _gaussians(length: int) -> np.ndarray:
    """What each point of a coarse grid adds to each pixel, float32 (length, points): fields of unit variance."""
    points = np.arange(-_SMOOTH, length + 2 * _SMOOTH, _SMOOTH)
    weights = np.exp(-0.5 * ((np.arange(length)[:, None] - points) / _SMOOTH) ** 2)
    return (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(np.float32)


def _places(
    shape: Tuple[int, ...], values: Mapping[str, Any], smoothing: _Smoothing, random: np.random.RandomState
) -> Tuple[np.ndarray, np.ndarray]:
    """Where each pixel of each image comes from: its row and its column, float32 (N, height, width) each."""
    count, (height, width) = shape[0], shape[2:]
    middle = (height - 1) / 2, (width - 1) / 2
    y, x = np.arange(height, dtype=np.float32)[:, None] - middle[0], np.arange(width, dtype=np.float32) - middle[1]
    # All is drawn whatever is wanted, so that one kind of variation does not change the others.
    angles = np.radians(values["augment_rotate"]) * random.uniform(-1, 1, count)
    offsets = values["augment_shift"] * random.uniform(-1, 1, (2, count))
    coarse = random.normal(size=(2, count, smoothing.rows.shape[1], smoothing.columns.shape[1]))
    if "rotate" not in values["augment"]:
        angles[:] = 0
    if "shift" not in values["augment"]:
        offsets[:] = 0
    cosine, sine = (f(angles).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    down, right = (offset.astype(np.float32)[:, None, None] for offset in offsets)
    rows = cosine * y + sine * x + (middle[0] + down)
    columns = cosine * x - sine * y + (middle[1] + right)
    if "elastic" in values["augment"]:
        moved = smoothing.rows @ coarse.astype(np.float32) @ smoothing.columns.T
        moved *= np.float32(values["augment_elastic"])
        rows, columns = rows + moved[0], columns + moved[1]
    return rows, columns


def _sampled(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The images with each pixel taken from that place, between pixels linearly; black comes in from outside."""
    count, channels, height, width = images.shape
    # A margin of black on each side, in which all that comes from outside is found.
    framed = np.zeros((count, channels, height + 3, width + 3), np.float32)
    framed[:, :, 1:-2, 1:-2] = images
    rows, columns = rows.clip(-1, height) + 1, columns.clip(-1, width) + 1
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, right = rows - top, columns - left
    first = (np.arange(count)[:, None, None] * channels) * (height + 3) * (width + 3)
    places, flat = first + top * (width + 3) + left, framed.ravel()
    made = np.empty(images.shape, np.uint8)
    for channel in range(channels):
        above, below = (_between(flat, places + step, right) for step in (0, width + 3))
        made[:, channel] = above + down * (below - above) + np.float32(0.5)
        places += (height + 3) * (width + 3)
    return made


def _between(values: np.ndarray, places: np.ndarray, shares: np.ndarray) -> np.ndarray:
    here = values.take(places, mode="clip")  # all are inside, and taking is twice as fast when that is not checked
    return here + shares * (values.take(places + 1, mode="clip") - here)
