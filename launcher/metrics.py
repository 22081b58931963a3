"""The metrics in a job's log: one table, for the progress bar, metrics.jsonl, the plots and SageMaker."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Union

_NUMBER = r"([+-]?(?:[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|nan|inf))"

# Name and regular expression with one group, the value: the form of SageMaker's MetricDefinitions. Our own scripts
# print `[Epoch 3] Validation: accuracy=0.97`; MXNet's Module prints `Epoch[3] Validation-accuracy=0.97`.
DEFINITIONS = {
    "train:accuracy": rf"(?:\[Epoch \d+\] Training: |Epoch\[\d+\] Train-)accuracy={_NUMBER}",
    "train:loss": rf"(?:\[Epoch \d+\] Training: |Epoch\[\d+\] Train-)(?:loss|cross-entropy)={_NUMBER}",
    "validation:accuracy": rf"(?:\[Epoch \d+\] Validation: |Epoch\[\d+\] Validation-)accuracy={_NUMBER}",
    "validation:loss": rf"(?:\[Epoch \d+\] Validation: |Epoch\[\d+\] Validation-)(?:loss|cross-entropy)={_NUMBER}",
    "validation:map": rf"\[Epoch \d+\] Validation: map={_NUMBER}",
    "train:rmse": rf"\[Epoch \d+\] Training: rmse={_NUMBER}",
    "validation:rmse": rf"\[Epoch \d+\] Validation: rmse={_NUMBER}",
    "validation:ndcg": rf"\[Epoch \d+\] Validation: ndcg={_NUMBER}",
    "validation:recall": rf"\[Epoch \d+\] Validation: recall={_NUMBER}",
    "train:samples_per_second": rf"\[Epoch \d+\] Speed: {_NUMBER} samples/s",
}
# What a run is told by in a word: the first of these that it has.
_HEADLINES = {
    "validation:accuracy": "accuracy",
    "validation:rmse": "RMSE",
    "validation:ndcg": "NDCG",
    "validation:map": "mAP",
}
_COMPILED = {name: re.compile(expression) for name, expression in DEFINITIONS.items()}
_EPOCH = re.compile(r"\[Epoch (\d+)\]|Epoch\[(\d+)\]")
_PROGRESS = re.compile(rf"\[Epoch (\d+) Batch (\d+)\] Training: (\w+)={_NUMBER}, {_NUMBER} samples/s")
_PLAN = re.compile(r"Training on (\d+) samples: (\d+) epochs of (\d+) batches")

_SHARD = re.compile(r"Shard: (\d+) of \d+ samples")
_DIGEST = re.compile(r"Parameters: digest ([0-9a-f]+)")
_CHECKPOINT = re.compile(r"\[Epoch (\d+)\] Checkpoint: ")


class Metric(NamedTuple):
    """One measurement: `name` is a key of DEFINITIONS or of the job's own, `epoch` counts from 0."""

    name: str
    epoch: int
    value: float


class Progress(NamedTuple):
    """Where an epoch is: `batch` batches of `epoch` are done; `value` is that of `measure` over the epoch so far."""

    epoch: int
    batch: int
    measure: str
    value: float
    samples_per_second: float


class Plan(NamedTuple):
    """What a script is about to do."""

    samples: int
    epochs: int
    batches: int


class Shard(NamedTuple):
    """A host's part of the training samples."""

    samples: int


class Digest(NamedTuple):
    """A fingerprint of a host's parameters at the end of training, in hexadecimal."""

    digest: str


class Checkpoint(NamedTuple):
    """An epoch, from 0, after which the training can go on."""

    epoch: int


Found = Union[Metric, Progress, Plan, Shard, Digest, Checkpoint]


def headline(values: Mapping[str, float]) -> tuple[str, float] | None:
    """What the validation of a run came to, by a short name; None where there is nothing of the kind.

    Args:
        values: by the names of DEFINITIONS.
    """
    return next(((title, values[name]) for name, title in _HEADLINES.items() if name in values), None)


def parse(line: str) -> Found | None:
    """What one line of a log says, or None."""
    if match := _SHARD.match(line):
        return Shard(int(match[1]))
    if match := _DIGEST.match(line):
        return Digest(match[1])
    return _parse_epoch(line) if "poch" in line else None  # most lines of a talkative script have none


class OwnDefinitions:
    """The metrics that one job defines beside DEFINITIONS.

    Where a line does not say its epoch, as `[Epoch 3]` does, the measurements of each name on a host are counted.

    Args:
        definitions: regular expressions with one group, the value, by name.
        seen: how many were counted before, by host and name.
    """

    def __init__(self, definitions: Mapping[str, str], seen: Mapping[tuple[str, str], int] | None = None) -> None:
        own = {name: text for name, text in definitions.items() if DEFINITIONS.get(name) != text}
        self._expressions = {name: re.compile(text) for name, text in own.items()}
        self._seen: Counter[tuple[str, str]] = Counter(seen)

    def parse(self, host: str, line: str) -> list[Metric]:
        """What one line of a host's log says; a value that is no number is none."""
        found = []
        for name, expression in self._expressions.items():
            match = expression.search(line)
            if not match:
                continue
            try:
                value = float(match[1])
            except (TypeError, ValueError):
                continue
            epoch = _EPOCH.search(line)
            number = int(epoch[1] or epoch[2]) if epoch else self._seen[host, name]
            self._seen[host, name] += 1
            found.append(Metric(name, number, value))
        return found


def _parse_epoch(line: str) -> Found | None:
    if match := _PROGRESS.search(line):
        return Progress(int(match[1]), int(match[2]), match[3], float(match[4]), float(match[5]))
    if match := _PLAN.search(line):
        return Plan(int(match[1]), int(match[2]), int(match[3]))
    if match := _CHECKPOINT.match(line):
        return Checkpoint(int(match[1]))
    epoch = _EPOCH.search(line)
    if epoch is None:
        return None
    for name, expression in _COMPILED.items():
        if match := expression.search(line):
            return Metric(name, int(epoch[1] or epoch[2]), float(match[1]))
    return None
