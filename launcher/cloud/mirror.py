"""The folder of a run on SageMaker kept as that of a local run: its status, its logs, its measurements."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from launcher import files
from launcher.cloud import description
from launcher.cloud.aws import Aws
from launcher.cloud.transcript import Transcript
from launcher.run import COMPLETED, FAILED, Run, Status

_PATIENCE = 10.0  # seconds that another process may take to mirror the same run
_LATE = 60.0  # seconds after a job's end in which CloudWatch may still get lines


class Mirror:
    """Copies what is new of a job into its run folder. Several processes may mirror the same run.

    Attributes:
        lines: how many the last update brought.
    """

    def __init__(self, run: Run, aws: Aws) -> None:
        self.lines = 0
        self._run = run
        self._sagemaker, self._logs = aws.client("sagemaker"), aws.client("logs")

    def update(self) -> Status:
        """One look at the job; its status. Another process that is looking just now does for this one, too.

        Raises:
            Exception: what boto3 raises; the folder then has what was there until then.
            OSError: the run folder cannot be written.
        """
        self.lines = 0
        with _alone(self._run.folder / "mirror.lock") as is_alone:
            if is_alone:
                self._look()
                os.utime(self._run.folder / "status.json")  # when AWS was last asked
        return self._run.recorded_status()

    def _look(self) -> None:
        job = description.describe(self._sagemaker, self._run.name)
        before = self._run.recorded_status()
        transcript = Transcript(self._run)
        status = description.status(job) if job else description.gone(before, self._run.cloud.stat().st_mtime)
        try:
            self.lines = transcript.copy(self._logs)
        finally:
            # A state is as good without the lines, which may be denied.
            self._record(before, self._completed(status, transcript))
        if status.is_over and not self.lines and time.time() - (status.ended or 0) > _LATE:
            transcript.close()

    def _completed(self, status: Status, transcript: Transcript) -> Status:
        """The status with what only the logs tell."""
        measured = transcript.measurements
        status = replace(status, metrics={**status.metrics, **measured.last}, hosts=measured.hosts)
        if status.state == COMPLETED:
            return replace(status, exit_statuses=dict.fromkeys(self._run.hosts, 0))
        exit_status = description.exit_status(status.reason) if status.state == FAILED else 0
        if not exit_status:
            return status
        # SageMaker does not say whose script failed: the others' errors come after the one that they come from.
        failed = min(transcript.errors, key=lambda host: transcript.errors[host], default=self._run.hosts[0])
        return replace(status, failed_host=failed, exit_statuses={failed: exit_status})

    def _record(self, before: Status, status: Status) -> None:
        if status != before:
            if status.state == FAILED:
                files.write_atomic(self._run.failure, status.reason + "\n")
            self._run.write_status(status)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether this process has the lock in the block; it waits for it, but not for long."""
    with path.open("ab") as file:
        until, is_alone = time.monotonic() + _PATIENCE, False
        while not is_alone and time.monotonic() < until:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_alone = True
            except BlockingIOError:
                time.sleep(0.05)
        yield is_alone
