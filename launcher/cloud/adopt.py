"""A run folder for a job that was sent from another machine, from what SageMaker says of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launcher import archive, files, home
from launcher.cloud import description, remote
from launcher.cloud.aws import Aws
from launcher.cloud.bucket import split
from launcher.cloud.record import Record
from launcher.cloud.store import Store
from launcher.config import Config
from launcher.errors import UserError
from launcher.run import Run

_OWN = ("sagemaker_", "_tuning_")  # begin the hyperparameters that are the SDK's and the tuner's


def adopt(name: str, aws: Aws, config: Config, profile: str) -> Run:
    """The run folder of a job of the stack, which is made whole or not at all; its code is in `code/`.

    Args:
        name: the job's whole name.
        aws: access to AWS.
        config: which stack.
        profile: under which the configuration is kept.

    Raises:
        UserError: there is no such job, it is not the stack's, or the folder cannot be written.
    """
    job = remote.find_job(aws, config.stack, name)
    runs = home.runs_directory()
    try:
        runs.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".adopted-", dir=runs.parent))
        try:
            _fill(Run(made), job, aws, profile)
            made.rename(runs / name)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise UserError(f"cannot write the run folder {runs / name}: {error.strerror}") from None
    return Run(runs / name)


def _fill(run: Run, job: Mapping[str, Any], aws: Aws, profile: str) -> None:
    (run.folder / "logs").mkdir()
    given = hyperparameters(job)
    code = run.folder / "code"
    package = given.get("sagemaker_submit_directory", "")
    if package:
        _fetch_code(Store(aws, split(package)[0]), package, code)
    final = home.runs_directory() / job["TrainingJobName"] / "code"
    content = {**_content(job, given, final), **({"source_dir": str(final)} if package else {})}
    files.write_atomic(run.folder / "job.yaml", json.dumps(content, indent=1) + "\n")  # JSON is YAML, too
    Record(
        job["TrainingJobName"],
        aws.region,
        profile,
        job["OutputDataConfig"]["S3OutputPath"].rstrip("/"),
        job["ResourceConfig"].get("InstanceType", ""),
    ).write(run)
    run.write_status(description.status(job))


def _fetch_code(store: Store, package: str, code: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="glaunch-") as scratch:
        packed = Path(scratch, "sourcedir.tar.gz")
        store.download(package, packed)
        archive.extract(packed, code)


def hyperparameters(job: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a job with their types, the SDK's own (`sagemaker_program`, ...) among them."""
    return {name: _value(text) for name, text in job.get("HyperParameters", {}).items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _content(job: Mapping[str, Any], given: Mapping[str, Any], code: Path) -> dict[str, Any]:
    """The job as a job file, as far as SageMaker tells it."""
    variables = job.get("Environment", {})
    every = variables.get("GLAUNCH_CHECKPOINT_EVERY")
    content = {
        "entry_point": str(code / str(given.get("sagemaker_program", "unknown.py"))),
        "hosts": job["ResourceConfig"].get("InstanceCount", 1),
        "hyperparameters": {name: value for name, value in given.items() if not name.startswith(_OWN)},
        "channels": dict(_channels(job)),
        "environment": {name: value for name, value in variables.items() if not name.startswith("GLAUNCH_")},
        "max_run": job["StoppingCondition"].get("MaxRuntimeInSeconds"),
        "checkpoints": {"every": every} if every else None,
        "retries": job.get("RetryStrategy", {}).get("MaximumRetryAttempts"),
        "aws": _settings(job),
    }
    return {name: value for name, value in content.items() if value}


def _channels(job: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for one in job.get("InputDataConfig") or []:
        source = one.get("DataSource", {}).get("S3DataSource")
        if source:
            distribution = source.get("S3DataDistributionType", "FullyReplicated")
            yield one["ChannelName"], {"source": source["S3Uri"], "distribution": distribution}


def _settings(job: Mapping[str, Any]) -> dict[str, Any]:
    resources, spot = job["ResourceConfig"], job.get("EnableManagedSpotTraining", False)
    settings = {
        "instance_type": resources.get("InstanceType"),
        "volume_size": resources.get("VolumeSizeInGB"),
        "spot": spot,
        "max_wait": job["StoppingCondition"].get("MaxWaitTimeInSeconds") if spot else None,
    }
    return {name: value for name, value in settings.items() if value}
