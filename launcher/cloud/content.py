"""Files to be sent to S3, and what tells one content from another."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import UserError

_CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class File:
    """One file as it was read.

    Attributes:
        path: where it is.
        size: in bytes.
        sha256: of its content, 64 hexadecimal digits.
        crc32: of its content, as S3 writes it: base64 of its four bytes, the highest first.
    """

    path: Path
    size: int
    sha256: str
    crc32: str


def read(path: Path, on_read: Callable[[int], object] = lambda _: None) -> File:
    """Reads a file once, for its checksums; `on_read` is told the bytes of each piece.

    Raises:
        UserError: it cannot be read.
    """
    sha256, crc32, size = hashlib.sha256(), 0, 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                sha256.update(chunk)
                crc32 = zlib.crc32(chunk, crc32)
                size += len(chunk)
                on_read(len(chunk))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    return File(path, size, sha256.hexdigest(), base64.b64encode(crc32.to_bytes(4, "big")).decode())


def read_all(
    paths: Mapping[str, str], on_progress: Callable[[int, int], object] = lambda _done, _total: None
) -> dict[str, File]:
    """Reads files, each under the name it has in a tree.

    Args:
        paths: of the files, by their names.
        on_progress: called with the bytes that are read, and all there were at first.

    Raises:
        UserError: one cannot be read.
    """
    done = 0
    total = sum(Path(path).stat().st_size for path in paths.values())

    def count(size: int) -> None:
        nonlocal done
        done += size
        on_progress(done, max(total, done))

    return {name: read(Path(path), count) for name, path in paths.items()}


def digest(lines: Iterable[tuple[str, str]]) -> str:
    """The SHA-256 of a tree, as hexadecimal digits: of each member's name and what stands for its content, by name."""
    text = "".join(f"{name}\0{content}\0" for name, content in sorted(lines))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
