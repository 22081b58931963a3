"""Archives with the same bytes for the same content: sorted, without times, users or a name in the header."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from launcher import files


def pack(directory: Path, target: Path) -> None:
    """Writes the content of `directory` to the gzipped tar file `target`, atomically.

    Links are followed: an archive never points outside itself. Raises OSError when the disk is full.
    """
    with (
        files.atomic(target) as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT, dereference=True) as archive,
    ):
        for path in sorted(directory.rglob("*")):
            archive.add(path, str(path.relative_to(directory)), recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member
