"""What SageMaker says of a training job, as the status of a run."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from launcher import metrics
from launcher.cloud.aws import unless_missing, without_secrets
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, Status

_STATES = {COMPLETED, FAILED, STOPPED, STOPPING}
_LIMITS = {
    "MaxRuntimeExceeded": "MaxRuntimeExceeded: it ran longer than its max_run",
    "MaxWaitTimeExceeded": "MaxWaitTimeExceeded: it took longer than its max_wait",
}
_SENDING = 120.0  # seconds in which a job may not be there yet
_EXIT = re.compile(r"exit code: (\d+)|ExitCode (-?\d+)")


def describe(client: Any, job_name: str) -> dict[str, Any] | None:
    """DescribeTrainingJob's answer; None where there is no such job. Raises what boto3 raises.

    Args:
        client: of SageMaker.
        job_name: of the training job.
    """
    return unless_missing(lambda: dict(client.describe_training_job(TrainingJobName=job_name)))


def status(job: Mapping[str, Any]) -> Status:
    """The status of a run, as far as SageMaker knows it.

    Args:
        job: DescribeTrainingJob's answer, or a TrainingJob of Search's.
    """
    state = job["TrainingJobStatus"]
    state = state if state in _STATES else STOPPING if state == "Deleting" else IN_PROGRESS
    phases = [
        {
            "name": one["Status"],
            "message": without_secrets(one.get("StatusMessage", "")),
            "since": _seconds(one["StartTime"]),
        }
        for one in job.get("SecondaryStatusTransitions", [])
    ]
    is_over = state in (COMPLETED, FAILED, STOPPED)
    return Status(
        state,
        created=_seconds(job["CreationTime"]),
        started=_seconds(job["TrainingStartTime"]) if "TrainingStartTime" in job else None,
        ended=_seconds(job.get("TrainingEndTime") or job["LastModifiedTime"]) if is_over else None,
        reason=_reason(job) if is_over else "",
        # In its own time SageMaker finds the last values too; they serve where the log has expired.
        metrics={
            one["MetricName"]: one["Value"]
            for one in job.get("FinalMetricDataList", [])
            if one["MetricName"] in metrics.DEFINITIONS
        },
        restarts=[f"{one['name']}: {one['message']}" for one in phases if one["name"] in ("Interrupted", "Restarting")],
        phases=phases,
        billable=job.get("BillableTimeInSeconds"),
    )


def gone(before: Status, sent: float) -> Status:
    """The status of a run whose job SageMaker does not know.

    Args:
        before: as far as it was known.
        sent: when the job was, in seconds since the epoch; a moment later it may not be there yet.
    """
    is_new = not before.phases and time.time() - sent < _SENDING
    if before.is_over or is_new:
        return before
    reason = "SageMaker has no such job: it was deleted there, or never made. How it ended is not known"
    return replace(before, state=STOPPED, ended=time.time(), reason=reason)


def exit_status(reason: str) -> int:
    """How a script ended that FailureReason blames: negative is a signal. 0: the script is not to blame."""
    match = _EXIT.search(reason)
    if match is None:
        return 1 if reason.startswith("AlgorithmError") else 0
    found = int(match[1] or match[2])
    return 128 - found if 128 < found < 160 else found  # as a shell tells of a signal


def _reason(job: Mapping[str, Any]) -> str:
    """In one line: our own scripts leave the exception, an empty line and the traceback, which the log has, too."""
    said = without_secrets(job.get("FailureReason", "")).strip().partition("\n\n")[0]
    if said or job["TrainingJobStatus"] != STOPPED:
        return " ".join(said.split())
    return _LIMITS.get(job.get("SecondaryStatus", ""), "stopped")


def _seconds(moment: Any) -> float:
    return float(moment.timestamp())
