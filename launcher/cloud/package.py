"""The code of a job in one archive, the same on every machine for the same content."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from launcher import archive, ignore, source
from launcher.cloud import content
from launcher.errors import UserError
from launcher.job import TrainingJob

NAME = "sourcedir.tar.gz"
LIMIT = 500 * 2**20  # bytes of a source directory: each host fetches it, and what is larger is data
_NAMED = 3  # of the largest things in a directory that is too large


@dataclass(frozen=True)
class Package:
    """The packed code of a job.

    Attributes:
        path: of the archive.
        digest: of what is in it, names and contents: 64 hexadecimal digits.
        program: what SageMaker runs in it: the script, or the small main that one of the older kind lacks.
    """

    path: Path
    digest: str
    program: str

    @property
    def key(self) -> str:
        """Where it belongs in the bucket; what is there under this key has this content."""
        return f"code/{self.digest}/{NAME}"


def pack(job: TrainingJob, directory: Path) -> Package:
    """Packs what the hosts of a local run would find as their code into `directory`, as sourcedir.tar.gz.

    Raises:
        UserError: as `launcher.source.stage`; or the source directory has more than 500 MiB.
        OSError: the disk is full.
    """
    if job.source_dir is not None:
        _check_size(job.source_dir)
    with tempfile.TemporaryDirectory(prefix=".code-", dir=directory) as staged:
        code = Path(staged)
        program = source.stage(job, code)
        archive.pack(code, directory / NAME, programs=True)
        return Package(directory / NAME, _digest(code), program)


def _digest(code: Path) -> str:
    """Of the tree, not of the archive: another zlib compresses to other bytes."""
    return content.digest((str(path.relative_to(code)), _member(path)) for path in code.rglob("*"))


def _member(path: Path) -> str:
    if path.is_dir():
        return "directory"
    return ("program " if os.access(path, os.X_OK) else "file ") + content.read(path).sha256


def _check_size(directory: Path) -> None:
    sizes: Counter[str] = Counter()
    for path in ignore.travelling(directory):
        if not (directory / path).is_dir():
            sizes[path.parts[0] + ("/" if len(path.parts) > 1 else "")] += (directory / path).stat().st_size
    total = sum(sizes.values())
    if total <= LIMIT:
        return
    largest = ", ".join(f"{name} {_mib(size)}" for name, size in sizes.most_common(_NAMED))
    raise UserError(
        f"the code in {directory} has {_mib(total)}, and at most {_mib(LIMIT)} travel to the hosts: "
        f"{largest}. Data belongs into a channel (--data, --channel); name what else is not needed in "
        f"{directory / ignore.FILE}"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
