"""How an endpoint serves, and its state: what its record holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.errors import UserError

# SageMaker's own words for the states of an endpoint.
CREATING, IN_SERVICE, FAILED, OUT_OF_SERVICE = "Creating", "InService", "Failed", "OutOfService"

LOAD_DEADLINE = 300.0  # seconds
STOP_GRACE = 30.0  # seconds between SIGTERM and SIGKILL, as on SageMaker
STUCK = 3  # the exit status of a worker that gave up its script
_RUNTIMES = ("mxnet", "onnx")


@dataclass(frozen=True)
class Settings:
    """How an endpoint serves; checked when made.

    Attributes:
        host: the address that it listens on.
        port: None for 8080, or a free one where that is taken; 0 for any free one.
        workers: processes that answer.
        runtime: `mxnet`, or `onnx` for the exported model.
        limit: seconds that an invocation may take; SageMaker's are 60.
        queue: requests that may wait for one worker.
        python: the interpreter of the workers.

    Raises:
        UserError: a value that cannot be.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    workers: int = 1
    runtime: str = "mxnet"
    limit: float = 60.0
    queue: int = 1000
    python: str = sys.executable

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port < 2**16:
            raise UserError(f"port {self.port}: expected 0 to 65535")
        if not 1 <= self.workers <= 64:
            raise UserError(f"{self.workers} workers: expected 1 to 64")
        if self.runtime not in _RUNTIMES:
            raise UserError(f"runtime {self.runtime!r}: expected {' or '.join(_RUNTIMES)}")
        if not 0 < self.limit < 3600 or self.queue < 1:
            raise UserError(f"limit {self.limit:g} s, queue {self.queue}: expected 0 to 3600 s, and 1 or more")


@dataclass(frozen=True)
class Status:
    """The state of an endpoint.

    Attributes:
        state: Creating, InService, Failed or OutOfService.
        created: seconds since the epoch.
        keeper: the process that keeps it, as (pid, start time in clock ticks); the pair is unique.
        url: where it answers, with a slash at its end; "" until that is known.
        workers: the pids of its workers.
        restarts: workers that had to be replaced.
        reason: why it failed.
    """

    state: str
    created: float
    keeper: tuple[int, int] | None
    url: str = ""
    workers: Sequence[int] = ()
    restarts: int = 0
    reason: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in (FAILED, OUT_OF_SERVICE)
