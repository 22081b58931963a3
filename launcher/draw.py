"""Objects drawn on the picture that they were found in."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher import files
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_SMALLEST = 512  # pixels of the longer side: a smaller picture is enlarged, so that the names can be read
_GOLDEN = 0.618034  # of the circle of colours, between two classes: neighbours are well apart
_PAD = 2  # pixels around a name


class Mark(NamedTuple):
    """A box on a picture.

    Attributes:
        box: left, top, right and bottom in pixels of the picture.
        text: above a solid box, below a dashed one; "" for none.
        kind: the number of a class, which has its colour; None for a dashed box in black and white.
    """

    box: Sequence[float]
    text: str
    kind: int | None = None


def check_target(target: Path, sources: int) -> None:
    """UserError where boxes cannot be drawn to this file: it is of another kind, or not for one picture."""
    if target.suffix.lower() not in _FORMATS:
        raise UserError(f"--draw {target}: expected a name that ends in {', '.join(_FORMATS)}")
    if sources != 1:
        raise UserError(f"--draw takes one picture, not {sources}")


def objects(answer: Any) -> list[dict[str, Any]]:
    """What a detector found in the only picture of a request; UserError for another kind of answer."""
    predictions = answer.get("predictions") if isinstance(answer, dict) else None
    if not predictions or not isinstance(predictions[0], dict) or "objects" not in predictions[0]:
        raise UserError("the endpoint's answer has no boxes to draw: --draw is for the models of object_detector")
    return list(predictions[0]["objects"])


def draw(picture: bytes, found: list[dict[str, Any]], target: Path) -> None:
    """Writes a picture with boxes, names and probabilities on it, whole or not at all.

    Args:
        picture: the content of a PNG or JPEG file.
        found: of each object `class`, `label`, `probability` and `box` (left, top, right and bottom in pixels).
        target: a .png or .jpg file.

    Raises:
        UserError: the picture cannot be read.
        JobFailed: the file cannot be written.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as file:
            shown = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"the picture cannot be read ({error})") from None
    marks = [
        Mark([float(side) for side in one["box"]], f"{one['label']} {one['probability']:.2f}", int(one["class"]))
        for one in reversed(found)  # the most probable on top
    ]
    shown = mark(shown, marks, max(1, -(-_SMALLEST // max(shown.size))))
    body = io.BytesIO()
    shown.save(body, _FORMATS[target.suffix.lower()])
    try:
        files.write_atomic(target, body.getvalue())
    except OSError as error:
        raise JobFailed(f"cannot write {target}: {error.strerror or error}") from None


def mark(picture: Image.Image, marks: Sequence[Mark], scale: int = 1, font: Any = None) -> Image.Image:
    """The picture so many times as large, with boxes on it, each over the ones before, and their texts over all.

    Args:
        picture: in RGB; it is left as it is.
        marks: the boxes.
        scale: by which it is enlarged, so that names can be read.
        font: of Pillow; its default one where none is given.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    pen, font, width = ImageDraw.Draw(shown), font or ImageFont.load_default(), max(2, max(shown.size) // 160)
    for one in marks:
        box = [side * scale for side in one.box]
        if one.kind is None:
            _dash(pen, [round(side) for side in box], width)
        else:
            pen.rectangle(box, outline=_colour(one.kind), width=width)
    for one in marks:
        if one.text:
            _write(pen, one, [side * scale for side in one.box], font, shown.size)
    return shown


def _dash(pen: Any, box: Sequence[int], width: int) -> None:
    """White dashes on black: they are seen on any ground."""
    left, top, right, bottom = box
    pen.rectangle(box, outline="black", width=width)
    dash = 4 * width
    for x in range(left, right, 2 * dash):
        for y in (top, bottom - width + 1):
            pen.rectangle((x, y, min(x + dash, right), y + width - 1), fill="white")
    for y in range(top, bottom, 2 * dash):
        for x in (left, right - width + 1):
            pen.rectangle((x, y, x + width - 1, min(y + dash, bottom)), fill="white")


def _write(pen: Any, one: Mark, box: Sequence[float], font: Any, size: tuple[int, int]) -> None:
    """The text of a mark beside its box, and all of it on the picture where there is room."""
    begin = pen.textbbox((0, 0), one.text, font=font)
    width, height = begin[2] - begin[0] + 2 * _PAD, begin[3] - begin[1] + 2 * _PAD
    left = max(0.0, min(box[0], size[0] - width))
    top = box[3] if one.kind is None else box[1] - height
    top = max(0.0, min(top, size[1] - height))
    colour = "white" if one.kind is None else _colour(one.kind)
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    pen.text((left + _PAD - begin[0], top + _PAD - begin[1]), one.text, fill=(0, 0, 0), font=font)


def _colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.6, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
