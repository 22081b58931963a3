"""What of a training would have to be done again if its job ended now."""

from __future__ import annotations

import time

from launcher import metrics


class Loss:
    """Follows the lines of a job through all its attempts; `note` is called from several threads.

    Training counts as kept from the line on that tells of a checkpoint.
    """

    def __init__(self) -> None:
        self._kept = -1  # the last epoch in a checkpoint, from 0
        self._reached = (0, 0)
        self.attempt_begins()

    def attempt_begins(self) -> None:
        self._since = time.monotonic()

    def note(self, found: object) -> None:
        """A line's meaning, as `metrics.parse` gives it."""
        if isinstance(found, metrics.Checkpoint):
            self._kept, self._since, self._reached = found.epoch, time.monotonic(), (found.epoch + 1, 0)
        elif isinstance(found, metrics.Progress):
            self._reached = (found.epoch, found.batch)
        elif isinstance(found, metrics.Metric):
            self._reached = (found.epoch + 1, 0)

    def describe(self) -> str:
        """Where the next attempt begins, and what is lost. Epochs are counted from 1, as on the terminal."""
        seconds = f"{time.monotonic() - self._since:.1f} s are lost"
        epoch, batch = self._reached
        reached = f"epoch {epoch + 1}" + (f", batch {batch}" if batch else "") if self._reached != (0, 0) else ""
        if self._kept < 0:
            return f"again from the beginning; {seconds}" + (f", {reached} had been reached" if reached else "")
        if self._reached == (self._kept + 1, 0):
            return f"on after epoch {self._kept + 1}; {seconds}"
        return f"on after epoch {self._kept + 1}; {seconds}, {reached} had been reached"
