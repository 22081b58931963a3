"""What a run measured while it trained: the values of each metric, epoch by epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from launcher import metrics
from launcher.run import Run

SPEED = "train:samples_per_second"
_PARTS = ("train", "validation")
TITLES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "rmse": "RMSE",
    "ndcg": "NDCG",
    "recall": "Recall",
    "map": "Mean average precision",
    SPEED: "Samples a second",
}


class Line(NamedTuple):
    """One metric: `values` after so many `epochs` as are done, from 1 on."""

    name: str
    epochs: list[int]
    values: list[float]

    @property
    def last(self) -> float:
        return self.values[-1]


class Chart(NamedTuple):
    """The lines that are drawn into one chart: those of one measure, such as `loss`, or one metric alone."""

    measure: str
    title: str
    lines: list[Line]


@dataclass(frozen=True)
class Curves:
    """The measurements of a run.

    Attributes:
        lines: by the metric's name, in the order of their first appearance.
        plan: what the script said it was about to do; None where it did not.
    """

    lines: Mapping[str, Line]
    plan: metrics.Plan | None

    @property
    def epochs(self) -> int:
        """How many are done."""
        return max((line.epochs[-1] for line in self.lines.values()), default=0)

    def charts(self) -> list[Chart]:
        """The measures that are known first, then the job's own metrics."""
        groups: dict[str, list[Line]] = {}
        for line in self.lines.values():
            groups.setdefault(_measure(line.name), []).append(line)
        known = [measure for measure in TITLES if measure in groups]
        order = known + [measure for measure in groups if measure not in TITLES]
        return [Chart(measure, title(measure), groups[measure]) for measure in order]

    def table(self) -> list[tuple[int, list[float | None]]]:
        """Of each epoch its number and the value of each line, None where it has none."""
        columns = [dict(zip(line.epochs, line.values)) for line in self.lines.values()]
        epochs = sorted(set().union(*columns)) if columns else []
        return [(epoch, [column.get(epoch) for column in columns]) for epoch in epochs]


def title(measure: str) -> str:
    """What a measure, or a metric of the job's own, is called on the page."""
    return TITLES.get(measure, measure)


def read(run: Run) -> Curves:
    """What the run has measured so far. A line of its record that is damaged is passed over.

    Where an epoch was measured twice, as after a restart, the last one counts; where several hosts measured, the
    first one.
    """
    found: dict[str, dict[int, float]] = {}
    hosts: dict[str, str] = {}
    for line in _text(run).splitlines():
        try:
            one = json.loads(line)
            name, host = str(one["name"]), str(one["host"])
            epoch, value = int(one["epoch"]), float(one["value"])
        except (ValueError, KeyError, TypeError):
            continue
        if hosts.setdefault(name, host) == host:
            found.setdefault(name, {})[epoch + 1] = value
    lines = {name: Line(name, sorted(values), [values[e] for e in sorted(values)]) for name, values in found.items()}
    return Curves(lines, _plan(run))


def finite(line: Line) -> Line:
    """The line without what cannot be drawn."""
    points = [(epoch, value) for epoch, value in zip(line.epochs, line.values) if math.isfinite(value)]
    return Line(line.name, [epoch for epoch, _ in points], [value for _, value in points])


def _measure(name: str) -> str:
    part, _, measure = name.partition(":")
    return measure if part in _PARTS and measure in TITLES else name


def _text(run: Run) -> str:
    try:
        return run.metrics.read_text("utf-8", "replace")
    except OSError:
        return ""


def _plan(run: Run) -> metrics.Plan | None:
    try:
        with run.log(run.hosts[0]).open(encoding="utf-8", errors="replace") as log:
            plans = (metrics.parse(line) for line in log if line.startswith("Training on "))
            return next((plan for plan in plans if isinstance(plan, metrics.Plan)), None)
    except OSError:
        return None
