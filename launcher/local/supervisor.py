"""One host's script as a process that is watched from its start to its end, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from launcher import processes
from launcher.log import LogWriter

_CHUNK = 2**16  # bytes
_LONGEST_LINE = 2**16  # bytes; a longer one is no metric
STOP_GRACE = 10.0  # seconds between SIGTERM and SIGKILL; SageMaker gives 120


class Ending(NamedTuple):
    """How a script ended.

    Attributes:
        exit_status: of the process; negative is the signal that ended it.
        stopped: why it was stopped from outside, or "".
        log_error: why the log is not complete, or "".
    """

    exit_status: int
    stopped: str
    log_error: str


class Supervisor:
    """Runs a command to its end; `stop` may be called meanwhile, from a signal handler too."""

    def __init__(self) -> None:
        self._running = False
        self._stop_reason = ""
        processes.adopt_orphans()

    def stop(self, reason: str) -> bool:
        """Ends the command in good order: SIGTERM, then SIGKILL after a grace. The first reason counts.

        Returns:
            Whether a command is running.
        """
        self._stop_reason = self._stop_reason or reason
        return self._running

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        on_line: Callable[[str], None],
        max_run: float | None = None,
    ) -> Ending:
        """Runs a command and returns when it, and every process it caused, is gone.

        Args:
            command: the program and its arguments.
            environment: all of its variables.
            directory: where it runs.
            log: the file that what it prints is added to.
            on_line: called with each line it prints, in another thread; of a very long one only with its end.
            max_run: seconds after which it is stopped.

        Raises:
            OSError: the command cannot be started, or the log cannot be opened.
        """
        writer = LogWriter(log)
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Safe: nothing here has started a thread yet.
            preexec_fn=lambda: processes.die_with_parent(signal.SIGKILL),  # noqa: PLW1509
        )
        self._running = True
        assert child.stdout is not None
        pump = _Pump(child.stdout, writer, on_line)
        pump.start()
        try:
            self._wait(child, max_run)
        finally:
            processes.kill_descendants()
            exit_status = child.wait()
            pump.join(timeout=10)
            self._running = False
        return Ending(exit_status, self._stop_reason, pump.error)

    def _wait(self, child: subprocess.Popen[bytes], max_run: float | None) -> None:
        started, kill_at = time.monotonic(), None
        while child.poll() is None:
            now = time.monotonic()
            if max_run is not None and now - started > max_run:
                self.stop(f"it ran longer than max_run, {max_run:g} s")
            if self._stop_reason and kill_at is None:
                os.killpg(child.pid, signal.SIGTERM)
                kill_at = now + STOP_GRACE
            if kill_at is not None and now > kill_at:
                return  # the caller kills what is left
            try:
                child.wait(0.05)
            except subprocess.TimeoutExpired:
                continue


class _Pump(threading.Thread):
    """Moves what a process prints into its log and calls back with each line.

    It goes on reading whatever goes wrong with what it reads, so that the process never blocks on a full pipe.
    """

    def __init__(self, source: IO[bytes], writer: LogWriter, on_line: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self._source, self._writer, self._on_line = source, writer, on_line
        self.error = ""

    def run(self) -> None:
        rest = b""
        while chunk := os.read(self._source.fileno(), _CHUNK):
            self._try(self._writer.write, chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._try(self._on_line, line.decode("utf-8", "replace"))
            rest = rest[-_LONGEST_LINE:]
        if rest:
            self._try(self._on_line, rest.decode("utf-8", "replace"))
        self._try(self._writer.close)

    def _try(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except OSError as error:
            self.error = f"the log cannot be written: {error.strerror}"
        except Exception as error:
            self.error = f"the log cannot be read: {error!r}"
