"""Archives with the same bytes for the same content: sorted, without times, users or a name in the header.

And their extraction, which trusts no archive.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from launcher import files
from launcher.errors import UserError

EXTRACTED_LIMIT = 4 * 2**30  # bytes
_MEMBERS_LIMIT = 100_000
_LARGEST_READ = 2**24  # bytes; a header that claims to be longer is none
_CHUNK = 2**20  # bytes
# Links in a circle end in a RecursionError.
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, RecursionError)
_NAMES_THAT_CLASH = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)


def pack(directory: Path, target: Path, *, programs: bool = False) -> None:
    """Writes the content of `directory` to the gzipped tar file `target`, atomically.

    Links are followed: an archive never points outside itself.

    Args:
        directory: what is in it is packed, without its own name.
        target: is replaced.
        programs: whether a file that its owner may execute can be executed again when it is extracted.

    Raises:
        OSError: the disk is full, a file cannot be read, or a link leads nowhere or back to where it is.
    """
    strip = _anonymous_program if programs else _anonymous
    with (
        files.atomic(target) as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT, dereference=True) as archive,
    ):
        for path in _walk(directory, frozenset()):
            archive.add(path, str(path.relative_to(directory)), recursive=False, filter=strip)


def extract(source: Path, directory: Path, limit: int = EXTRACTED_LIMIT) -> None:
    """Writes the files of the gzipped tar file `source` below the new directory `directory`: all of them, or nothing.

    A link inside the archive becomes a copy of the file it names; owners, modes and times are not restored.

    Args:
        source: may come from anywhere.
        directory: must not exist; its parent must.
        limit: bytes that the files may have together.

    Raises:
        UserError: it is no gzipped tar file, is damaged or too large, or has a member that is neither a file nor a
            directory inside it.
        OSError: the disk is full.
    """
    directory.mkdir()
    try:
        with _BoundedReads(source, "rb") as compressed, tarfile.open(fileobj=compressed, mode="r:") as archive:
            for number, member in enumerate(archive):
                limit -= _extract_member(archive, member, directory, limit)
                _check(limit >= 0 and number < _MEMBERS_LIMIT, "it holds more than a model does")
            _check(len(compressed.read(_LARGEST_READ)) < _LARGEST_READ, "something follows its end")  # and the checksum
    except BaseException as error:
        shutil.rmtree(directory)
        if isinstance(error, _DAMAGE) or (isinstance(error, OSError) and error.errno in _NAMES_THAT_CLASH):
            raise UserError(f"{source} is no model.tar.gz that can be extracted: {error}") from None
        raise


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise tarfile.ReadError(otherwise)


class _BoundedReads(gzip.GzipFile):
    """A header's length is read in one piece, whatever it says: this keeps it from filling the memory."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _LARGEST_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return super().read(size)


def _extract_member(archive: tarfile.TarFile, member: tarfile.TarInfo, directory: Path, limit: int) -> int:
    """Writes one member; the bytes it has, or more than `limit` when it was cut there."""
    target = directory / member.name
    outside = member.name.startswith("/") or ".." in target.parts or "\0" in member.name
    _check(not outside, f"its member {member.name!r} lies outside it")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    try:
        content = archive.extractfile(member)
    except KeyError:
        content = None
    _check(content is not None, f"its member {member.name!r} is neither a file nor a link to one inside it")
    assert content is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("wb") as file:
        while written <= limit and (chunk := content.read(_CHUNK)):
            written += file.write(chunk)
    return written


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


def _anonymous_program(member: tarfile.TarInfo) -> tarfile.TarInfo:
    is_program = member.mode & stat.S_IXUSR
    member = _anonymous(member)
    member.mode = 0o755 if is_program else member.mode
    return member
