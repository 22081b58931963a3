"""Runs one job on this machine: the process behind `glaunch run`, alone in its session.

`launch` starts it for a run folder; from then on the folder is the only thing the two share. It makes what SageMaker
would make on a host, runs the script, packs the artifacts and writes the record.
"""

from __future__ import annotations

import functools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from launcher import archive, diagnose, files, metrics, processes, source
from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob
from launcher.local import container, parameter_server, requirements
from launcher.local.supervisor import STOP_GRACE, Command, Ending, Supervisor
from launcher.run import COMPLETED, FAILED, STOPPED, STOPPING, Run, Status

_IMAGE = Path(__file__).parent / "image"
_START_DEADLINE = 60.0  # seconds
_PORTS_TRIED = 3
_MINE = ("GLAUNCH_", "SM_", "SAGEMAKER_", "DMLC_")  # variables of our own shell that a container would not have


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
        self._last_metrics: dict[str, float] = {}
        self._hosts: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, Path] = {}

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
        """The scripts of all hosts, from empty directories to their end."""
        hosts = self._run.hosts
        workers = [self._prepare(job, host) for host in hosts]
        self._record(replace(self._status, started=time.time()))
        for attempt in range(1, _PORTS_TRIED + 1):
            commands = parameter_server.surround(workers, self._run.folder / "logs") if len(hosts) > 1 else workers
            self._logs = {command.name: command.log for command in commands}
            with self._run.metrics.open("a", encoding="utf-8") as measurements:
                ending = self._supervisor.run(
                    commands,
                    on_line=functools.partial(self._note, measurements),
                    deadlines=job.deadlines,
                    max_run=job.max_run,
                )
            if attempt == _PORTS_TRIED or not parameter_server.lost_its_port(ending, commands):
                break
        self._status = replace(
            self._status,
            exit_statuses={host: ending.exit_statuses[host] for host in hosts if host in ending.exit_statuses},
            metrics=self._last_metrics,
            hosts=self._hosts,
        )
        return ending

    def _prepare(self, job: TrainingJob, host: str) -> Command:
        """What SageMaker would make on a host before it starts the script, and the command that starts it."""
        base, log = self._run.host(host), self._run.log(host)
        program = source.stage(job, base / "code")
        python = sys.executable
        if (base / "code" / "requirements.txt").exists():
            python = requirements.install(base / "code" / "requirements.txt", log)
        variables = container.prepare(
            base, job_name=self._run.name, job=job, program=program, current_host=host, hosts=self._run.hosts
        )
        arguments = [python, program, *container.command_line_arguments(job.hyperparameters)]
        return Command(host, arguments, _environment(variables, job), base / "code", log)

    def _note(self, measurements: TextIO, host: str, line: str) -> None:
        """Keeps what a line of a log tells."""
        found = metrics.parse(line)
        if isinstance(found, metrics.Metric):
            value = found.value if math.isfinite(found.value) else None  # JSON has no NaN
            if value is not None:
                self._last_metrics[found.name] = value
            measured = {"time": time.time(), "host": host, **found._asdict(), "value": value}
            measurements.write(json.dumps(measured) + "\n")
            measurements.flush()
        elif isinstance(found, (metrics.Shard, metrics.Digest)):
            self._hosts.setdefault(host, {}).update(found._asdict())

    def _outcome(self, ending: Ending) -> tuple[str, str]:
        """The final state and its reason; leaves the artifacts of a job that completed, or the failure file."""
        if ending.stopped:
            return STOPPED, ending.stopped
        if not ending.failed and not ending.overdue:
            digests = {host: found["digest"] for host, found in self._hosts.items() if "digest" in found}
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


def _environment(variables: Mapping[str, str], job: TrainingJob) -> dict[str, str]:
    """The variables of a host: this shell's, less what only glaunch knows, and the container's over them."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_MINE) and name != "PORT"}
    # The script's own directory is on the path for the processes it starts, as it is in a container.
    path = image_path(variables["SAGEMAKER_BASE_DIR"] + "/code")
    threads = (
        {} if job.hosts == 1 or "OMP_NUM_THREADS" in inherited else {"OMP_NUM_THREADS": _share_of_cores(job.hosts)}
    )
    return {**inherited, **variables, **threads, "PYTHONPATH": path, **_deadlines(job), **job.environment}


def _share_of_cores(hosts: int) -> str:
    """The OpenMP threads of one of several hosts: machines would not share their cores."""
    return str(max(1, len(os.sched_getaffinity(0)) // hosts))


def _deadlines(job: TrainingJob) -> dict[str, str]:
    """For the watchdog that runs inside our scripts."""
    return {f"GLAUNCH_{name.upper()}_SECONDS": f"{seconds:g}" for name, seconds in vars(job.deadlines).items()}


def image_path(*directories: str) -> str:
    """PYTHONPATH with what AWS's image offers first, then the directories given, then this shell's own."""
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_IMAGE), *directories, *([inherited] if inherited else [])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
