"""Processes of this machine, through Linux's /proc: which are alive, which belong together, and their end.

A pid is used again after its process has ended; with the time at which the process started it is unique.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PROC = Path("/proc")
_POLL = 0.02  # seconds
_KILL_SECONDS = 5.0  # SIGKILL takes none, but for a process that waits for a device
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
_libc = ctypes.CDLL(None, use_errno=True)


def identity(pid: int) -> tuple[int, int] | None:
    """The pid with the process's start time in clock ticks since boot, or None when there is no such process."""
    fields = _stat(pid)
    return None if fields is None else (pid, int(fields[19]))


def is_alive(pid: int, started: int) -> bool:
    """Whether this very process still runs; one that ended but was not waited for does not."""
    fields = _stat(pid)
    return fields is not None and int(fields[19]) == started and fields[0] not in "ZX"


def end(pid: int, started: int, deadline: float) -> None:
    """Asks a process to end with SIGTERM; kills it after `deadline` seconds. Returns when it is gone."""
    if is_alive(pid, started):
        _signal(pid, signal.SIGTERM)
    if not _wait(pid, started, deadline):
        _signal(pid, signal.SIGKILL)
        _wait(pid, started, _KILL_SECONDS)


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, whichever session it put itself in."""
    children: dict[int, list[int]] = {}
    for other in _pids():
        fields = _stat(other)
        if fields is not None and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(other)
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def cpu_ticks(pids: Iterable[int]) -> int:
    """The processor time that processes have used, together, in clock ticks (`SC_CLK_TCK` a second)."""
    stats = [_stat(pid) for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats if fields is not None)


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal, and waits for SIGCONT."""
    fields = _stat(pid)
    return fields is not None and fields[0] in "Tt"


def kill_descendants(deadline: float = _KILL_SECONDS) -> None:
    """Kills every process below this one. With `adopt_orphans` that is every process it ever caused.

    Processes that are started meanwhile are found in the next round; it gives up after `deadline` seconds.
    """
    _kill_all(lambda: descendants(os.getpid()), deadline)


def reap() -> None:
    """Takes leave of every ended child, adopted ones too, so that none stays as a zombie."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def kill_marked(path: str, deadline: float = _KILL_SECONDS) -> None:
    """Kills what a dead supervisor left: processes whose SAGEMAKER_BASE_DIR lies in the folder `path`.

    They are gone when it returns, unless that took more than `deadline` seconds.
    """
    _kill_all(lambda: _marked(os.fsencode(f"SAGEMAKER_BASE_DIR={path}/")), deadline)


def die_with_parent(signal_number: int) -> None:
    """Has the kernel send this process a signal when its parent ends, however it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of those below it that lose theirs, in place of init."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_all(find: Callable[[], list[int]], deadline: float) -> None:
    until = time.monotonic() + deadline
    while (found := find()) and time.monotonic() < until:
        for pid in found:
            _signal(pid, signal.SIGKILL)
        time.sleep(_POLL)


def _marked(marker: bytes) -> list[int]:
    """The other processes with a variable that begins so."""
    found = []
    for pid in _pids():
        try:
            variables = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue  # it ended, or belongs to someone else
        if pid != os.getpid() and any(variable.startswith(marker) for variable in variables.split(b"\0")):
            found.append(pid)
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the program's name (proc(5)): state, parent, ... or None."""
    try:
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(pid: int, started: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while is_alive(pid, started):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL)
    return True
