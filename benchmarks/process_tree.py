"""The processes of an endpoint: their CPU time and their memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from launcher.local.endpoint import Endpoint

_TICKS = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """MB of all processes of a server: as each sees it, and with what they share counted once."""

    resident: float
    proportional: float


def processes_of(endpoint: Endpoint) -> list[int]:
    """The keeper of an endpoint and all that it started."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text("utf-8").rpartition(")")[2].split()[1])
    keeper = endpoint.status.keeper
    assert keeper is not None
    found = [keeper[0]]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def cpu_seconds(pids: list[int]) -> float:
    """The CPU time that the processes have had."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory(pids: list[int]) -> Memory:
    """The memory of the processes."""
    sums = {"Rss": 0, "Pss": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines():
            name, _, rest = line.partition(":")
            if name in sums:
                sums[name] += int(rest.split()[0])
    return Memory(sums["Rss"] / 1024, sums["Pss"] / 1024)
