"""How well several models know each class, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from launcher.report.confusion import Confusion
from launcher.report.detections import Detections

_DIGITS = 3  # of a share that are shown, and compared: 0.1 %


class Row(NamedTuple):
    """A class: its name, and the share of each run from 0 to 1, None where it has none."""

    name: str
    shares: list[float | None]

    @property
    def best(self) -> list[bool]:
        """Of each run whether none is better, and some is worse."""
        rounded = [None if share is None else round(share, _DIGITS) for share in self.shares]
        known = {share for share in rounded if share is not None}
        return [len(known) > 1 and share == max(known) for share in rounded]


class Table(NamedTuple):
    """What is compared, which of the runs have it, by their places, and a row of each class that any of them has."""

    title: str
    runs: list[int]
    rows: list[Row]


def compare(scored: Sequence[Confusion | None], detected: Sequence[Detections | None]) -> list[Table]:
    """F1 of the classes of classifiers, and average precision of those of detectors, where there are two or more.

    Args:
        scored, detected: of each run; None of one that is no classifier, or no detector.
    """
    kinds = {
        "F1": [None if one is None else {score.name: score.f1 for score in one.scores} for one in scored],
        "Average precision": [
            None if one is None else {score.name: score.average_precision for score in one.scores} for one in detected
        ],
    }
    tables = []
    for title, shares in kinds.items():
        known = [(run, one) for run, one in enumerate(shares) if one is not None]
        if len(known) > 1:
            tables.append(Table(title, [run for run, _ in known], _rows([one for _, one in known])))
    return tables


def _rows(shares: Sequence[Mapping[str, float | None]]) -> list[Row]:
    names = dict.fromkeys(name for one in shares for name in one)
    return [Row(name, [one.get(name) for one in shares]) for name in names]
