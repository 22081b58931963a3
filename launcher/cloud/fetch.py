"""What a job on SageMaker left, brought into its run folder, so that it is one of a job that ran here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from launcher import archive
from launcher.cloud import description, remote
from launcher.cloud.adopt import hyperparameters
from launcher.cloud.aws import Aws, readable
from launcher.cloud.bucket import split
from launcher.cloud.mirror import Mirror
from launcher.cloud.store import Store
from launcher.errors import UserError
from launcher.run import Run

Progress = Callable[[int, int], object]


class Fetched(NamedTuple):
    """What is in the run folder now.

    Attributes:
        model: the archive, or None where the job has left none.
        output: likewise.
        checkpoints: how many files.
    """

    model: Path | None
    output: Path | None
    checkpoints: int


def fetch(run: Run, aws: Aws, on_progress: Progress | None = None) -> Fetched:
    """Brings status, logs, measurements, model, output and checkpoints of a remote run into its folder.

    Each appears whole or not at all; a model or an output that is there already is not fetched again. The model gets
    the job's code, which a model that was trained here has too.

    Args:
        run: remote, in whichever state.
        aws: access to AWS.
        on_progress: called with the bytes of a file that have arrived and all of them, from other threads.

    Raises:
        UserError: the job is not at AWS any more, something cannot be fetched, or the folder not be written.
    """
    with remote.telling(run):
        Mirror(run, aws).update()
        job = description.describe(aws.client("sagemaker"), run.name)
        if job is None:
            raise UserError(f"SageMaker has no job {run.name} any more: what is here of it stays")
        if run.status.is_over:
            _fetch_archives(run, aws, job, on_progress)
        checkpoints = _fetch_checkpoints(run, aws, job)
    return Fetched(run.model if run.model.exists() else None, run.output if run.output.exists() else None, checkpoints)


def _fetch_archives(run: Run, aws: Aws, job: dict[str, Any], on_progress: Progress | None) -> None:
    place = job["OutputDataConfig"]["S3OutputPath"].rstrip("/") + f"/{run.name}/output"
    bucket, prefix = split(place)
    store = Store(aws, bucket)
    if not run.output.exists() and store.exists(f"{prefix}/output.tar.gz"):
        store.download(f"{place}/output.tar.gz", run.output, on_progress)
    if run.model.exists() or not store.exists(f"{prefix}/model.tar.gz"):
        return
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=run.folder) as scratch:
        arrived = Path(scratch, "model.tar.gz")
        store.download(f"{place}/model.tar.gz", arrived, on_progress)
        _add_code(arrived, Path(scratch), aws, str(hyperparameters(job).get("sagemaker_submit_directory", "")))
        arrived.replace(run.model)


def _add_code(model: Path, scratch: Path, aws: Aws, package: str) -> None:
    """Puts the code that the job ran into a model that has none: an endpoint needs its functions."""
    content = scratch / "model"
    archive.extract(model, content)
    if (content / "code").exists() or not package:
        return
    packed = scratch / "sourcedir.tar.gz"
    Store(aws, split(package)[0]).download(package, packed)
    archive.extract(packed, content / "code")
    archive.pack(content, model)


def _fetch_checkpoints(run: Run, aws: Aws, job: dict[str, Any]) -> int:
    """Brings the checkpoints to where those of a local run are, for `--resume`; how many files there are."""
    place = job.get("CheckpointConfig", {}).get("S3Uri", "")
    if not place:
        return 0
    bucket, prefix = split(place.rstrip("/") + "/")
    target = run.host(run.hosts[0]) / "checkpoints"
    with readable(f"the checkpoints of {run.name}"):
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", []) if not one["Key"].endswith("/")]
    if not keys:
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".checkpoints-", dir=target.parent) as scratch:
        arrived, before = Path(scratch, "new"), Path(scratch, "old")
        for key in keys:
            path = arrived / key[len(prefix) :]
            if ".." in path.parts or key[len(prefix) :].startswith("/"):
                raise UserError(f"the checkpoint s3://{bucket}/{key} has a name that leads out of its directory")
            path.parent.mkdir(parents=True, exist_ok=True)
            Store(aws, bucket).download(f"s3://{bucket}/{key}", path)
        if target.exists():
            target.rename(before)
        arrived.rename(target)
    return len(keys)
