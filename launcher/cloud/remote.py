"""What the verbs of runs do where a run is on SageMaker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from launcher import diagnose
from launcher.cloud import causes, description, record
from launcher.cloud.aws import Aws, readable, unless_over
from launcher.cloud.mirror import Mirror
from launcher.cloud.transcript import Transcript
from launcher.config import Config
from launcher.errors import UserError
from launcher.run import FAILED, STOPPED, Run, Status


def access(run: Run) -> Aws:
    """Access to AWS as a remote run was sent with; UserError as of `record.read`, `Config.load` and `Aws`."""
    sent = record.read(run)
    return Aws(replace(Config.load(sent.profile), region=sent.region))


def refresh(run: Run) -> Status:
    """Brings the folder of a remote run up to date; its status. A run that nothing can happen to any more asks nothing.

    Raises:
        UserError: AWS cannot be asked, or the folder not be written.
    """
    status = run.status
    if status.is_over and Transcript.is_whole(run):
        return status
    aws = access(run)
    with telling(run):
        return Mirror(run, aws).update()


def try_refresh(runs: Sequence[Run]) -> str:
    """As `refresh`, for several, up to the first that cannot be; what stands against it, or ""."""
    for run in runs:
        try:
            refresh(run)
        except UserError as error:
            return f"{error}. What is shown is of {_asked(run)}"
    return ""


def _asked(run: Run) -> str:
    """When AWS was last asked."""
    path = run.folder / "status.json"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime)) if path.exists() else "long ago"


def stop(run: Run) -> Status:
    """Asks SageMaker to stop the job of a run; it is Stopping then, for as long as its script needs, at most 120 s.

    Raises:
        UserError: AWS refuses, or cannot be asked.
    """
    aws = access(run)
    with telling(run):
        mirror = Mirror(run, aws)
        if mirror.update().is_over:
            return run.status
        unless_over(lambda: aws.client("sagemaker").stop_training_job(TrainingJobName=run.name))
        return mirror.update()


def explain(run: Run) -> diagnose.Cause | None:
    """Why a remote run failed, or was stopped by a limit: the script's own error, or what SageMaker says.

    None of a run that did neither.
    """
    status = run.status
    said = causes.hint(status.reason)
    if status.state != FAILED and not (status.state == STOPPED and said):
        return None
    cause = diagnose.explain(run)
    advice = causes.hint(cause.reason) or said
    return cause._replace(hint=advice.replace("RUN", run.name) or cause.hint)


@contextmanager
def telling(run: Run) -> Iterator[None]:
    """Turns what AWS and the disk raise in the block into a UserError about the run."""
    try:
        with readable(f"run {run.name}"):
            yield
    except OSError as error:
        raise UserError(f"cannot write the run folder {run.folder}: {error.strerror or error}") from None


def find_job(aws: Aws, stack: str, name: str) -> dict[str, object]:
    """DescribeTrainingJob's answer of a job of the stack.

    Raises:
        UserError: there is no such job, or it does not have the stack's tag.
    """
    from launcher.cloud import tags

    client = aws.client("sagemaker")
    with readable(f"job {name}"):
        job = description.describe(client, name)
        listing = "`glaunch ls --on aws` lists them"
        if job is None:
            raise UserError(f"no run {name!r} here, and no such job in {aws.region}: {listing}")
        is_ours = tags.is_ours(tags.read(client, job["TrainingJobArn"]), stack)
    if not is_ours:
        raise UserError(f"the job {name} was not sent by glaunch with the stack {stack}: {listing}")
    return job
