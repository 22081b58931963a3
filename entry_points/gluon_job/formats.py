"""Numbers as bytes, in the formats that an endpoint speaks: JSON, CSV and NPY, and which of them a client accepts."""

# Relative, here and in what this imports: glaunch also loads these modules under another name.
import array
import csv
import functools
import io
import json
import math
import tokenize
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from .errors import InputError

try:
    import orjson  # a fifth of the time; AWS's container does not have it
except ImportError:
    orjson = None
_loads = orjson.loads if orjson else json.loads

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
PNG, JPEG = "image/png", "image/jpeg"  # which `images` reads
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1"}
_MALFORMED = (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError, EOFError, SyntaxError)


class UnsupportedTypeError(InputError):
    """The body is of a type that is not read here.

    Attributes:
        status: what HTTP calls it.
    """

    status = 415


class NotAcceptableError(InputError):
    """The client accepts no type that is written here.

    Attributes:
        status: what HTTP calls it.
    """

    status = 406


@functools.lru_cache(maxsize=256)
def content_type(header: str) -> Tuple[str, Dict[str, str]]:
    """The type of a Content-Type header in small letters, and its parameters; not to be changed."""
    kind, *rest = header.split(";")
    pairs = (item.partition("=") for item in rest)
    return kind.strip().lower(), {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}


def decode(data: Any, header: str) -> np.ndarray:
    """The numbers in a body (bytes or text): JSON (bare or in `{"instances": ...}`), CSV, or NPY.

    Raises:
        InputError: it is not what the header says.
        UnsupportedTypeError: the header names another type, or a charset other than UTF-8, ASCII and Latin-1.
    """
    kind, _ = content_type(header)
    if kind not in (JSON, CSV, NPY):
        raise UnsupportedTypeError(
            f"content type {header!r} is not supported: send {JSON}, {CSV}, {NPY}, {PNG} or {JPEG}"
        )
    try:
        if kind == JSON:
            return _read_json(text(data, header))
        return _read_npy(data) if kind == NPY else _read_csv(text(data, header))
    except InputError:
        raise
    except (*_MALFORMED, csv.Error, tokenize.TokenError) as error:
        raise InputError(f"the body is not {kind} of numbers in rows of one length ({_brief(error)})") from None


def text(data: Any, header: str) -> str:
    """A body (bytes or text already) as text, in the charset that its Content-Type header names.

    Raises:
        InputError: it is not in that charset.
        UnsupportedTypeError: the charset is none of UTF-8, ASCII and Latin-1.
    """
    if isinstance(data, str):
        return data
    kind, parameters = content_type(header)
    charset = parameters.get("charset", "utf-8")
    if charset not in _CHARSETS:
        raise UnsupportedTypeError(f"charset {charset!r} is not supported: send utf-8")
    try:
        return str(data, charset)
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not {kind} of numbers in rows of one length ({error})") from None


def _read_json(body: str) -> np.ndarray:
    try:
        content = _loads(body)
    except ValueError:
        content = json.loads(body)  # it takes NaN, for which there is a better refusal
    numbers = content["instances"] if isinstance(content, dict) else content
    try:
        return np.frombuffer(array.array("f", numbers), np.float32)  # one flat row: a third of the time
    except (TypeError, OverflowError):
        return _array(numbers)


def write_json(content: Any) -> str:
    """JSON of what numpy's `tolist` and the like give."""
    return orjson.dumps(content).decode() if orjson else json.dumps(content)


@np.errstate(over="ignore")  # infinity is told to the client
def _array(rows: Any) -> np.ndarray:
    return np.array(rows, np.float32)


def _read_csv(body: str) -> np.ndarray:
    rows = csv.reader(io.StringIO(body.lstrip("\ufeff")))  # spreadsheets put a mark before the first value
    return _array([list(map(float, row)) for row in rows if row])


def _read_npy(data: Any) -> np.ndarray:
    # Not np.load, which takes archives and pickles too, nor read_array, which reserves what the header asks for.
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran_order, dtype = read_header(stream)
    if dtype.kind not in "buif":
        raise InputError(f"the input holds {dtype}, not numbers")
    if min(shape, default=0) < 0:
        raise ValueError(f"a shape of {shape}")
    values = np.frombuffer(data, dtype, math.prod(shape), stream.tell())
    return values.reshape(shape, order="F" if fortran_order else "C")


def _brief(error: BaseException) -> str:
    return str(error)[:120] or type(error).__name__


@functools.lru_cache(maxsize=256)
def negotiate(accept: Optional[str], offered: Sequence[str] = (JSON, CSV, NPY)) -> str:
    """The type to answer in: of those offered the one an Accept header likes best, and the first of equals.

    Raises:
        NotAcceptableError: it likes none of them.
    """
    if not accept or not accept.strip():
        return offered[0]
    liked: Dict[str, List[float]] = {}
    for item in accept.split(","):
        kind, parameters = content_type(item)
        liked.setdefault(kind, []).append(_quality(parameters.get("q", "1")))

    def quality(kind: str) -> float:
        for pattern in (
            kind,
            kind.partition("/")[0] + "/*",
            "*/*",
        ):  # what is said of a type itself goes before a range
            if pattern in liked:
                return max(liked[pattern])
        return 0.0

    best = max(offered, key=quality)
    if not quality(best) > 0:
        names = ", ".join(offered[:-1])
        raise NotAcceptableError(f"cannot answer as {accept!r}: accept {names} or {offered[-1]}")
    return best


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def write_npy(array: np.ndarray) -> bytes:
    """An array as the content of a .npy file."""
    body = io.BytesIO()
    np.save(body, array, allow_pickle=False)
    return body.getvalue()
