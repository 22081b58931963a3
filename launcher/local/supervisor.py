"""The processes of a job, watched from their start to their end: they cannot hang, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from launcher import processes
from launcher.job import Deadlines
from launcher.local.watch import Watch
from launcher.log import LogWriter

_CHUNK = 2**16  # bytes
_LONGEST_LINE = 2**16  # bytes; a longer one is no metric
_POLL = 0.05  # seconds
STOP_GRACE = 10.0  # seconds between SIGTERM and SIGKILL; SageMaker gives 120


class Command(NamedTuple):
    """A process to be started.

    Attributes:
        name: unique, for people: `algo-2`, `server of algo-2`.
        arguments: the program and its arguments.
        environment: all of its variables.
        directory: where it runs.
        log: the file that what it prints is added to.
        is_worker: whether the job is done when it (and the other workers) are; the others serve the workers.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    is_worker: bool = True


class Ending(NamedTuple):
    """How the processes of a job ended.

    Attributes:
        exit_statuses: by name; negative is the signal that ended it, ours too.
        failed: the name of the process that failed first, or "".
        halted: the processes that were stopped by SIGSTOP or the like when that was seen.
        overdue: what took too long, or "".
        stopped: why the job was stopped from outside, or "".
        log_error: why a log is not complete, or "".
        drilled: whether processes were killed as a drill.
        seconds: how long each ran, by name.
    """

    exit_statuses: Mapping[str, int]
    failed: str
    halted: Sequence[str]
    overdue: str
    stopped: str
    log_error: str
    drilled: bool = False
    seconds: Mapping[str, float] = MappingProxyType({})

    @property
    def is_failure(self) -> bool:
        return bool(self.failed or self.overdue) and not self.stopped


class Drill(NamedTuple):
    """Seconds after which the processes of these names are killed, as if their host had gone."""

    seconds: float
    names: Sequence[str]


class Supervisor:
    """Runs the commands of a job to their end; `stop` may be called meanwhile, from a signal handler too."""

    def __init__(self) -> None:
        self._running = False
        self._stop_reason = ""
        self._watch: Watch | None = None
        processes.adopt_orphans()

    def stop(self, reason: str) -> bool:
        """Ends the job in good order: SIGTERM, then SIGKILL after a grace. The first reason counts.

        Returns:
            Whether commands are running.
        """
        self._stop_reason = self._stop_reason or reason
        return self._running

    def note_progress(self) -> None:
        """Called when a worker has shown that it trains; from other threads too."""
        if self._watch:
            self._watch.has_begun = True

    def run(
        self,
        commands: Sequence[Command],
        *,
        on_line: Callable[[str, str], None],
        deadlines: Deadlines,
        max_run: float | None = None,
        ran: float = 0.0,
        drill: Drill | None = None,
    ) -> Ending:
        """Runs commands side by side and returns when they, and every process they caused, are gone.

        The first that fails ends the others: on their own they would wait for it for ever.

        Args:
            commands: those that serve first, then the workers.
            on_line: called with a command's name and each line it prints, in other threads; of a very long line only
                with its end.
            deadlines: for what may never happen.
            max_run: seconds after which the job is stopped.
            ran: seconds of them that are over already.
            drill: what is killed on purpose.

        Raises:
            OSError: a command cannot be started, or a log cannot be opened; none is left running.
        """
        writers = {command.name: LogWriter(command.log) for command in commands}
        children: dict[str, subprocess.Popen[bytes]] = {}
        pumps: list[_Pump] = []
        watch = Watch([command.name for command in commands if command.is_worker], children, deadlines)
        self._watch, self._running, drilled = watch, True, False
        try:
            for command in commands:
                children[command.name] = _start(command)
            # Threads only now: a process with threads must not fork.
            for command in commands:
                source = children[command.name].stdout
                assert source is not None
                pumps.append(_Pump(command.name, source, writers[command.name], on_line))
                pumps[-1].start()
            drilled = self._wait(watch, children, max_run, time.monotonic() - ran, drill)
        finally:
            watch.note()
            processes.kill_descendants()
            for child in children.values():
                child.wait()
            watch.note_ends()
            for pump in pumps:
                pump.join(timeout=10)
            self._running = False
        log_error = next((pump.error for pump in pumps if pump.error), "")
        statuses = {name: child.returncode for name, child in children.items()}
        return Ending(
            statuses,
            watch.failed,
            watch.halted,
            watch.overdue,
            self._stop_reason,
            log_error,
            drilled,
            watch.seconds,
        )

    def _wait(
        self,
        watch: Watch,
        children: Mapping[str, subprocess.Popen[bytes]],
        max_run: float | None,
        counted_from: float,
        drill: Drill | None,
    ) -> bool:
        """Returns when the processes are over, or are to be killed: whether the drill has been."""
        started, kill_at, drilled = time.monotonic(), None, False
        while not watch.is_over():
            now = time.monotonic()
            if max_run is not None and now - counted_from > max_run:
                self.stop(f"it ran longer than max_run, {max_run:g} s")
            if drill and not drilled and now - started > drill.seconds:
                _signal([children[name] for name in drill.names], signal.SIGKILL)
                drilled = True
            if self._stop_reason and kill_at is None:
                _signal(children.values(), signal.SIGTERM)
                kill_at = now + STOP_GRACE
            if kill_at is not None and (now > kill_at or watch.workers_are_gone()):
                break  # the caller kills what is left
            time.sleep(_POLL)
        return drilled


def _signal(children: Iterable[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _start(command: Command) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.arguments,
        env=dict(command.environment),
        cwd=command.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Safe: nothing here has started a thread yet.
        preexec_fn=lambda: processes.die_with_parent(signal.SIGKILL),  # noqa: PLW1509
    )


class _Pump(threading.Thread):
    """Moves what a process prints into its log and calls back with each line.

    It goes on reading whatever goes wrong with what it reads, so that the process never blocks on a full pipe.
    """

    def __init__(self, name: str, source: IO[bytes], writer: LogWriter, on_line: Callable[[str, str], None]) -> None:
        super().__init__(daemon=True)
        self._name, self._source, self._writer, self._on_line = name, source, writer, on_line
        self.error = ""

    def run(self) -> None:
        rest = b""
        while chunk := os.read(self._source.fileno(), _CHUNK):
            self._try(self._writer.write, chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._try(self._on_line, self._name, line.decode("utf-8", "replace"))
            rest = rest[-_LONGEST_LINE:]
        if rest:
            self._try(self._on_line, self._name, rest.decode("utf-8", "replace"))
        self._try(self._writer.close)

    def _try(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except OSError as error:
            self.error = f"the log cannot be written: {error.strerror}"
        except Exception as error:
            self.error = f"the log cannot be read: {error!r}"
