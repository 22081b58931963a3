"""Archives with the same bytes for the same content: sorted, without times, users or a name in the header."""

from __future__ import annotations

import errno
import gzip
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from launcher import files


def pack(directory: Path, target: Path) -> None:
    """Writes the content of `directory` to the gzipped tar file `target`, atomically.

    Links are followed: an archive never points outside itself.

    Raises:
        OSError: the disk is full, a file cannot be read, or a link leads nowhere or back to where it is.
    """
    with (
        files.atomic(target) as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT, dereference=True) as archive,
    ):
        for path in _walk(directory, frozenset()):
            archive.add(path, str(path.relative_to(directory)), recursive=False, filter=_anonymous)


def _walk(directory: Path, ancestors: frozenset[Path]) -> Iterator[Path]:
    real = directory.resolve()
    if real in ancestors:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(directory))
    for path in sorted(directory.iterdir()):
        yield path
        if path.is_dir():
            yield from _walk(path, ancestors | {real})


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member
