"""One process that serves a model: an event loop for the connections, and a thread for the model.

Its keeper gives it the listening socket, and hears from it through a pipe, a line of JSON each: `{"alive": true}` now
and then, `{"ready": ""}` once, or `{"failed": REASON}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from launcher import processes
from launcher.local.batcher import Batcher
from launcher.local.connection import Connection, close_silent
from launcher.local.counters import Counters
from launcher.local.endpoint import Endpoint
from launcher.local.rolling_log import RollingLog
from launcher.local.server import Application
from launcher.local.service import STOP_GRACE, STUCK, Settings

BEAT = 0.1  # seconds between two looks at the clock
_BACKLOG = 4096  # connections
_IDLE_SECONDS = 75.0  # of a connection that is kept; more than the 60 s of most load balancers
_STUCK_GRACE = 2.0  # seconds for the refusals to be read
_LONGEST_FAILURE = 8000  # characters; more does not surely go through a pipe at once
_BYTES_ROOM = 512 * 2**20  # of bodies that wait


def main(folder: str, number: str, listener: str, pipe: str, keeper: str, first: str) -> None:
    """Serves until SIGTERM, and then what has been asked already.

    Args:
        folder: of the endpoint.
        number: of the worker, from 0.
        listener: the file descriptor of the listening socket.
        pipe: the file descriptor that the keeper reads.
        keeper: its process id; this process does not outlive it.
        first: "1" when no other worker serves: this one takes connections while it loads, and says that it does.
    """
    processes.die_with_parent(signal.SIGKILL)
    if os.getppid() != int(keeper):
        return  # it ended before the kernel was told
    endpoint = Endpoint(Path(folder))
    worker = _Worker(endpoint, int(number), int(pipe))
    _allow_many_connections()
    _enter(endpoint.model / "code")
    uvloop.run(worker.serve(socket.socket(fileno=int(listener)), at_once=first == "1"))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STUCK if worker.is_stuck else 0)  # the model's thread and mxnet's own may never end


class _Server(uvicorn.Server):
    """Leaves the signals to its worker: uvicorn would end the process by the one that it got."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


class _Worker:
    def __init__(self, endpoint: Endpoint, number: int, pipe: int) -> None:
        self._endpoint, self._number, self._pipe = endpoint, number, pipe
        os.set_blocking(pipe, False)
        self.is_stuck = False

    async def serve(self, listener: socket.socket, *, at_once: bool) -> None:
        settings = self._endpoint.settings
        batcher = Batcher(
            lambda: _load(self._endpoint, settings), limit=settings.limit, room=settings.queue, bytes_room=_BYTES_ROOM
        )
        log = RollingLog(self._endpoint.log("access", self._number))
        counters = Counters(self._endpoint.counters, self._number)
        application = Application(batcher, counters, log, settings.limit)
        server = _Server(configuration(application))
        watch = asyncio.create_task(self._watch(batcher, application, server))
        if not at_once:
            await batcher.settled.wait()
        if not batcher.failure:
            signal.signal(signal.SIGTERM, server.handle_exit)
            await server.serve([listener])
        watch.cancel()
        application.flush()

    async def _watch(self, batcher: Batcher, application: Application, server: uvicorn.Server) -> None:
        """Everything that is done now and then, and never for each request."""
        told = False
        while True:
            batcher.watch()
            application.flush()
            close_silent(server.server_state.connections, asyncio.get_running_loop().time())
            if batcher.settled.is_set() and not told:
                told = True
                gc.collect()
                gc.freeze()  # else every full collection looks at all that mxnet brings, 50 ms each time
                self._tell("failed" if batcher.failure else "ready", batcher.failure[-_LONGEST_FAILURE:])
            if batcher.failure or batcher.is_stuck:
                self.is_stuck = batcher.is_stuck
                server.config.timeout_graceful_shutdown = _STUCK_GRACE  # type: ignore[assignment]  # an int, it says
                server.should_exit = True
                for listening in getattr(server, "servers", ()):  # none before it has started
                    listening.close()  # who connects from now on waits for the next worker
            self._tell("alive", True)
            await asyncio.sleep(BEAT)

    def _tell(self, word: str, content: Any) -> None:
        with contextlib.suppress(OSError):  # a keeper that does not read is not waited for
            os.write(self._pipe, json.dumps({word: content}).encode() + b"\n")


def _load(endpoint: Endpoint, settings: Settings) -> Any:
    from launcher.local import model  # brings mxnet, in the thread that uses it

    return model.load(endpoint.model, settings.runtime)


def configuration(application: Application) -> uvicorn.Config:
    """How uvicorn serves the application: HTTP/1.1 and nothing more."""
    return uvicorn.Config(
        application,
        http=Connection,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=int(_IDLE_SECONDS),
        timeout_graceful_shutdown=int(STOP_GRACE),
    )


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _enter(code: Path) -> None:
    """Puts the script's directory on the path, first: only now, so that no module of the script hides one of ours."""
    sys.path[:] = [str(code), *(path for path in sys.path if path != os.getcwd())]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(code), *filter(None, [os.environ.get("PYTHONPATH")])])


if __name__ == "__main__":
    main(*sys.argv[1:])
