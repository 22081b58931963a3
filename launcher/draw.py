"""Objects drawn on the picture that they were found in."""

from __future__ import annotations

import colorsys
import io
from pathlib import Path
from typing import Any

from launcher import files
from launcher.errors import JobFailed, UserError

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_SMALLEST = 512  # pixels of the longer side: a smaller picture is enlarged, so that the names can be read
_GOLDEN = 0.618034  # of the circle of colours, between two classes: neighbours are well apart


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
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as file:
            shown = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"the picture cannot be read ({error})") from None
    scale = max(1, -(-_SMALLEST // max(shown.size)))
    shown = shown.resize((shown.width * scale, shown.height * scale), Image.Resampling.NEAREST)
    pen, font = ImageDraw.Draw(shown), ImageFont.load_default()
    for one in reversed(found):  # the most probable on top
        left, top, right, bottom = (float(side) * scale for side in one["box"])
        colour = _colour(int(one["class"]))
        pen.rectangle((left, top, right, bottom), outline=colour, width=max(2, max(shown.size) // 300))
        text = f"{one['label']} {one['probability']:.2f}"
        ground = pen.textbbox((left + 2, max(0.0, top - 13)), text, font=font)
        pen.rectangle((ground[0] - 2, ground[1] - 1, ground[2] + 2, ground[3] + 1), fill=colour)
        pen.text((left + 2, max(0.0, top - 13)), text, fill=(0, 0, 0), font=font)
    body = io.BytesIO()
    shown.save(body, _FORMATS[target.suffix.lower()])
    try:
        files.write_atomic(target, body.getvalue())
    except OSError as error:
        raise JobFailed(f"cannot write {target}: {error.strerror or error}") from None


def _colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.6, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
