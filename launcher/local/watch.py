"""Decides when the processes of a job are over: all is done, one has failed, or nothing moves any more."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from launcher import processes
from launcher.job import Deadlines

_LAST_WORDS = 1.0  # seconds that the others have to say why, when one has failed
_MEASURED_EVERY = 1.0  # seconds
_LEFT_ALONE = 5.0  # seconds that servers have to end by themselves after the last worker
_IDLE_SHARE = 0.02  # of one core: below it, all processes of a job together do nothing but wait


class Watch:
    """Looks at the processes of a job whenever it is asked whether they are over.

    Args:
        workers: the names of those that the job is made of; the others serve them.
        children: all processes by name, those that serve first; it may be filled later.
        deadlines: for what may never happen.

    Attributes:
        failed: the process that failed first, or "". A worker before one that serves: its log says why.
        halted: the processes that were stopped by SIGSTOP or the like when that was seen.
        overdue: what took too long, or "".
        seconds: how long each process ran that has ended.
        has_begun: set from outside when a worker has shown progress: until then the deadline `start` counts.
    """

    def __init__(
        self, workers: Sequence[str], children: Mapping[str, subprocess.Popen[bytes]], deadlines: Deadlines
    ) -> None:
        self._workers, self._children, self._deadlines = workers, children, deadlines
        self._statuses: dict[str, int | None] = {}
        self._first_end: float | None = None
        self._all_ended_at: float | None = None
        self._failed_at: float | None = None
        self._begun = self._moved_at = time.monotonic()
        self._ticks = 0
        self._measured_at = 0.0
        self.failed = self.overdue = ""
        self.halted: list[str] = []
        self.seconds: dict[str, float] = {}
        self.has_begun = False

    def workers_are_gone(self) -> bool:
        return all(self._children[name].poll() is not None for name in self._workers)

    def is_over(self) -> bool:
        now = time.monotonic()
        self.note()
        all_ended = None not in self._statuses.values()
        if self.failed:
            self._failed_at = self._failed_at or now
            return all_ended or now - self._failed_at > _LAST_WORDS
        return self._is_finished(now) or all_ended or self._is_stalled(now)

    def note(self) -> None:
        """Looks at all processes, and remembers the first that ended badly."""
        self._statuses = self.note_ends()
        if self.failed in self._workers:
            return
        bad = [name for name, status in self._statuses.items() if status and name not in self._late()]
        worker = next((name for name in bad if name in self._workers), "")
        if worker or (bad and not self.failed):
            self.failed = worker or bad[0]
            self.halted = self._stopped()

    def note_ends(self) -> dict[str, int | None]:
        """The exit status of each process, None of those that run; remembers how long the others did."""
        statuses = {name: child.poll() for name, child in self._children.items()}
        for name, status in statuses.items():
            if status is not None:
                self.seconds.setdefault(name, time.monotonic() - self._begun)
        return statuses

    def _late(self) -> list[str]:
        """The workers that were done, and then waited for the others until the deadline that they set themselves."""
        if len(self._workers) == 1:
            return []
        return [name for name in self._workers if self._statuses.get(name) == -signal.SIGALRM]

    def _stopped(self) -> list[str]:
        return [name for name, child in self._children.items() if processes.is_stopped(child.pid)]

    def _is_finished(self, now: float) -> bool:
        """Whether the workers are done, or some have been for so long that the others never will be."""
        ended = [name for name in self._workers if self._statuses[name] is not None]
        late = self._late()
        if not ended:
            return False
        self._first_end = self._first_end or now
        all_ended = len(ended) == len(self._workers)
        if all_ended and not late:
            # Servers that outlive their workers, of scripts that do not use them, have nothing left to do.
            self._all_ended_at = self._all_ended_at or now
            return now - self._all_ended_at > _LEFT_ALONE
        patience = (0.0 if all_ended else _LAST_WORDS) if late else self._deadlines.finish
        if now - self._first_end < patience:
            return False
        going = [name for name, status in self._statuses.items() if status is None]
        waited_for = [name for name in going if name in self._workers] or going
        self.halted = self._stopped()
        why = "the hosts did not take the same number of steps, or saving takes longer than deadlines.finish"
        self.overdue = (
            f"{_names(late or ended)} done {self._deadlines.finish:g} s ago, but {_names(waited_for)} not: "
            f"{self._who_was_stopped() or why}"
        )
        return True

    def _is_stalled(self, now: float) -> bool:
        """Whether for as long as the deadline all processes did nothing but wait, or one was stopped.

        What a worker waits for may be in another process, or be one that was stopped: nobody else would notice.
        """
        if len(self._children) == 1 or now - self._measured_at < _MEASURED_EVERY:
            return False  # a process alone may wait for something outside as long as it likes
        self._measured_at = now
        self.halted = self._stopped()
        ticks = processes.cpu_ticks(processes.descendants(os.getpid()))
        # A process that ends takes its ticks with it: that is a move too.
        enough = _IDLE_SHARE * os.sysconf("SC_CLK_TCK") * (now - self._moved_at) + 1
        if abs(ticks - self._ticks) > enough and not self.halted:
            self._moved_at, self._ticks = now, ticks
        patience = self._deadlines.stall if self.has_begun else min(self._deadlines.start, self._deadlines.stall)
        if now - self._moved_at < patience:
            return False
        gone = [name for name, status in self._statuses.items() if status is not None]
        why = f"{_names(gone)} gone, and every other process only waits" if gone else "every process only waits"
        self.overdue = f"nothing has happened for {patience:g} s: {self._who_was_stopped() or why}"
        return True

    def _who_was_stopped(self) -> str:
        return f"{_names(self.halted)} stopped by a signal" if self.halted else ""


def _names(names: Sequence[str]) -> str:
    """`algo-1 was`, or `algo-1, algo-2 were`."""
    return f"{', '.join(names)} {'were' if len(names) > 1 else 'was'}"
