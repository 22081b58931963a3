"""Files inside a page: `data:` addresses (RFC 2397)."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt


def of_png(content: bytes) -> str:
    """The address of a PNG file."""
    return _of(content, "png")


def of_pixels(pixels: npt.NDArray[Any], kind: str, **options: int) -> str:
    """The address of a picture.

    Args:
        pixels: uint8, (height, width), or (height, width, 3).
        kind: `png` or `jpeg`.
        options: of Pillow's writer.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return _of(file.getvalue(), kind)


def _of(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
