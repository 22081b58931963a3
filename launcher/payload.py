"""Files as the bodies of requests."""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TYPES = {
    ".csv": "text/csv",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".npy": "application/x-npy",
    ".png": "image/png",
}
_IDX = re.compile(r"idx\d|\.idx$")
_RANGE = re.compile(r"(\d*)[:-](\d*)")
_UNSIGNED_BYTE = 0x08  # the third byte of an IDX file says what its values are
_FIRST = 1  # samples of an IDX file, when no range is given


class Payload(NamedTuple):
    """A request: the body, its content type, and the file that it came from."""

    body: bytes
    content_type: str
    name: str


def read(word: str, rows: str | None = None) -> Payload:
    """The request that a file makes.

    Args:
        word: a .png, .jpg, .jpeg, .npy, .csv or .json file, or one in the IDX format, gzipped or plain, of which a
            range of samples is taken: `FILE:0-9` (the last one included).
        rows: the range, where the word has none: `0:10` (the last one not included); the first sample by default.

    Raises:
        UserError: the file is not there, of another kind, damaged, or has no such samples.
    """
    name, span = _split(word)
    path = Path(name).expanduser()
    try:
        if _IDX.search(path.name.removesuffix(".gz")):
            first, end = _span(span or rows or f"0:{_FIRST}")
            return Payload(_npy(_idx_samples(path, first, end)), _TYPES[".npy"], word)
        if span or rows:
            raise UserError(f"{word}: only files in the IDX format are taken in part")
        if path.suffix.lower() not in _TYPES:
            raise UserError(f"{path}: expected one of {', '.join(_TYPES)}, or a file in the IDX format")
        return Payload(path.read_bytes(), _TYPES[path.suffix.lower()], word)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


def _split(word: str) -> tuple[str, str]:
    name, colon, span = word.rpartition(":")
    return (name, span) if colon and re.fullmatch(r"\d+(-\d+)?", span) and not Path(word).exists() else (word, "")


def _span(text: str) -> tuple[int, int | None]:
    """`5`, `0-9` with the last one, or `0:10`, `0:`, `:10` without it, as first and end."""
    if text.isdecimal():
        return int(text), int(text) + 1
    found = _RANGE.fullmatch(text)
    if not found or ("-" in text and not all(found.groups())):
        raise UserError(f"the range {text!r}: expected 0:10, or 0-9 with the last one included")
    first, end = int(found[1] or 0), int(found[2]) + ("-" in text) if found[2] else None
    if end is not None and end <= first:
        raise UserError(f"the range {text!r} is empty")
    return first, end


def _idx_samples(path: Path, first: int, end: int | None) -> npt.NDArray[np.uint8]:
    """Samples `first` to before `end` of an IDX file of bytes: uint8 (n, ...)."""
    import numpy as np

    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4)
            if len(header) < 4 or header[:2] != b"\0\0" or header[2] != _UNSIGNED_BYTE or not header[3]:
                raise UserError(f"{path} is not in the IDX format, or holds no bytes")
            count, *shape = struct.unpack(f">{header[3]}I", file.read(4 * header[3]))
            end = count if end is None else end
            if end > count or first >= end:
                raise UserError(f"{path} has the samples 0 to {count - 1}, not {first} to {end - 1}")
            size = math.prod(shape)
            file.seek(first * size, io.SEEK_CUR)
            content = file.read((end - first) * size)
        return np.frombuffer(content, np.uint8).reshape(end - first, *shape)
    except (EOFError, struct.error, ValueError, gzip.BadGzipFile):
        raise UserError(f"{path} is shorter than its header says, or damaged") from None


def _npy(samples: npt.NDArray[np.uint8]) -> bytes:
    import numpy as np

    body = io.BytesIO()
    np.save(body, samples, allow_pickle=False)
    return body.getvalue()
