"""What an epoch comes to, as it is printed and as it is remembered."""

import time
from typing import Any, Mapping, NamedTuple, Optional

import numpy as np

from gluon_job.cluster import Cluster
from gluon_job.errors import InputError
from gluon_job.replicas import Outcome

_SECONDS_BETWEEN_LINES = 2.0  # at most, where there are progress lines at all
_SECONDS_OF_A_GROUP = 0.5
_BATCHES_OF_A_GROUP = 16
_SMALLEST = 1e-30  # probability, so that its logarithm is finite


class Epoch(NamedTuple):
    """Metrics by name, training samples a second; the higher the score, the better, None without validation data.

    A classifier's metrics are `accuracy`, from 0 to 1, and `loss`, the mean cross-entropy.
    """

    epoch: int
    training: Mapping[str, float]
    validation: Mapping[str, float]
    samples_per_second: float
    score: Optional[float]

    def report(self) -> None:
        """Prints the lines of a finished epoch."""
        for part, metrics in (("Training", self.training), ("Validation", self.validation)):
            for name, value in metrics.items():
                print(f"[Epoch {self.epoch}] {part}: {name}={value:.6f}")
        print(f"[Epoch {self.epoch}] Speed: {self.samples_per_second:.1f} samples/s", flush=True)


class Accuracy:
    """Counts what a classifier gets right in an epoch.

    Attributes:
        samples: counted so far.
        loss: the sum of their cross-entropy.
    """

    def __init__(self) -> None:
        self.samples = self._correct = 0
        self.loss = 0.0

    def add(self, outcome: Outcome) -> None:
        """Waits for a group of batches and counts it."""
        for probabilities, labels in outcome:
            found, used = probabilities.asnumpy(), labels >= 0
            picked = found[np.arange(len(labels)), labels][used]
            self.samples += len(picked)
            self._correct += int((found.argmax(axis=1) == labels).sum())
            self.loss -= float(np.log(np.maximum(picked, _SMALLEST, dtype=np.float64)).sum())

    def text(self) -> str:
        """For a line of progress."""
        return f"accuracy={self._correct / self.samples:.6f}"

    def epoch(self, number: int, cluster: Cluster, validation: Mapping[str, float], seconds: float) -> Epoch:
        """What the epoch came to on all hosts together, with the validation's metrics."""
        samples, correct, loss = cluster.sum("epoch", [self.samples, self._correct, self.loss])
        training = {"accuracy": correct / samples, "loss": loss / samples}
        return Epoch(number, training, validation, samples / seconds, validation.get("accuracy"))


class Progress:
    """Counts the samples of an epoch, group of batches by group; the first host prints a line now and then."""

    def __init__(self, epoch: int, values: Mapping[str, Any], cluster: Cluster, meter: Any):
        self._epoch, self._values, self._cluster, self._meter = epoch, values, cluster, meter
        self._started = self._counted = self._printed = time.perf_counter()
        self._batches = 0
        self._group = 1

    def group_end(self, begin: int, batches: int) -> int:
        """Where the group of batches that starts with `begin` ends: half a second's work at most, and at a batch
        that has a progress line unless those are closer than a group.
        """
        interval = self._values["log_interval"]
        end = min(begin + self._group, batches)
        return min(end, begin + interval - begin % interval) if interval >= _BATCHES_OF_A_GROUP else end

    def count(self, end: int, outcome: Outcome) -> None:
        """Waits for a group of batches, the last of which is `end` - 1, and counts it.

        Raises:
            InputError: the loss is not finite.
        """
        self._meter.add(outcome)
        if not np.isfinite(self._meter.loss):
            raise InputError(
                f"the loss is not finite after epoch {self._epoch}, batch {end}, with learning_rate "
                f"{self._values['learning_rate']:g}: try a smaller learning_rate"
            )
        now = time.perf_counter()
        seconds = (now - self._counted) / (end - self._batches)
        self._group = max(1, min(_BATCHES_OF_A_GROUP, int(_SECONDS_OF_A_GROUP / seconds)))
        self._print_line(end, now)
        self._counted, self._batches = now, end

    def finish(self, validation: Mapping[str, float]) -> Epoch:
        """What the epoch came to on all hosts together; its speed is that up to the last group counted."""
        return self._meter.epoch(self._epoch, self._cluster, validation, self._counted - self._started)

    def _print_line(self, end: int, now: float) -> None:
        interval = self._values["log_interval"]
        if not interval or not self._cluster.is_first:
            return
        if end // interval > self._batches // interval or now - self._printed > _SECONDS_BETWEEN_LINES:
            self._printed = now
            print(
                f"[Epoch {self._epoch} Batch {end}] Training: {self._meter.text()}, "
                f"{self._meter.samples / (now - self._started):.1f} samples/s",
                flush=True,
            )
