"""A log of a process that may live for months: the newest part is kept, and the disk does not fill."""

from __future__ import annotations

import contextlib
from pathlib import Path

LIMIT = 20 * 2**20  # bytes


class RollingLog:
    """Adds to a file; one that has reached its limit becomes `NAME.1`, in place of the one before.

    A full disk loses lines and nothing else.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path, self._limit = path, limit
        self._open()

    def write(self, chunk: bytes) -> None:
        """Adds a chunk of any size; whole lines, so that none is torn."""
        with contextlib.suppress(OSError):
            if self._size >= self._limit:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                with self._file:
                    self._open()
            self._size += self._file.write(chunk)

    def _open(self) -> None:
        self._file = self._path.open("ab", buffering=0)
        self._size = self._file.tell()
