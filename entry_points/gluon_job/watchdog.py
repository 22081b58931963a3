"""Ends this process when its job cannot move any more.

MXNet's parameter server waits for ever for a host that is gone, in C++ where no Python exception reaches. So a host of
a job of several has deadlines: to its first step, between steps, and for its end. They also hold where the hosts are
machines, as on SageMaker, and nobody else would notice.
"""

import atexit
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from typing import Any, Callable, Optional

EXIT_STATUS = 97
_SECONDS = {"start": 300.0, "stall": 600.0, "finish": 120.0}
# ps-lite's scheduler answers the heartbeats of others whatever its own settings are. Seconds.
_HEARTBEAT = {"PS_HEARTBEAT_INTERVAL": "5", "PS_HEARTBEAT_TIMEOUT": "30"}
_POLL = 0.5  # seconds
_SCHEDULER = 1  # ps-lite's group of the scheduler alone: the only node that a worker hears of
_MISSED = 4  # polls: ps-lite reports the scheduler dead for an instant while it starts


class Watchdog:
    """Watches one process from a thread of its own.

    Args:
        who: the host's name, for the message.
        on_end: called with the message before the process ends, to leave a failure file.
    """

    def __init__(self, who: str, on_end: Callable[[str], None]) -> None:
        self._who, self._on_end = who, on_end
        self._kvstore: Any = None
        self._missed = 0
        self._expect("start", "did not take its first step")
        threading.Thread(target=self._watch, daemon=True).start()

    def step(self) -> None:
        """Called at every step of the training; costs next to nothing."""
        self._expect("stall", "took no further step")

    def saving(self) -> None:
        """Called when the training is over: what is left has the last deadline."""
        self._expect("finish", "did not finish saving")

    def leaving(self) -> None:
        """Called last: the kvstore's destructor now waits in C++ for every other host, but never for ever."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(max(1, int(_seconds("finish"))))
        self._kvstore = None

    def watch_heartbeats(self, kvstore: Any) -> None:
        """Also ends the process when the scheduler's heartbeat stops, if heartbeats are on (PS_HEARTBEAT_*).

        Keeps the kvstore until the host is leaving: its destructor would wait for the others before any save.
        """
        self._kvstore = kvstore

    def _expect(self, name: str, otherwise: str) -> None:
        self._limit, self._otherwise = _seconds(name), otherwise
        self._until = time.monotonic() + self._limit

    def _watch(self) -> None:
        while True:
            time.sleep(_POLL)
            if time.monotonic() > self._until:
                self._end(f"Stalled: {self._who} {self._otherwise} in {self._limit:g} s")
            if self._scheduler_is_silent():
                self._end(
                    f"Stalled: {self._who} hears nothing of the scheduler any more: its host or the network is gone"
                )

    def _scheduler_is_silent(self) -> bool:
        kvstore, timeout = self._kvstore, int(os.environ.get("PS_HEARTBEAT_TIMEOUT", "0"))
        if kvstore is None or timeout <= 0:
            return False
        from gluon_job.compat import mx

        dead = ctypes.c_int(0)
        status = mx.base._LIB.MXKVStoreGetNumDeadNode(
            kvstore.handle, ctypes.c_int(_SCHEDULER), ctypes.byref(dead), ctypes.c_int(timeout)
        )
        self._missed = self._missed + 1 if status == 0 and dead.value > 0 else 0
        return self._missed >= _MISSED

    def _end(self, message: str) -> None:
        faulthandler.dump_traceback()  # where it waits
        print(message, file=sys.stderr, flush=True)
        self._on_end(message)
        os._exit(EXIT_STATUS)


_current: Optional[Watchdog] = None


def begin(who: str, on_end: Callable[[str], None]) -> None:
    """Starts the watchdog of this process, for a job of several hosts, before the kvstore is made."""
    global _current
    for name, seconds in _HEARTBEAT.items():
        os.environ.setdefault(name, seconds)
    _current = Watchdog(who, on_end)
    atexit.register(_current.leaving)  # however the script ends


def current() -> Optional[Watchdog]:
    """The watchdog of this process, if it has one."""
    return _current


def _seconds(name: str) -> float:
    return float(os.environ.get(f"GLAUNCH_{name.upper()}_SECONDS") or _SECONDS[name])
