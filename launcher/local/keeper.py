"""The process that keeps an endpoint: it holds the listening socket, and starts, watches and replaces the workers.

It has one thread, so that it may fork at any time. The socket is made once and lives as long as the keeper: a
connection that comes while a worker is being replaced waits, and is not refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from launcher import processes
from launcher.errors import JobFailed, UserError
from launcher.local import counters
from launcher.local.endpoint import Endpoint
from launcher.local.mms import PORTS, ModelServer
from launcher.local.service import FAILED, IN_SERVICE, MMS, OUT_OF_SERVICE, STOP_GRACE, Settings, Status
from launcher.local.staff import Worker

_DEFAULT_PORT = 8080  # SageMaker's
_BACKLOG = 4096  # connections
_TICK = 0.1  # seconds
_SILENCE = 5.0  # seconds beside the limit of an invocation: after them a worker without a sign of life is stuck
_LONGEST_DELAY = 10.0  # seconds before a worker that keeps dying is started again
_STEADY = 10.0  # seconds after which a worker's death is no longer one of a row
_FAILED_STARTS = 5  # in a row, with no worker that serves


class Keeper:
    """Keeps the endpoint of a folder until SIGTERM, or until its parent ends."""

    def __init__(self, endpoint: Endpoint, parent: int | None = None) -> None:
        self._endpoint, self._parent = endpoint, parent
        self._settings = endpoint.settings
        self._status = replace(endpoint.recorded_status(), keeper=processes.identity(os.getpid()))
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker | ModelServer] = {}
        self._due: dict[int, float] = {}  # when a worker is to be started, by its number
        self._deaths_in_a_row = 0
        self._stopping = False

    def stop(self) -> None:
        """Called by a signal: ends the endpoint in good order."""
        self._stopping = True

    def run(self) -> int:
        """Keeps the endpoint to its end; 0 if it was stopped, 1 if it failed. The record says the rest."""
        reason = ""
        processes.adopt_orphans()
        try:
            self._record(self._status)
            listener = _listen(self._settings)
            self._record(replace(self._status, url=_url(listener)))
            counters.create(self._endpoint.counters, self._settings.workers)
            # AWS's server has its own workers.
            processes_kept = 1 if self._settings.server == MMS else self._settings.workers
            self._due = dict.fromkeys(range(processes_kept), 0.0)
            while not self._is_over():
                self._tend(listener)
            self._end_workers(listener)
        except UserError as error:
            reason = str(error)
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename or self._endpoint.folder}"
        except Exception:
            reason = f"a defect of glaunch:\n{traceback.format_exc()}"
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here to the end takes no time
            processes.kill_descendants()
            processes.reap()
        return self._conclude(reason)

    def _is_over(self) -> bool:
        orphaned = self._parent is not None and os.getppid() != self._parent
        return self._stopping or orphaned or not self._endpoint.folder.exists()  # unrecorded, nobody could end it

    def _tend(self, listener: socket.socket) -> None:
        """One look at everything, and first the start of what is due: no worker waits for a tick."""
        now = time.monotonic()
        for number, due in [*self._due.items()]:
            if now >= due:
                del self._due[number]
                self._workers[number] = self._start(number, listener)
                self._record_workers()
        self._read(_TICK)
        now = time.monotonic()
        for worker in [*self._workers.values()]:
            if worker.has_ended():
                self._bury(worker, now)
            elif not worker.is_ready and now - worker.started > self._settings.load_limit:
                worker.kill(f"its model was not loaded within {self._settings.load_limit:g} s")
            elif worker.is_ready and now - worker.heard > self._settings.limit + _SILENCE:
                worker.kill("it showed no sign of life")
        self._reap_adopted()

    def _start(self, number: int, listener: socket.socket) -> Worker | ModelServer:
        if self._settings.server == MMS:
            listener.close()  # it makes a socket of its own
            return ModelServer(self._endpoint, urlsplit(self._status.url).port or 0, self._selector)
        return Worker(self._endpoint, number, listener, not self._workers, self._selector)

    def _read(self, seconds: float) -> None:
        """Takes what the workers say; the first that is ready makes the endpoint one that serves.

        Not while another takes connections and says that it is loading.
        """
        for key, _ in self._selector.select(seconds):
            key.data()
        workers = self._workers.values()
        is_serving = any(one.is_ready for one in workers) and all(one.is_ready or not one.is_alone for one in workers)
        if is_serving and self._status.state != IN_SERVICE:
            self._record(replace(self._status, state=IN_SERVICE))

    def _bury(self, worker: Worker | ModelServer, now: float) -> None:
        """Sees to what a dead worker leaves, and when another is to take its place."""
        del self._workers[worker.number]
        worker.close()
        self._kill_strays()
        _note(f"worker {worker.number + 1} (pid {worker.pid}) {worker.ending}")
        is_served = worker.is_ready or any(other.is_ready for other in self._workers.values())
        if self._status.state != IN_SERVICE or (self._deaths_in_a_row >= _FAILED_STARTS and not is_served):
            raise JobFailed(worker.failure or f"its worker {worker.ending}")
        is_steady = worker.is_ready and now - worker.started > _STEADY
        self._deaths_in_a_row = 0 if is_steady else self._deaths_in_a_row + 1
        delay = 0.0 if self._deaths_in_a_row < 2 else min(_LONGEST_DELAY, 0.1 * 2**self._deaths_in_a_row)
        self._due[worker.number] = now + delay
        self._record(replace(self._status, restarts=self._status.restarts + 1))
        self._record_workers()

    def _reap_adopted(self) -> None:
        """Takes leave of ended processes that a script had started and left to this one."""
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if any(worker.pid == ended.si_pid for worker in self._workers.values()):
                    break
                os.waitpid(ended.si_pid, 0)

    def _kill_strays(self) -> None:
        """Kills what a dead worker's script had started; it is this process's child now."""
        strays = set(processes.descendants(os.getpid()))
        for worker in self._workers.values():
            strays -= {worker.pid, *processes.descendants(worker.pid)}
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def _end_workers(self, listener: socket.socket) -> None:
        """Lets the workers answer what they were asked, and no more."""
        for worker in self._workers.values():
            worker.terminate()
        listener.close()
        until = time.monotonic() + STOP_GRACE
        while any(not worker.has_ended() for worker in self._workers.values()) and time.monotonic() < until:
            self._read(_TICK / 5)
        for worker in self._workers.values():
            worker.close()

    def _conclude(self, reason: str) -> int:
        if self._parent is not None and not reason:
            shutil.rmtree(self._endpoint.folder, ignore_errors=True)
        else:
            state = FAILED if reason else OUT_OF_SERVICE
            with contextlib.suppress(OSError):  # the folder is gone
                self._record(replace(self._status, state=state, workers=(), reason=reason))
        return 1 if reason else 0

    def _record_workers(self) -> None:
        self._record(replace(self._status, workers=[worker.pid for worker in self._workers.values()]))

    def _record(self, status: Status) -> None:
        was_serving = self._status.state == IN_SERVICE
        self._status = status
        try:
            self._endpoint.write_status(status)
        except OSError as error:
            if not was_serving:
                raise
            _note(f"the record cannot be written: {error}")  # a full disk is no reason to stop serving


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
        for candidate in _candidates(settings):
            try:
                return socket.create_server((host, candidate), family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port:
                    raise
    except (OSError, UnicodeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot listen on {host}, port {port or _DEFAULT_PORT}: {what}") from None
    raise UserError(f"no free port on {host}")


def _candidates(settings: Settings) -> Iterable[int]:
    if settings.port:
        return (settings.port,)
    if settings.server == MMS:
        return range(*PORTS)
    return (_DEFAULT_PORT, 0) if settings.port is None else (0,)


def _url(listener: socket.socket) -> str:
    """Where this machine reaches the endpoint."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _note(sentence: str) -> None:
    """A line in the keeper's log, where its standard error goes."""
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), sentence, file=sys.stderr, flush=True)


def main(folder: str, parent: int | None = None) -> int:
    """Keeps the endpoint of a folder; `parent` is the process that it must not outlive."""
    keeper = Keeper(Endpoint(Path(folder)), parent)
    signal.signal(signal.SIGTERM, lambda *_: keeper.stop())
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
