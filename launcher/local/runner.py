"""Runs one job on this machine: the process behind `glaunch run`, alone in its session.

`launch` starts it for a run folder; from then on the folder is the only thing the two share. It makes what SageMaker
would make on a host, runs the script, packs the artifacts and writes the record.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from launcher import archive, diagnose, files, metrics, processes
from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob
from launcher.local import hosts, parameter_server
from launcher.local.loss import Loss
from launcher.local.supervisor import STOP_GRACE, Command, Drill, Ending, Supervisor
from launcher.measurements import Measurements
from launcher.run import COMPLETED, FAILED, STOPPED, STOPPING, Run, Status

_START_DEADLINE = 60.0  # seconds
_PORTS_TRIED = 3


def launch(run: Run, *, detach: bool) -> subprocess.Popen[bytes]:
    """Starts the process that runs the job of a run folder.

    Args:
        run: the run, just created.
        detach: whether the job goes on when this process ends; otherwise the kernel stops it then.

    Raises:
        JobFailed: it did not start in time.
    """
    with (run.folder / "logs" / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "launcher.local.runner", str(run.folder), *([] if detach else [str(os.getpid())])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _await_record(run, process)
    except BaseException:
        process.terminate()
        process.wait(STOP_GRACE)
        raise
    return process


def _await_record(run: Run, process: subprocess.Popen[bytes]) -> None:
    """Returns when the process answers for the run in its record, so that `Run.stop` ends it and not us."""
    until = time.monotonic() + _START_DEADLINE
    while process.poll() is None:
        supervisor = run.status.supervisor
        if supervisor and supervisor[0] == process.pid:
            return
        if time.monotonic() > until:
            raise JobFailed(f"the job's supervisor did not start in {_START_DEADLINE:g} s: is the machine very busy?")
        time.sleep(0.01)


def main(folder: str, parent: int | None = None) -> int:
    """Runs the job of a folder to its end; 0 if it completed, 1 if not. The record says the rest.

    Args:
        folder: of the run.
        parent: the process that the job must not outlive.
    """
    runner = _Runner(Run(Path(folder)))
    signal.signal(signal.SIGTERM, lambda *_: runner.stop())
    if parent is not None:
        processes.die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the kernel was told
            os.kill(os.getpid(), signal.SIGTERM)
    return runner.run_job()


class _StoppedError(Exception):
    """The job was stopped while no script was running."""


class _Runner:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._status = replace(run.recorded_status(), supervisor=processes.identity(os.getpid()))
        self._supervisor = Supervisor()
        self._measurements = Measurements()
        self._own_metrics = metrics.OwnDefinitions({})
        self._logs: dict[str, Path] = {}
        self._loss = Loss()

    def stop(self) -> None:
        """Called by a signal: ends the script in good order or, where none is running, what is done before or after."""
        self._record(replace(self._status, state=STOPPING))
        if not self._supervisor.stop("stopped"):
            raise _StoppedError

    def run_job(self) -> int:
        try:
            self._record(self._status)
            state, reason = self._outcome(self._run_hosts(self._run.job))
        except _StoppedError:
            state, reason = STOPPED, "stopped"
        except UserError as error:
            state, reason = FAILED, str(error)
        except OSError as error:
            state, reason = FAILED, f"{error.strerror or error}: {error.filename or self._run.folder}"
        except Exception:
            state, reason = FAILED, f"a defect of glaunch:\n{traceback.format_exc()}"
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here to the end takes no time
            processes.kill_descendants()
            processes.reap()
        self._record(replace(self._status, state=state, ended=time.time(), reason=reason))
        return 0 if state == COMPLETED else 1

    def _run_hosts(self, job: TrainingJob) -> Ending:
        """The scripts of all hosts, from empty directories to their end: again when they failed, if the job says so."""
        attempts = 1 + job.retries + (job.kill_after is not None)
        self._own_metrics = metrics.OwnDefinitions(job.metrics)
        for attempt in range(1, attempts + 1):
            workers = [hosts.prepare(self._run, job, host) for host in self._run.hosts]
            self._record(replace(self._status, started=self._status.started or time.time()))
            self._loss.attempt_begins()
            ending = self._attempt(job, workers, drilling=attempt == 1)
            if not ending.is_failure or attempt == attempts:
                break
            self._tell_restart(f"attempt {attempt + 1} of {attempts}", ending)
        for host, seconds in ending.seconds.items():
            if host in self._run.hosts:
                self._measurements.hosts.setdefault(host, {})["seconds"] = round(seconds, 2)
        exit_statuses = {host: ending.exit_statuses[host] for host in self._run.hosts if host in ending.exit_statuses}
        measured = self._measurements
        self._status = replace(self._status, exit_statuses=exit_statuses, metrics=measured.last, hosts=measured.hosts)
        return ending

    def _attempt(self, job: TrainingJob, workers: Sequence[Command], drilling: bool) -> Ending:
        assert self._status.started is not None
        drill = None
        if drilling and job.kill_after is not None:
            last = workers[-1].name
            drill = Drill(job.kill_after, [last, parameter_server.server_of(last)] if len(workers) > 1 else [last])
        for ports_tried in range(1, _PORTS_TRIED + 1):
            serving = len(workers) > 1 or job.hyperparameters.get("sagemaker_parameter_server_enabled")
            commands = parameter_server.surround(workers, self._run.folder / "logs") if serving else workers
            self._logs = {command.name: command.log for command in commands}
            with self._run.metrics.open("a", encoding="utf-8") as measurements:
                ending = self._supervisor.run(
                    commands,
                    on_line=functools.partial(self._note, measurements),
                    deadlines=job.deadlines,
                    max_run=job.max_run,
                    ran=time.time() - self._status.started,
                    drill=drill,
                )
            if ports_tried == _PORTS_TRIED or not parameter_server.lost_its_port(ending, commands):
                break
        return ending

    def _tell_restart(self, attempt: str, ending: Ending) -> None:
        """Says in the first host's log and in the record why the job begins again, and where."""
        why = "killed as a drill" if ending.drilled else self._cause(ending).splitlines()[0]
        told = f"{attempt}: {ending.failed} was {why}" if ending.drilled else f"{attempt}: {why}"
        told += f"; it goes {self._loss.describe()}"
        with self._run.log(self._run.hosts[0]).open("a", encoding="utf-8") as log:
            log.write(f"{diagnose.RESTART}{told}\n")
        self._measurements.hosts.clear()
        self._record(replace(self._status, failed_host="", restarts=[*self._status.restarts, told]))

    def _note(self, file: TextIO, host: str, line: str) -> None:
        """Keeps what a line of a log tells."""
        found = metrics.parse(line)
        self._loss.note(found)
        if isinstance(found, (metrics.Metric, metrics.Progress)):
            self._supervisor.note_progress()
        for one in (found, *self._own_metrics.parse(host, line)):
            measurement = self._measurements.note(host, one, time.time())
            if measurement:
                file.write(measurement)
                file.flush()

    def _outcome(self, ending: Ending) -> tuple[str, str]:
        """The final state and its reason; leaves the artifacts of a job that completed, or the failure file."""
        if ending.stopped:
            return STOPPED, ending.stopped
        if not ending.failed and not ending.overdue:
            digests = {host: found["digest"] for host, found in self._measurements.hosts.items() if "digest" in found}
            if len(set(digests.values())) > 1:
                raise JobFailed(f"the hosts ended with different parameters: {digests}")
            self._pack(self._run.host(self._run.hosts[0]))
            return COMPLETED, ending.log_error
        cause = self._cause(ending)
        files.write_atomic(self._run.failure, cause)
        reason = cause.splitlines()[0]
        return FAILED, reason + (f"; {ending.log_error}" if ending.log_error else "")

    def _cause(self, ending: Ending) -> str:
        """What goes into the failure file: the reason first, then what the script left or printed."""
        failed = ending.failed
        if not failed:
            return ending.overdue + "\n"
        if failed in self._run.hosts:
            cause = self._cause_on(failed, ending.exit_statuses[failed])
        else:
            cause = diagnose.role_failure(failed, self._logs[failed], ending.exit_statuses[failed])
        stopped = "".join(f"; {name} was stopped by a signal and went on waiting" for name in ending.halted)
        reason, _, rest = cause.partition("\n")
        return f"{reason}{stopped}\n{rest}"

    def _cause_on(self, host: str, exit_status: int) -> str:
        self._status = replace(self._status, failed_host=host)
        left = self._run.host(host) / "output" / "failure"
        if not left.exists():
            files.write_atomic(left, diagnose.failure(self._run.log(host), exit_status))
        cause = left.read_text("utf-8", "replace")
        return f"{host}: {cause}" if len(self._run.hosts) > 1 else cause

    def _pack(self, base: Path) -> None:
        model = base / "model"
        if not any(model.iterdir()):
            raise JobFailed(f"the script ended well but saved no model: nothing is in its model directory {model}")
        if not (model / "code").exists():
            # What the SDK does when it deploys: the code that can load the model travels with it.
            shutil.copytree(base / "code", model / "code", ignore=shutil.ignore_patterns("__pycache__"))
        archive.pack(model, self._run.model)
        if any((base / "output" / "data").iterdir()):
            archive.pack(base / "output" / "data", self._run.output)

    def _record(self, status: Status) -> None:
        self._status = status
        self._run.write_status(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
