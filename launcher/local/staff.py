"""A worker of an endpoint, as its keeper sees it: a process, what it prints and what it tells."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import time

from launcher.local.endpoint import Endpoint
from launcher.local.hosts import image_path, inherited_variables
from launcher.local.rolling_log import RollingLog
from launcher.local.service import STUCK

_CHUNK = 2**16  # bytes
_LAST_CHUNKS = 64  # more than a pipe holds


class Worker:
    """A started worker.

    Attributes:
        number: from 0; another in its place has the same.
        started, heard: time.monotonic() of its start and of its last sign of life.
        is_ready: whether it serves.
        is_alone: whether it takes connections before it is ready.
        failure: why its model could not be loaded or it had to be killed, or "".
    """

    def __init__(
        self,
        endpoint: Endpoint,
        number: int,
        listener: socket.socket,
        is_alone: bool,
        selector: selectors.BaseSelector,
    ) -> None:
        """Starts it.

        Args:
            endpoint: whose it is.
            number: from 0.
            listener: the socket that it takes connections from.
            is_alone: whether no other worker is there, so that this one tells clients that it is loading.
            selector: calls back, with what is registered as data, when the worker prints or tells something.
        """
        self.number, self.is_ready, self.is_alone, self.failure = number, False, is_alone, ""
        self.started = self.heard = time.monotonic()
        self._selector, self._told = selector, b""
        self._log = RollingLog(endpoint.log("worker", number))
        self._reports, writing_end = os.pipe()
        arguments = [endpoint.folder, number, listener.fileno(), writing_end, os.getpid(), int(is_alone)]
        self._process = subprocess.Popen(
            [endpoint.settings.python, "-m", "launcher.local.worker", *map(str, arguments)],
            # Nothing is calculated at the same time as something else, and MXNet's other engines hand all to threads.
            env={"MXNET_ENGINE_TYPE": "NaiveEngine", **environment(endpoint)},
            cwd=endpoint.base,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(), writing_end),
            start_new_session=True,
        )
        os.close(writing_end)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self.pid = self._process.pid
        for descriptor, read in ((self._reports, self._read_report), (self._output, self._read_output)):
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ, read)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        status = self._process.returncode
        if status == STUCK:
            return "was stuck in a script that took longer than an invocation may"
        if status is not None and status < 0:
            ending = f"was ended by {signal.Signals(-status).name}"
        else:
            ending = f"ended with status {status}"
        return ending + (f": {self.failure}" if self.failure else "")

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Asks it to answer what it was asked, and to end."""
        self._process.terminate()

    def kill(self, reason: str) -> None:
        """Ends it at once."""
        self.failure = self.failure or reason
        self._process.kill()

    def close(self) -> None:
        """Reads the last that an ended worker said."""
        self._read_report()
        for _ in range(_LAST_CHUNKS):
            if not self._read_output():
                break
        for descriptor in (self._reports, self._output):
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
        os.close(self._reports)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read_report(self) -> None:
        chunk = self._chunk(self._reports)
        *lines, self._told = (self._told + chunk).split(b"\n")
        for line in lines:
            self.heard = time.monotonic()
            told = json.loads(line)
            self.is_ready = self.is_ready or "ready" in told
            self.failure = told.get("failed", self.failure)

    def _read_output(self) -> bool:
        """Whether there may be more."""
        chunk = self._chunk(self._output)
        self._log.write(chunk)
        return bool(chunk)

    def _chunk(self, descriptor: int) -> bytes:
        """What is there to read; at the end the descriptor is no longer looked at."""
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return b""
        if not chunk:
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
        return chunk


def environment(endpoint: Endpoint) -> dict[str, str]:
    """This shell's variables, less what a container would not have, and those of a serving container."""
    return {
        # One thread a worker: several make a small net slower, and take the processors of the other workers.
        "OMP_NUM_THREADS": "1",
        **inherited_variables(),
        "PYTHONPATH": image_path(),
        "PYTHONUNBUFFERED": "1",
        **endpoint.settings.environment,
        "SAGEMAKER_BASE_DIR": str(endpoint.base),
        "SM_MODEL_DIR": str(endpoint.model),
    }
