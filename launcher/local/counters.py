"""What the workers of an endpoint count, shared by them, as Prometheus reads it.

Each worker writes a row of its own in one file that all of them map: whichever is asked adds up the rows. A worker that
takes the place of another goes on counting in its row.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES = (200, 400, 404, 405, 406, 408, 413, 415, 499, 500, 503, 504)  # 499: the client went away
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_STATUS, _BUCKET = 0, len(STATUSES)
_SECONDS = _BUCKET + len(_BOUNDS) + 1
_BATCHES, _WAITING, _STARTS, _ROW = _SECONDS + 1, _SECONDS + 2, _SECONDS + 3, _SECONDS + 4
_DOUBLE = 8  # bytes


def create(path: Path, workers: int) -> None:
    """Makes the file of an endpoint's counters, all zero."""
    path.write_bytes(bytes(workers * _ROW * _DOUBLE))


class Counters:
    """One worker's row; it is that worker's alone to write."""

    def __init__(self, path: Path, worker: int) -> None:
        """Counts a start of the worker with that number, from 0."""
        with path.open("r+b") as file:
            self._cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
        self._row = worker * _ROW
        self._cells[self._row + _STARTS] += 1
        self._batches_before = self._cells[self._row + _BATCHES]
        self._status_cells = {status: self._row + _STATUS + i for i, status in enumerate(STATUSES)}

    def count(self, status: int, seconds: float) -> None:
        """One request for an invocation, answered with that status after so many seconds."""
        cells = self._cells
        cells[self._status_cells.get(status, self._status_cells[500])] += 1
        cells[self._row + _BUCKET + bisect_left(_BOUNDS, seconds)] += 1
        cells[self._row + _SECONDS] += seconds

    def note(self, batches: int, waiting: int) -> None:
        """Calls of the model since the worker's start, and requests without an answer now."""
        self._cells[self._row + _BATCHES] = self._batches_before + batches
        self._cells[self._row + _WAITING] = waiting

    def text(self) -> str:
        """All workers' counts in Prometheus's text format."""
        total = [sum(self._cells[cell::_ROW].tolist()) for cell in range(_ROW)]
        lines = ["# HELP glaunch_invocations_total Invocations by the status of their answer."]
        lines += ["# TYPE glaunch_invocations_total counter"]
        lines += [
            f'glaunch_invocations_total{{status="{status}"}} {total[_STATUS + i]:.0f}'
            for i, status in enumerate(STATUSES)
        ]
        lines += ["# HELP glaunch_invocation_seconds Time from a request's headers to its answer."]
        lines += ["# TYPE glaunch_invocation_seconds histogram"]
        below = 0.0
        for bound, count in zip((*_BOUNDS, "+Inf"), total[_BUCKET:_SECONDS]):
            below += count
            lines.append(f'glaunch_invocation_seconds_bucket{{le="{bound}"}} {below:.0f}')
        lines.append(f"glaunch_invocation_seconds_sum {total[_SECONDS]:.6f}")
        lines.append(f"glaunch_invocation_seconds_count {below:.0f}")
        for name, kind, cell, meaning in (
            ("glaunch_model_calls_total", "counter", _BATCHES, "Calls of the model; one may answer several requests."),
            ("glaunch_requests_waiting", "gauge", _WAITING, "Requests that have no answer yet."),
            ("glaunch_worker_starts_total", "counter", _STARTS, "Workers started, those that replaced one included."),
        ):
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {total[cell]:.0f}"]
        return "\n".join(lines) + "\n"
