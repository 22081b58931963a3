"""What was run, on what, and where: enough to tell whether two runs were the same."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from launcher import __version__, tables
from launcher.errors import UserError
from launcher.job import is_in_s3
from launcher.local import channels
from launcher.report import examination
from launcher.run import Run

_MOST_BYTES = 2**31  # of a channel's files that are read for their digests: more take too long
_SHOWN = 12  # files of a channel
_CHUNK = 2**20  # bytes


class File(NamedTuple):
    """A file of a channel: its bytes, the SHA-256 of its content (or ""), and whether it changed since the start."""

    name: str
    size: int
    sha256: str
    is_newer: bool


class Channel(NamedTuple):
    """A channel's data as they are now.

    Attributes:
        name: the channel's.
        source: where they are.
        distribution: among the hosts.
        file_count, size: how many files, and their bytes.
        sha256: of the lines `DIGEST  NAME` of all files, in the order of their names, as `sha256sum` prints them; ""
            where they are too large to read.
        files: the first ones.
        problem: why nothing is known of them, or "".
    """

    name: str
    source: str
    distribution: str
    file_count: int = 0
    size: int = 0
    sha256: str = ""
    files: tuple[File, ...] = ()
    problem: str = ""

    @property
    def is_newer(self) -> bool:
        return any(file.is_newer for file in self.files)


def job_rows(run: Run) -> list[tuple[str, str]]:
    """Names and values of what was run, and how it went."""
    status, job = run.status, run.job_content
    rows = [
        ("run", run.name),
        ("state", f"{status.state}: {status.reason}" if status.reason else status.state),
        ("created", _time(status.created)),
        ("started", _time(status.started)),
        ("ended", _time(status.ended)),
        ("took", tables.duration(status.seconds)),
        ("entry point", str(job["entry_point"])),
        ("source directory", str(job.get("source_dir") or "")),
        ("hosts", str(len(run.hosts))),
        ("where", _where(run)),
        ("restarts", "; ".join(status.restarts)),
        ("model.tar.gz", _model(run)),
    ]
    for host, told in status.hosts.items():
        said = [f"{told['samples']:,} samples" if "samples" in told else ""]
        said += [f"parameters {told['digest']}" if "digest" in told else ""]
        rows.append((host, ", ".join(part for part in said if part)))
    return [(name, value) for name, value in rows if value]


def given(run: Run) -> dict[str, Any]:
    """The hyperparameters that the job was given."""
    return {str(name): value for name, value in (run.job_content.get("hyperparameters") or {}).items()}


def as_json(values: Mapping[str, Any]) -> dict[str, str]:
    """Each value as JSON, for a person."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


def environment(run: Run) -> list[tuple[str, str]]:
    """Names and values of where this report was made; for a run of this machine, that is where it ran, too."""
    # Asked of the packages: MXNet is never imported here.
    versions = [(title, importlib.metadata.version(name)) for title, name in (("MXNet", "mxnet"), ("NumPy", "numpy"))]
    rows = [("glaunch", __version__), ("Python", platform.python_version()), *versions]
    rows.append(("system", f"{platform.system()} {platform.release()}"))
    rows.append(("processor", f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"))
    # Their values may be secrets.
    variables = ", ".join(map(str, run.job_content.get("environment") or {}))
    return [*rows, ("variables of the job", variables)] if variables else rows


def data(run: Run) -> list[Channel]:
    """The channels of a run's job; files that have changed since are told."""
    status = run.status
    started = status.started or status.created
    described = run.job_content.get("channels") or {}
    found = []
    for name, source in examination.sources(run).items():
        one = described[name]
        distribution = str(one.get("distribution", "FullyReplicated")) if isinstance(one, dict) else "FullyReplicated"
        found.append(_channel(name, source, distribution, started))
    return found


def _channel(name: str, source: str, distribution: str, started: float) -> Channel:
    if is_in_s3(source):
        return Channel(name, source, distribution, problem="in S3: not looked at")
    try:
        paths = {key: Path(path) for key, path in channels.files(name, Path(source)).items()}
        sizes = {key: path.stat().st_size for key, path in paths.items()}
        is_read = sum(sizes.values()) <= _MOST_BYTES
        files = [
            File(key, sizes[key], _sha256(path) if is_read else "", path.stat().st_mtime > started)
            for key, path in paths.items()
        ]
    except (UserError, OSError) as error:
        return Channel(name, source, distribution, problem=f"gone: {error}")
    lines = "".join(f"{file.sha256}  {file.name}\n" for file in sorted(files, key=lambda file: file.name))
    digest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest() if is_read else ""
    # Those that have changed first, so that none is among the ones left out.
    shown = sorted(files, key=lambda file: not file.is_newer)[:_SHOWN]
    return Channel(name, source, distribution, len(files), sum(sizes.values()), digest, tuple(shown))


def _where(run: Run) -> str:
    if not run.is_remote:
        return "this machine"
    from launcher.cloud import record

    sent = record.read(run)
    return f"SageMaker, {sent.region}, {len(run.hosts)} x {sent.instance_type}"


def _model(run: Run) -> str:
    if not run.model.exists():
        return ""
    return f"{run.model.stat().st_size:,} bytes, SHA-256 {_sha256(run.model)}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _time(when: float | None) -> str:
    return "" if when is None else time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(when))
