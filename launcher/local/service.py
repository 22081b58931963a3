"""How an endpoint serves, and its state: what its record holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from launcher import files
from launcher.errors import UserError

FORMAT = 1

# SageMaker's own words for the states of an endpoint.
CREATING, IN_SERVICE, FAILED, OUT_OF_SERVICE = "Creating", "InService", "Failed", "OutOfService"

STOP_GRACE = 30.0  # seconds between SIGTERM and SIGKILL, as on SageMaker
STUCK = 3  # the exit status of a worker that gave up its script
_RUNTIMES = ("mxnet", "onnx")
OWN, MMS = "glaunch", "mms"


@dataclass(frozen=True)
class Settings:
    """How an endpoint serves; checked when made.

    Attributes:
        host: the address that it listens on.
        port: None for 8080, or a free one where that is taken; 0 for any free one.
        workers: processes that answer.
        runtime: `mxnet`, or `onnx` for the exported model.
        server: `glaunch`, or `mms` for AWS's own multi-model-server.
        limit: seconds that an invocation may take; SageMaker's are 60.
        load_limit: seconds that loading the model may take.
        queue: requests that may wait for one worker.
        python: the interpreter of the workers.
        environment: variables added to the workers' environment.

    Raises:
        UserError: a value that cannot be.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    workers: int = 1
    runtime: str = "mxnet"
    server: str = OWN
    limit: float = 60.0
    load_limit: float = 300.0
    queue: int = 1000
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port < 2**16:
            raise UserError(f"port {self.port}: expected 0 to 65535")
        if not 1 <= self.workers <= 64:
            raise UserError(f"{self.workers} workers: expected 1 to 64")
        if self.runtime not in _RUNTIMES:
            raise UserError(f"runtime {self.runtime!r}: expected {' or '.join(_RUNTIMES)}")
        if self.server not in (OWN, MMS):
            raise UserError(f"server {self.server!r}: expected {OWN} or {MMS}")
        if self.server == MMS and (self.runtime != "mxnet" or self.host != "127.0.0.1"):
            raise UserError("AWS's server has MXNet's runtime only, and listens on 127.0.0.1")
        if self.server == MMS and self.port and self.port >= 2**15 - 1:
            raise UserError(f"port {self.port}: AWS's server takes ports up to {2**15 - 2}")
        if not 0 < self.limit <= 3600 or not 0 < self.load_limit <= 3600:
            raise UserError(f"limits of {self.limit:g} s and {self.load_limit:g} s: expected more than 0, 3600 at most")
        if self.queue < 1:
            raise UserError(f"a queue of {self.queue}: expected 1 or more")


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


_Record = TypeVar("_Record", Settings, Status)


def read(path: Path, kind: type[_Record]) -> _Record:
    """A file of an endpoint's record, Settings or Status; UserError when a newer glaunch wrote it or it is damaged."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        version = content.pop("format")
        if version > FORMAT:
            raise UserError(f"endpoint {path.parent.name} was made by a newer glaunch (format {version}): update")
        return kind(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the record of endpoint {path.parent.name} cannot be read ({error}): {path}") from None


def write(path: Path, content: Settings | Status) -> None:
    """Replaces a file of an endpoint's record. Raises OSError when the disk is full or the folder gone."""
    files.write_atomic(path, json.dumps({"format": FORMAT, **asdict(content)}, indent=1) + "\n")
