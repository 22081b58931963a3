"""Validation pictures with what was said of them: the mistakes, and samples of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.report import data_uri
from launcher.report.examination import Examination

if TYPE_CHECKING:
    import numpy.typing as npt


class Picture(NamedTuple):
    """A validation picture.

    Attributes:
        row: its place in the validation data, from 0.
        truth, predicted: numbers of classes.
        probability: of the predicted class, from 0 to 1.
        true_probability: of the true class.
        pixels: uint8 (height, width, channels).
    """

    row: int
    truth: int
    predicted: int
    probability: float
    true_probability: float
    pixels: npt.NDArray[Any]

    @property
    def uri(self) -> str:
        """The picture as a PNG file in a `data:` address."""
        return data_uri.of_pixels(self.pixels[:, :, 0] if self.pixels.shape[2] == 1 else self.pixels, "png")


def mistakes(examination: Examination) -> list[Picture]:
    """The most confident mistakes, the most confident first."""
    return _pictures(examination, "mistake")


def samples(examination: Examination) -> list[Picture]:
    """Some of each class, in the order of the data."""
    return _pictures(examination, "sample")


def _pictures(examination: Examination, kind: str) -> list[Picture]:
    arrays, predictions = examination.arrays, examination.predictions
    found = []
    for index, pixels in zip(arrays[f"{kind}s"].tolist(), arrays[f"{kind}_pictures"]):
        truth, predicted, probabilities = int(arrays["truth"][index]), int(predictions[index]), arrays["probabilities"]
        row, chance = int(arrays["rows"][index]), probabilities[index]
        found.append(Picture(row, truth, predicted, float(chance[predicted]), float(chance[truth]), pixels))
    return found
