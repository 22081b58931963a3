"""Sends a job to SageMaker: its code, its data, its checkpoints, then the job itself, once."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from launcher import files, jobfile
from launcher.cloud import api, checks, creation, estimator
from launcher.cloud.aws import Aws, readable
from launcher.cloud.bucket import split
from launcher.cloud.estimator import Names, Places
from launcher.cloud.package import Package, pack
from launcher.cloud.record import Record
from launcher.cloud.settings import Settings
from launcher.cloud.store import Store, Upload
from launcher.config import Config
from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob
from launcher.run import FAILED, STOPPED, Run

RUNS = "runs"  # the folder of the bucket in which SageMaker makes one for each job


class Step(Protocol):
    """Called with what is done next; then, while bytes are sent, with how many of how many, from other threads."""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> object: ...


@dataclass(frozen=True)
class Sending:
    """Everything that a job needs in S3, and the request, before anything is written there.

    Attributes:
        package: its code; the file is gone with the directory it was packed in.
        uploads: of its channels that are on this machine, by name.
        checkpoints: to go on from, if they are on this machine.
        places: of its code and data, when they are sent.
        names: of it.
        request: the arguments of CreateTrainingJob.
    """

    package: Package
    uploads: Mapping[str, Upload]
    checkpoints: Upload | None
    places: Places
    names: Names
    request: dict[str, Any]


def ignore(doing: str, done: int = 0, total: int = 0) -> None:
    """For who does not want to know what is being done."""


def prepare(
    job: TrainingJob,
    settings: Settings,
    config: Config,
    aws: Aws,
    *,
    job_name: str,
    directory: Path,
    on_step: Step = ignore,
) -> Sending:
    """What sending a job would do, checked as far as that can be. Nothing is written in the account.

    Args:
        job: what is run.
        settings: how SageMaker runs it.
        config: of the profile that it is sent with.
        aws: access to the account.
        job_name: of the training job.
        directory: where its code is packed.
        on_step: told what is being done.

    Raises:
        UserError: everything that was found wrong.
    """
    on_step("checking the job")
    checks.require(checks.job(job, settings, config, aws.region))
    checks.require(checks.account(job, config, aws))
    store = Store(aws, config.bucket)
    on_step("packing the code")
    package = pack(job, directory)
    uploads = {}
    for name, channel in job.channels.items():
        if isinstance(channel.source, Path):
            on_step(f"reading the channel {name}")
            uploads[name] = store.plan(channel.source)
    checkpoints = None
    if isinstance(job.checkpoints.source, Path):
        checkpoints = store.plan(job.checkpoints.source, f"{RUNS}/{job_name}/checkpoints")
    uris = {name: uploads[name].uri if name in uploads else str(one.source) for name, one in job.channels.items()}
    places = Places(store.uri(package.key), package.program, uris, store.uri(RUNS))
    names = Names(job_name, checks.role_arn(config, aws), config.stack, aws.region)
    request = estimator.training_request(job, settings, places, names)
    checks.require(api.problems("CreateTrainingJob", request))
    return Sending(package, uploads, checkpoints, places, names, request)


def submit(
    run: Run,
    job: TrainingJob,
    settings: Settings,
    config: Config,
    aws: Aws,
    on_step: Step = ignore,
    *,
    profile: str = "default",
    price: float | None = None,
) -> Record:
    """Sends the job of a run folder to SageMaker: its code, its data, then the job itself, exactly once.

    The run's name is the training job's. SageMaker takes a name once, so a request whose answer was lost is not
    repeated blindly: the job is looked up by its name. What was sent of code and data stays for the next job.

    Args:
        run: the run, just created.
        job: what is run.
        settings: how SageMaker runs it.
        config: of the profile.
        aws: access to the account.
        on_step: told what is being done.
        profile: the name of the configuration, for whoever looks after the job.
        price: US dollars an instance-hour, as far as it is known.

    Raises:
        UserError: the job was not made; the run has failed, with the reason, and nothing of it is at AWS.
        JobFailed: AWS did not say in time whether it was; the run then is one to be looked after.
    """
    record = Record(run.name, aws.region, profile, f"s3://{config.bucket}/{RUNS}", settings.instance_type, price)
    with _marked(run), tempfile.TemporaryDirectory(prefix="glaunch-") as directory:
        files.write_atomic(run.folder / "job.yaml", jobfile.to_yaml(job, settings))
        sending = prepare(job, settings, config, aws, job_name=run.name, directory=Path(directory), on_step=on_step)
        with _withdrawn(run, record, aws):
            send(sending, Store(aws, config.bucket), on_step)
            if isinstance(job.checkpoints.source, str):
                on_step("copying the checkpoints")
                _copy(job.checkpoints.source, record.checkpoints, aws)
            on_step("creating the job")
            # Before the call: whatever becomes of this process, the folder says where the job would be.
            record.write(run)
            creation.create(sending.request, aws)
    return record


def send(sending: Sending, store: Store, on_step: Step) -> None:
    """Sends the code and the data that S3 does not have yet."""

    def progress(doing: str) -> Any:
        return lambda done, total: on_step(doing, done, total)

    on_step("sending the code")
    store.put_file(sending.package.path, sending.package.key, progress("sending the code"))
    uploads = {f"sending the channel {name}": upload for name, upload in sending.uploads.items()}
    if sending.checkpoints:
        uploads["sending the checkpoints"] = sending.checkpoints
    for doing, upload in uploads.items():
        on_step(doing)
        store.send(upload, progress(doing))


def _copy(source: str, target: str, aws: Aws) -> None:
    """Copies what is in S3 under one URI to another, inside S3."""
    s3 = aws.client("s3")
    (bucket, prefix), (to_bucket, to_prefix) = split(source.rstrip("/") + "/"), split(target + "/")
    with readable(f"copying {source}"):
        for key in _keys(s3, bucket, prefix):
            s3.copy({"Bucket": bucket, "Key": key}, to_bucket, to_prefix + key[len(prefix) :])


def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


@contextmanager
def _marked(run: Run) -> Iterator[None]:
    """Ends the run, with the reason, when its job is not sent. A run that may have a job is left to be looked after."""
    try:
        yield
    except BaseException as error:
        if not run.is_remote:
            state = FAILED if isinstance(error, Exception) else STOPPED
            reason = str(error) if isinstance(error, UserError) else repr(error)
            reason = reason if state == FAILED else "stopped before its job was sent"
            run.write_status(replace(run.recorded_status(), state=state, ended=time.time(), reason=reason))
        raise


@contextmanager
def _withdrawn(run: Run, record: Record, aws: Aws) -> Iterator[None]:
    """Takes back what a job that is not made has left: its record, and the checkpoints it was to begin with."""
    try:
        yield
    except BaseException as error:
        may_be_made = run.is_remote and (isinstance(error, JobFailed) or not isinstance(error, Exception))
        if not may_be_made:
            run.cloud.unlink(missing_ok=True)
            with suppress(Exception):  # the first error is the one to tell; runs expire in any case
                bucket, prefix = split(f"{record.checkpoints}/")
                Store(aws, bucket).delete(_keys(aws.client("s3"), bucket, prefix))
        raise
