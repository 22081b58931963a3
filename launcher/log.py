"""A host's log: written whole up to a limit, so that a script that prints without end cannot fill the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

HEAD = 50 * 2**20  # bytes kept from the beginning
TAIL = 2**20  # bytes kept from the end, where a traceback is


class LogWriter:
    """Writes chunks of bytes to a file: the first `head` and the last `tail` of them.

    Raises:
        OSError: the disk is full; what was written stays.
    """

    def __init__(self, path: Path, head: int = HEAD, tail: int = TAIL) -> None:
        self._file = path.open("ab", buffering=0)
        self._room = head
        self._tail = tail
        self._kept = bytearray()
        self._dropped = 0

    def write(self, chunk: bytes) -> None:
        """Adds a chunk, of any size, to the log."""
        if self._room:
            self._file.write(chunk[: self._room])
            chunk, self._room = chunk[self._room :], max(0, self._room - len(chunk))
        self._kept += chunk
        excess = max(0, len(self._kept) - self._tail)
        del self._kept[:excess]
        self._dropped += excess

    def close(self) -> None:
        """Writes what was kept of the end, and says how much is missing before it."""
        with self._file:
            if self._dropped:
                self._file.write(f"\n[glaunch] {self._dropped:,} bytes of output are left out here\n".encode())
            self._file.write(self._kept)


class LogReader:
    """Reads the complete lines of a file that grows, and that may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path, self._position, self._rest = path, 0, b""

    def lines(self, last: bool = False) -> Iterator[str]:
        """The lines since the last call, without their ends; after the `last` one also what has no end."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._position)
                while chunk := file.read(2**20):
                    self._position += len(chunk)
                    *lines, self._rest = (self._rest + chunk).split(b"\n")
                    for line in lines:
                        yield _text(line)
        if last and self._rest:
            yield _text(self._rest)


def follow(
    paths: Mapping[str, Path | LogReader], is_over: Callable[[], bool], poll: float = 0.05
) -> Iterator[tuple[str, str]]:
    """The lines of growing files, each with the name of its file.

    Args:
        paths: by name; a reader goes on where it is.
        is_over: asked before each look at the files; the look after it says True is the last.
        poll: seconds between two looks.
    """
    readers = {name: path if isinstance(path, LogReader) else LogReader(path) for name, path in paths.items()}
    over = False
    while not over:
        over = is_over()
        for name, reader in readers.items():
            for line in reader.lines(last=over):
                yield name, line
        if not over:
            time.sleep(poll)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
