"""The metrics in a job's log: one table, for the progress bar, metrics.jsonl, the plots and SageMaker."""

from __future__ import annotations

import re
from typing import NamedTuple, Union

_NUMBER = r"([+-]?(?:[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|nan|inf))"

# Name and regular expression with one group, the value: the form of SageMaker's MetricDefinitions. Our own scripts
# print `[Epoch 3] Validation: accuracy=0.97`; MXNet's Module prints `Epoch[3] Validation-accuracy=0.97`.
DEFINITIONS = {
    "train:accuracy": rf"(?:\[Epoch \d+\] Training: |Epoch\[\d+\] Train-)accuracy={_NUMBER}",
    "train:loss": rf"(?:\[Epoch \d+\] Training: |Epoch\[\d+\] Train-)(?:loss|cross-entropy)={_NUMBER}",
    "validation:accuracy": rf"(?:\[Epoch \d+\] Validation: |Epoch\[\d+\] Validation-)accuracy={_NUMBER}",
    "validation:loss": rf"(?:\[Epoch \d+\] Validation: |Epoch\[\d+\] Validation-)(?:loss|cross-entropy)={_NUMBER}",
    "train:samples_per_second": rf"\[Epoch \d+\] Speed: {_NUMBER} samples/s",
}
_COMPILED = {name: re.compile(expression) for name, expression in DEFINITIONS.items()}
_EPOCH = re.compile(r"\[Epoch (\d+)\]|Epoch\[(\d+)\]")
_PROGRESS = re.compile(rf"\[Epoch (\d+) Batch (\d+)\] Training: accuracy={_NUMBER}, {_NUMBER} samples/s")
_PLAN = re.compile(r"Training on (\d+) samples: (\d+) epochs of (\d+) batches")

_SHARD = re.compile(r"Shard: (\d+) of \d+ samples")
_DIGEST = re.compile(r"Parameters: digest ([0-9a-f]+)")
_CHECKPOINT = re.compile(r"\[Epoch (\d+)\] Checkpoint: ")


class Metric(NamedTuple):
    """One measurement: `name` is a key of DEFINITIONS, `epoch` counts from 0."""

    name: str
    epoch: int
    value: float


class Progress(NamedTuple):
    """Where an epoch is: `batch` batches of `epoch` are done; `accuracy` is of the epoch so far."""

    epoch: int
    batch: int
    accuracy: float
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


def parse(line: str) -> Found | None:
    """What one line of a log says, or None."""
    if match := _SHARD.match(line):
        return Shard(int(match[1]))
    if match := _DIGEST.match(line):
        return Digest(match[1])
    return _parse_epoch(line) if "poch" in line else None  # most lines of a talkative script have none


def _parse_epoch(line: str) -> Found | None:
    if match := _PROGRESS.search(line):
        return Progress(int(match[1]), int(match[2]), float(match[3]), float(match[4]))
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
