"""A run: one job, run once, and the folder that is its record.

NAME/
  job.yaml        what was run; `glaunch run NAME/job.yaml` repeats it
  status.json     the state of the run, replaced at one stroke
  metrics.jsonl   one JSON object a measurement
  logs/HOST.log   what each host printed
  failure         why it failed, if it did
  model.tar.gz    the trained model
  output.tar.gz   what the script left in its output directory, if anything
  hosts/HOST/     what the host saw as /opt/ml
  report/         what `glaunch report` made of it, and comparison/ of it beside others
  cloud.json      where it is, if it runs on SageMaker (`launcher.cloud.record`)
  request.json    what the SageMaker SDK asked for, if it did (`launcher.sdk_session.training`)
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from launcher import files, home, jobfile, naming, processes
from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob

FORMAT = 1

# SageMaker's own words for the states of a training job.
IN_PROGRESS, STOPPING = "InProgress", "Stopping"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"


@dataclass(frozen=True)
class Status:
    """The state of a run.

    Attributes:
        state: InProgress, Stopping, Completed, Failed or Stopped.
        created, started, ended: seconds since the epoch; `started` is when the hosts' scripts started.
        supervisor: the process that runs the job, as (pid, start time in clock ticks); the pair is unique.
        reason: why it failed or stopped.
        exit_statuses: of each host's script; negative is the signal that ended it.
        metrics: the last value of each metric.
        hosts: of each host what is known: `samples` in its shard, `digest` of its parameters, `seconds` of its script.
        failed_host: the one whose script failed first, or "".
        restarts: of each time that the job was started again, why and from where.
        phases: of a job on SageMaker what it has done so far, in order: each a `name` (Starting, Downloading, Training,
            Uploading, ...), SageMaker's `message`, and `since`, in seconds since the epoch.
        billable: seconds of each host that AWS charges for; None while that is not known.
    """

    state: str
    created: float
    started: float | None = None
    ended: float | None = None
    supervisor: tuple[int, int] | None = None
    reason: str = ""
    exit_statuses: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed_host: str = ""
    restarts: Sequence[str] = field(default_factory=list)
    phases: Sequence[Mapping[str, Any]] = field(default_factory=list)
    billable: float | None = None

    @property
    def is_over(self) -> bool:
        return self.state in (COMPLETED, FAILED, STOPPED)

    @property
    def seconds(self) -> float | None:
        """How long the scripts ran, or have been running; None when that is not known."""
        ended = self.ended if self.is_over else time.time()
        return None if self.started is None or ended is None else ended - self.started


class Run:
    """One run by its folder. Making the object reads nothing; `Run.find` checks that the folder is a run's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.model = folder / "model.tar.gz"
        self.output = folder / "output.tar.gz"
        self.failure = folder / "failure"
        self.metrics = folder / "metrics.jsonl"
        self.cloud = folder / "cloud.json"

    @classmethod
    def create(cls, job: TrainingJob) -> Run:
        """A new run folder for a job. Two runs never share one, however close their starts.

        Raises:
            JobFailed: the folder cannot be written.
        """
        return cls._create(lambda runs: _new_folder(runs, job.name), lambda _: job)

    @classmethod
    def create_named(cls, name: str, make_job: Callable[[Path], TrainingJob]) -> Run:
        """A new run folder of that very name.

        Args:
            name: a job's, as SageMaker takes it; one without a time counts as begun when its folder was made.
            make_job: gives the job that is run; it may put what the job needs into the folder, whose path it gets.

        Raises:
            UserError: there is such a run already, or what `make_job` raises.
            JobFailed: the folder cannot be written.
        """

        def new_folder(runs: Path) -> Path:
            try:
                (runs / name).mkdir()
            except FileExistsError:
                raise UserError(f"there is a run {name} already: give another name, or `glaunch rm {name}`") from None
            return runs / name

        return cls._create(new_folder, make_job)

    @classmethod
    def _create(cls, new_folder: Callable[[Path], Path], make_job: Callable[[Path], TrainingJob]) -> Run:
        runs = home.runs_directory()
        try:
            runs.mkdir(parents=True, exist_ok=True)
            run = cls(new_folder(runs))
            try:
                run._fill(make_job(run.folder))
            except BaseException:
                shutil.rmtree(run.folder)
                raise
        except OSError as error:
            raise JobFailed(
                f"cannot write the run folder in {runs}: {error.strerror}; set GLAUNCH_HOME to a directory with room"
            ) from None
        return run

    def _fill(self, job: TrainingJob) -> None:
        (self.folder / "logs").mkdir()
        files.write_atomic(self.folder / "job.yaml", jobfile.to_yaml(job))
        # Until the supervisor has started, this process answers for the run.
        self.write_status(Status(IN_PROGRESS, time.time(), supervisor=processes.identity(os.getpid())))

    @classmethod
    def find(cls, name: str | None = None) -> Run:
        """The run of that name, or the only one whose name begins so; the latest run when no name is given.

        Raises:
            UserError: there is none, or there are several.
        """
        runs = cls.all()
        if not runs:
            raise UserError(f"no runs in {home.runs_directory()}: start one with `glaunch run mnist_mlp`")
        return naming.find("run", runs, name, "glaunch ls")

    @classmethod
    def all(cls) -> list[Run]:
        """Every run on this machine, the latest first."""
        runs = [cls(path.parent) for path in home.runs_directory().glob("*/status.json")]
        return sorted(runs, key=lambda run: run._begun, reverse=True)

    @property
    def _begun(self) -> str:
        """The time in its name; that of its folder's first file where the name has none."""
        if _TIME.search(self.name):
            return self.name[-_TIME_LENGTH:]
        return _time_text((self.folder / "job.yaml").stat().st_mtime)

    @property
    def status(self) -> Status:
        """The state now. A run whose supervisor is gone has failed, whatever its record says.

        Of a run on SageMaker it is the state when AWS was last asked.

        Raises:
            UserError: the folder was written by a newer glaunch, or its record is damaged.
        """
        status = self.recorded_status()
        if self.is_remote or status.is_over:
            return status
        if not (status.supervisor and processes.is_alive(*status.supervisor)):
            return replace(status, state=FAILED, reason="the process that ran this job was killed")
        return status

    @property
    def is_remote(self) -> bool:
        """Whether it runs on SageMaker."""
        return self.cloud.exists()

    def recorded_status(self) -> Status:
        """The state that was last written, by a process that may be gone. Raises UserError as `status` does."""
        path = self.folder / "status.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text("utf-8"))
            version = content.pop("format")
            if version > FORMAT:
                raise UserError(
                    f"run {self.name} was made by a newer glaunch (format {version}, this one reads {FORMAT}): update"
                )
            return Status(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"the record of run {self.name} cannot be read ({error}): {path}") from None

    def write_status(self, status: Status) -> None:
        """Replaces the record. Raises OSError when the disk is full; the old record then stays."""
        content = {"format": FORMAT, **asdict(status)}
        files.write_atomic(self.folder / "status.json", json.dumps(content, indent=1) + "\n")

    @property
    def job(self) -> TrainingJob:
        """The job that was run; UserError when its script or data is gone."""
        return jobfile.read(self.folder / "job.yaml")

    @property
    def job_content(self) -> dict[str, Any]:
        """What job.yaml says, whether or not its script and data still exist."""
        return jobfile.parse(self.folder / "job.yaml")

    @property
    def hosts(self) -> list[str]:
        """`algo-1` to `algo-N`, in order."""
        return host_names(self.job_content.get("hosts", 1))

    def host(self, name: str) -> Path:
        """The directory that one host saw as /opt/ml."""
        return self.folder / "hosts" / name

    def log(self, host: str) -> Path:
        """What one host printed; the file may not exist yet."""
        return self.folder / "logs" / f"{host}.log"

    def stop(self, deadline: float = 15.0) -> None:
        """Ends the job and every process it started, and returns when they are gone.

        Args:
            deadline: seconds the supervisor has to stop it in good order before all are killed.
        """
        status = self.status
        if status.supervisor and not status.is_over:
            processes.end(*status.supervisor, deadline=deadline)
        processes.kill_marked(str(self.folder))
        status = self.recorded_status()
        if not status.is_over:
            self.write_status(replace(status, state=STOPPED, ended=time.time(), reason="stopped"))

    def remove(self) -> None:
        """Deletes the folder. Raises UserError while the job is running."""
        if not self.status.is_over:
            raise UserError(f"run {self.name} is still running: `glaunch stop {self.name}` first")
        processes.kill_marked(str(self.folder))
        shutil.rmtree(self.folder)


def host_names(count: int) -> list[str]:
    """The names SageMaker gives to the hosts of a job."""
    return [f"algo-{number}" for number in range(1, count + 1)]


_TIME_FORMAT = "%Y-%m-%d-%H-%M-%S"
_TIME_LENGTH = len("2026-01-31-23-59-59-999")
_TIME = re.compile(r"\d{4}(-\d\d){5}-\d{3}$")


def name_now(base: str) -> str:
    """The name of a run that is made now of a job with that name."""
    base = base[: 63 - _TIME_LENGTH - 1].rstrip("-")  # SageMaker's limit for a job's name
    return f"{base}-{_time_text(time.time())}"


def _new_folder(runs: Path, base: str) -> Path:
    while True:
        folder = runs / name_now(base)
        try:
            folder.mkdir()
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            time.sleep(0.001)
        else:
            return folder


def _time_text(when: float) -> str:
    return f"{time.strftime(_TIME_FORMAT, time.gmtime(when))}-{int(when % 1 * 1000):03d}"
