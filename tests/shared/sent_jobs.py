"""Jobs that were sent to SageMaker, in an account of moto's, where a test says what becomes of them.

moto's jobs are born finished, and it cannot stop one: `Sent` moves them through their states.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import boto3
import pytest
from aws_account import REGION
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from launcher.cloud import cloudwatch, follow
from launcher.cloud.record import Record
from launcher.config import Config
from launcher.job import TrainingJob
from launcher.run import Run

TAGS = {"glaunch": "glaunch"}


class Sent:
    """A job at AWS, and the folder of its run here.

    Attributes:
        run: the run.
        name: of both.
    """

    def __init__(self, run: Run, config: Config, **more: Any) -> None:
        self.run, self.name = run, run.name
        self.bucket = config.bucket
        self._logs = boto3.client("logs")
        create(self.name, config, len(run.hosts), **more)
        Record(self.name, REGION, "default", f"s3://{config.bucket}/runs", "ml.c5.xlarge").write(run)

    @property
    def at_aws(self) -> Any:
        """moto's own object."""
        return sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].training_jobs[self.name]

    def becomes(self, state: str, *phases: str, reason: str | None = None, **more: Any) -> Sent:
        """A state, with phases as `Downloading: Downloading input data`, and a reason."""
        job = self.at_aws
        job.training_job_status, job.failure_reason = state, reason
        is_over = state in ("Completed", "Failed", "Stopped")
        job.training_end_time = datetime.now(timezone.utc) if is_over else None
        job.secondary_status = phases[-1].partition(":")[0] if phases else state
        job.secondary_status_transitions = [
            {"Status": name, "StartTime": job.creation_time, "StatusMessage": message.strip()}
            for name, _, message in (phase.partition(":") for phase in phases)
        ]
        for name, value in more.items():
            setattr(job, name, value)
        return self

    def prints(self, *lines: str, host: str = "algo-1", start: int = 1_700_000_000, at: int | None = None) -> Sent:
        """A host of the job prints lines, a millisecond apart unless all are `at` one; `start` names the stream."""
        stream = f"{self.name}/{host}-{start}"
        for make, words in (
            (self._logs.create_log_group, {"logGroupName": cloudwatch.GROUP}),
            (self._logs.create_log_stream, {"logGroupName": cloudwatch.GROUP, "logStreamName": stream}),
        ):
            with suppress(self._logs.exceptions.ResourceAlreadyExistsException):
                make(**words)
        now = at or time.time_ns() // 1_000_000
        events = [{"timestamp": now + (0 if at else n), "message": line} for n, line in enumerate(lines)]
        self._logs.put_log_events(logGroupName=cloudwatch.GROUP, logStreamName=stream, logEvents=events)
        time.sleep(0.002 * len(lines))  # so that the next ones are later
        return self

    def leaves(self, name: str, content: bytes) -> Sent:
        """An object below the job's prefix: `output/model.tar.gz`."""
        boto3.client("s3").put_object(Bucket=self.bucket, Key=f"runs/{self.name}/{name}", Body=content)
        return self

    def is_deleted(self) -> None:
        del sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].training_jobs[self.name]


def create(
    name: str,
    config: Config,
    hosts: int = 1,
    *,
    tags: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """A training job at AWS with these tags and hyperparameters, as the SDK would send them."""
    boto3.client("sagemaker").create_training_job(
        TrainingJobName=name,
        HyperParameters={key: json.dumps(value) for key, value in (values or {}).items()},
        AlgorithmSpecification={"TrainingImage": "763104351884.dkr.ecr.x/mxnet-training", "TrainingInputMode": "File"},
        RoleArn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/{config.role}",
        OutputDataConfig={"S3OutputPath": f"s3://{config.bucket}/runs"},
        ResourceConfig={"InstanceType": "ml.c5.xlarge", "InstanceCount": hosts, "VolumeSizeInGB": 30},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        Tags=[{"Key": key, "Value": value} for key, value in (TAGS if tags is None else tags).items()],
        **more,
    )


@pytest.fixture
def sent(stack, script, monkeypatch) -> Callable[..., Sent]:
    """`sent(hosts=1, text="...", **more)`: a job that was just sent, with a run; it has not printed anything."""

    def stop_training_job(response):
        job = response.sagemaker_backend.training_jobs[response._get_param("TrainingJobName")]
        job.training_job_status = job.secondary_status = "Stopping"
        return ActionResult({})

    monkeypatch.setattr(SageMakerResponse, "stop_training_job", stop_training_job, raising=False)
    monkeypatch.setattr(follow, "PAUSE", 0.01)
    monkeypatch.setattr(follow, "PAUSE_A_HOST", 0.0)

    def send(hosts: int = 1, text: str = "print(1)\n", **more: Any) -> Sent:
        run = Run.create(TrainingJob(script(text), hosts=hosts))
        return Sent(run, stack, **more).becomes("InProgress", "Starting: Starting the training job")

    return send
