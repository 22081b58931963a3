"""Pictures as the networks see them: PNG or JPEG in, values of one sample out."""

import io
import struct
import zlib
from typing import Any, Mapping, Optional, Sequence, Tuple

import numpy as np

from .errors import InputError

_MOST_PIXELS, _LONGEST_SIDE = 2**24, 2**13  # a picture of a few kilobytes may unfold to more than the memory
_PNG_START, _PNG_HEADER = b"\x89PNG\r\n\x1a\n", 33  # bytes, with the first chunk
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def read(data: Any, parameters: Mapping[str, str], shape: Sequence[int]) -> np.ndarray:
    """One sample, float32 (*shape) from 0 to 255, of the bytes of a picture.

    It is made grey for a shape of one channel, keeps its proportions (the margins take the colour of its border), and
    is averaged down to the size. What is seen through is white.

    Args:
        data: the content of a PNG or JPEG file.
        parameters: of the content type: `invert=true` or `invert=false` says whether dark and bright change places.
            Without it a grey picture with a bright border, as of ink on paper, is inverted: MNIST and its kin are
            bright on black.
        shape: (channels, height, width) of a sample; 1 or 3 channels.

    Raises:
        InputError: not a picture, a damaged one, or one of too many pixels.
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(f"this model's samples have the shape {list(shape)}: it takes no pictures")
    picture = decode(data, grey=shape[0] == 1).astype(np.float32)
    if _inverted(parameters.get("invert"), picture):
        picture = 255 - picture
    return fit(picture, shape[1], shape[2]).transpose(2, 0, 1)


def decode(data: Any, grey: bool = False) -> np.ndarray:
    """The pixels of a PNG or JPEG file, from 0 to 255: (height, width, 3), or (height, width, 1) for grey.

    Raises:
        InputError: not a picture, a damaged one, or one of too many pixels.
    """
    width, height = size(data)
    if not 0 < width * height <= _MOST_PIXELS or max(width, height) > _LONGEST_SIDE:
        raise InputError(
            f"the picture has {width} x {height} pixels: send at most {_MOST_PIXELS:,}, and {_LONGEST_SIDE:,} a side"
        )
    return _decode(data, grey)


def size(data: Any) -> Tuple[int, int]:
    """Width and height as the header of a PNG or JPEG file gives them: nothing is decoded. InputError: neither."""
    try:
        if data[:8] == _PNG_START and data[12:16] == b"IHDR" and len(data) >= _PNG_HEADER:
            return struct.unpack(">II", data[16:24])
        if data[:2] == _JPEG_START:
            return _jpeg_size(data)
    except (struct.error, IndexError):
        pass
    raise InputError("the body is not a PNG or JPEG picture, or a damaged one")


def _jpeg_size(data: Any) -> Tuple[int, int]:
    place = 2
    for _ in range(1000):  # parts: a camera writes a dozen
        while data[place + 1] == 0xFF:  # padding
            place += 1
        marker, length = data[place + 1], struct.unpack_from(">H", data, place + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the start of a frame
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        place += 2 + max(length, 2)
    raise IndexError


def _decode(data: Any, grey: bool) -> np.ndarray:
    """Values from 0 to 255, (height, width, 1 or 3), by Pillow or, where that is missing, by MXNet's OpenCV."""
    try:
        from PIL import Image, ImageFile, ImageOps
    except ImportError:
        return _decode_with_mxnet(data, grey)
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # GluonCV sets it: what a picture lacks would be made up
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off instead of scaling
                picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            values = np.asarray(picture.convert("L" if grey else "RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise InputError(f"the picture cannot be read ({str(error)[:120]})") from None
    return values.reshape((*values.shape[:2], -1))


def _decode_with_mxnet(data: Any, grey: bool) -> np.ndarray:
    from .compat import mx

    if not _is_whole(data):  # OpenCV would fill in what is missing
        raise InputError("the picture is cut off or damaged")
    if data[:8] == _PNG_START and (data[25] in (4, 6) or b"tRNS" in data):  # its alpha channel would be passed over
        raise InputError("the picture has transparent parts: send it without")
    try:
        return mx.image.imdecode(bytes(data), flag=0 if grey else 1).asnumpy()
    except mx.MXNetError:
        raise InputError("the picture cannot be read") from None


def _is_whole(data: Any) -> bool:
    if data[:2] == _JPEG_START:
        return _JPEG_END in data
    place = len(_PNG_START)
    while place + 12 <= len(data):  # a chunk: its length, name, content and checksum
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if int.from_bytes(data[end : end + 4], "big") != zlib.crc32(data[place + 4 : end]):
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end + 4
    return False


def _inverted(word: Optional[str], picture: np.ndarray) -> bool:
    if word is not None:
        if word not in ("true", "false"):
            raise InputError(f"the content type says invert={word}: it is true or false")
        return word == "true"
    return picture.shape[2] == 1 and np.median(_border(picture)) > 127


def _border(picture: np.ndarray) -> np.ndarray:
    """The pixels of the four edges, (count, channels)."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, channels): the picture in its own proportions, in the middle, on the colour of its border."""
    if picture.shape[:2] == (height, width):
        return picture
    rows, columns, top, left = placement(picture.shape[0], picture.shape[1], height, width)
    fitted = np.empty((height, width, picture.shape[2]), np.float32)
    fitted[:] = np.median(_border(picture), axis=0)
    fitted[top : top + rows, left : left + columns] = resize(picture, rows, columns)
    return fitted


def placement(rows: int, columns: int, height: int, width: int) -> Tuple[int, int, int, int]:
    """What `fit` makes of so many rows and columns: how many it has of them, and the row and column they begin at."""
    scale = min(height / rows, width / columns)
    rows, columns = (max(1, round(pixels * scale)) for pixels in (rows, columns))
    return rows, columns, (height - rows) // 2, (width - columns) // 2


def resize(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns, channels), float32: each pixel is the mean of those that it covers."""
    shares = _shares(picture.shape[0], rows), _shares(picture.shape[1], columns)
    # In one piece: numpy multiplies what lies scattered without BLAS, which takes thirty times as long.
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
    return (shares[0] @ planes @ shares[1].T).transpose(1, 2, 0)


def _shares(pixels: int, cells: int) -> np.ndarray:
    """What share of each cell each pixel covers, when both divide the same line: float32 (cells, pixels)."""
    edges = np.linspace(0, pixels, cells + 1)[:, None]
    places = np.arange(pixels)
    overlap = np.minimum(edges[1:], places + 1) - np.maximum(edges[:-1], places)
    return (overlap.clip(0) * (cells / pixels)).astype(np.float32)
