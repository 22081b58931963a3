"""Validation pictures with the boxes that a detector found in them, and the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher import draw
from launcher.draw import Mark
from launcher.report import data_uri
from launcher.report.examination import Examination
from launcher.report.figures import cut

if TYPE_CHECKING:
    import numpy.typing as npt

_SIDE = 480  # pixels that a picture is enlarged to, about: names can be read
_LETTERS, _CUT = 22, 18  # pixels of a letter; letters of a name
_QUALITY = 85  # of JPEG


class FalseFind(NamedTuple):
    """A box around no object of its class, or around one that a better box has found: its class and probability."""

    kind: int
    probability: float


class Scene(NamedTuple):
    """A validation picture.

    Attributes:
        row: its place in the validation data, from 0.
        name: of its file.
        objects: how many true boxes it has that count.
        missed: the classes of the objects that were not found.
        false: what was found and is not there, the most probable first.
        pixels: uint8 (height, width, 3), with the boxes on it.
    """

    row: int
    name: str
    objects: int
    missed: list[int]
    false: list[FalseFind]
    pixels: npt.NDArray[Any]

    @property
    def summary(self) -> str:
        """How many objects are found, and how many boxes are around none."""
        found = f"{self.objects - len(self.missed)} of {self.objects} found"
        return f"{found}, {len(self.false)} false" if self.false else found

    @property
    def uri(self) -> str:
        """The picture as a JPEG file in a `data:` address."""
        return data_uri.of_pixels(self.pixels, "jpeg", quality=_QUALITY)


def mistakes(examination: Examination) -> list[Scene]:
    """The pictures with most mistakes, that with most of them first."""
    return _scenes(examination, "mistake")


def samples(examination: Examination) -> list[Scene]:
    """Some, in the order of the data."""
    return _scenes(examination, "sample")


def _scenes(examination: Examination, kind: str) -> list[Scene]:
    content, font = examination.content["detector"], _font()
    labels = [str(label) for label in content["labels"]]
    described, pictures = content[f"{kind}s"], examination.arrays[f"{kind}_pictures"]
    return [_scene(one, pixels, labels, font) for one, pixels in zip(described, pictures)]


def _scene(described: Mapping[str, Any], pixels: npt.NDArray[Any], labels: list[str], font: Any) -> Scene:
    import numpy as np
    from PIL import Image

    found, true = described["found"], described["true"]
    # The most probable on top.
    marks = [_true_mark(one, labels) for one in true] + [_found_mark(one, labels) for one in reversed(found)]
    picture = Image.fromarray(pixels[: described["height"], : described["width"]])
    marked = draw.mark(picture, marks, max(1, round(_SIDE / max(picture.size))), font)
    return Scene(
        described["row"],
        described["name"],
        sum(one["is_found"] is not None for one in true),
        [one["class"] for one in true if one["is_found"] is False],
        [FalseFind(one["class"], one["probability"]) for one in found if one["is_right"] is False],
        np.asarray(marked),
    )


def _true_mark(one: Mapping[str, Any], labels: list[str]) -> Mark:
    return Mark(one["box"], cut(labels[one["class"]], _CUT) if one["is_found"] is False else "")


def _found_mark(one: Mapping[str, Any], labels: list[str]) -> Mark:
    cross = "✗ " if one["is_right"] is False else ""
    return Mark(one["box"], f"{cross}{cut(labels[one['class']], _CUT)} {one['probability']:.0%}", one["class"])


def _font() -> Any:
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), _LETTERS)
