"""A training job of the SDK: a run, and the request that it was made from, in the run's folder."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from launcher import files, home
from launcher.errors import UserError
from launcher.local import runner
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, Run, Status
from launcher.sdk_session import places
from launcher.sdk_session.buckets import DEFAULT
from launcher.sdk_session.job_request import Request, make_job

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession

ARN = "arn:aws:sagemaker:local:000000000000:"  # what stands in place of an account's
_REASON_LENGTH = 1024  # SageMaker's
_MESSAGES = {IN_PROGRESS: "Training the model on this machine", COMPLETED: "Training job completed"}


class TrainingJob:
    """A job by its name. Its state is that of the run folder: any session of any process sees the same.

    Attributes:
        run: its run.
    """

    def __init__(self, session: ProcessLocalSession, name: str) -> None:
        self.run = Run(home.runs_directory() / name)
        self._session = session
        self._record = self.run.folder / "request.json"

    @classmethod
    def start(cls, session: ProcessLocalSession, request: Request) -> TrainingJob:
        """Starts what a request asks for, in the background; it goes on when this process ends.

        Raises:
            UserError: the name is taken, or this machine cannot run that.
            ClientError, BotoCoreError: what S3 answers where the inputs are.
        """
        job = cls(session, request["TrainingJobName"])

        def prepare(folder: Path) -> Any:
            files.write_atomic(job._record, json.dumps({"request": request}, indent=1, default=str))
            return make_job(request, folder, session)

        job.run = Run.create_named(request["TrainingJobName"], prepare)
        try:
            process = runner.launch(job.run, detach=True)
        except BaseException:
            job.run.stop()
            raise

        def attend() -> None:
            process.wait()
            job.conclude()

        threading.Thread(target=attend, name=f"outputs of {job.run.name}", daemon=True).start()
        return job

    @property
    def exists(self) -> bool:
        """Whether there is a job of that name, and it came from the SDK."""
        return self._record.is_file() and (self.run.folder / "status.json").is_file()

    def conclude(self) -> None:
        """Writes the outputs of a job that is over to where the request wants them; once, whoever calls it."""
        if not self.run.status.is_over:
            return
        with self._locked():
            content = json.loads(self._record.read_text("utf-8"))
            if "outputs" in content:
                return
            content["outputs"] = {}
            try:
                content["outputs"] = self._deliver(content["request"])
            except (UserError, OSError, Boto3Error, ClientError, BotoCoreError) as error:
                if self.run.status.state == COMPLETED:
                    reason = f"the outputs cannot be written to {_output_uri(content['request'])}: {error}"
                    self.run.write_status(replace(self.run.status, state=FAILED, reason=reason))
            files.write_atomic(self._record, json.dumps(content, indent=1))

    def describe(self) -> dict[str, Any]:
        """What DescribeTrainingJob answers: the request, and what became of it."""
        self.conclude()
        content = json.loads(self._record.read_text("utf-8"))
        request, status = content["request"], self.run.status
        described = {
            **request,
            "TrainingJobArn": f"{ARN}training-job/{self.run.name}",
            "TrainingJobStatus": status.state,
            **_secondary(status),
            "CreationTime": _time(status.created),
            "LastModifiedTime": _time(status.ended or status.started or status.created),
            "OutputDataConfig": {"KmsKeyId": "", **request["OutputDataConfig"]},
            "ModelArtifacts": {"S3ModelArtifacts": self._model_uri(request)},
            "FinalMetricDataList": [
                {"MetricName": name, "Value": value, "Timestamp": _time(status.ended or status.created)}
                for name, value in status.metrics.items()
            ],
        }
        if status.started:
            described["TrainingStartTime"] = _time(status.started)
        if status.is_over:
            described["TrainingEndTime"] = _time(status.ended or status.created)
            described["TrainingTimeInSeconds"] = round(status.seconds or 0)
            described["BillableTimeInSeconds"] = 0
        if status.state == FAILED:
            described["FailureReason"] = self._reason(status)
        return described

    def _deliver(self, request: Request) -> dict[str, str]:
        """The URI of each output by its kind."""
        checkpoints = self.run.host(self.run.hosts[0]) / "checkpoints"
        wanted = request.get("CheckpointConfig")
        if wanted and checkpoints.is_dir() and any(checkpoints.iterdir()):
            places.deliver(self._session, checkpoints, wanted["S3Uri"])
        if self.run.status.state != COMPLETED:
            return {}
        uri = _output_uri(request)
        kinds = {"model": self.run.model, "output": self.run.output}
        return {kind: places.deliver(self._session, path, uri) for kind, path in kinds.items() if path.exists()}

    def _model_uri(self, request: Request) -> str:
        """Where the model is, or will be; a path for sessions with `local_code`, as stock local mode has it."""
        uri = f"{_output_uri(request)}/{self.run.model.name}"
        if not self._session.local_code or not uri.startswith(f"s3://{DEFAULT}/"):
            return uri
        return f"file://{self._session.buckets.store.path(*places.bucket_and_key(uri))}"

    def _reason(self, status: Status) -> str:
        """The user's own exception, with its traceback, as far as SageMaker's limit goes."""
        failure = self.run.failure
        text = failure.read_text("utf-8", "replace") if failure.is_file() else status.reason
        return f"AlgorithmError: {text}"[:_REASON_LENGTH].rstrip()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.run.folder / "request.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _output_uri(request: Request) -> str:
    return f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"


def _secondary(status: Status) -> dict[str, Any]:
    word = {IN_PROGRESS: "Training", STOPPING: "Stopping", STOPPED: "Stopped"}.get(status.state, status.state)
    message = _MESSAGES.get(status.state) or status.reason or status.state
    transition = {"Status": word, "StartTime": _time(status.started or status.created), "StatusMessage": message}
    return {"SecondaryStatus": word, "SecondaryStatusTransitions": [transition]}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
