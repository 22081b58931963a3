"""A search as a person and a script see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from launcher import tables
from launcher.run import COMPLETED, FAILED, IN_PROGRESS
from launcher.tuning.study import Study, Trial

_STYLES = {COMPLETED: "", FAILED: "red", IN_PROGRESS: "cyan"}


def as_object(study: Study) -> dict[str, Any]:
    """Everything a script may want to know about a search."""
    best = study.best
    return {
        "name": study.name,
        "state": study.state,
        "reason": study.reason,
        "created": study.created,
        "ended": study.ended,
        "search": study.search.as_content(),
        "on": "aws" if study.is_remote else "local",
        "best": best and vars(best),
        "trials": [vars(trial) for trial in study.trials],
        "chart": str(study.chart) if study.chart.exists() else None,
        "folder": str(study.folder),
    }


def print_study(study: Study, console: Console) -> None:
    """A line a trial, the best first, and how to go on with that."""
    search, best = study.search, study.best
    table = Table(box=None, pad_edge=False, header_style="bold")
    titles = ("trial", search.objective, *search.space, "took", "state", "run")
    for title in titles:
        table.add_column(Text(title), no_wrap=title == "run", justify="left" if title in ("state", "run") else "right")
    for trial in _ordered(study):
        state = trial.state + (f": {trial.reason}" if trial.reason else "")
        table.add_row(
            f"{trial.number}",
            _number(trial.objective),
            *(Text(_value(trial.values.get(name, ""))) for name in search.space),
            tables.duration(trial.seconds),
            Text(state, style=_STYLES.get(trial.state, "yellow")),
            trial.run,
            style="bold green" if trial is best else "",
        )
    console.print(table, highlight=False)
    print_summary(study, console)


def print_summary(study: Study, console: Console) -> None:
    """What came out: how many trials, the best of them, and the commands to go on with it."""
    done = sum(trial.state == COMPLETED and trial.objective is not None for trial in study.trials)
    failed = sum(trial.state == FAILED for trial in study.trials)
    counts = f"{done} of {study.search.jobs} trials completed" + (f", {failed} failed" if failed else "")
    reason = f": {study.reason}" if study.reason else ""
    console.out(f"\n{study.state} {study.name}{reason}; {counts}", highlight=False)
    best = study.best
    if best is None:
        if study.trials:
            console.out(f"glaunch explain {study.trials[0].run}", style="dim", highlight=False)
        return
    console.out(
        f"best: trial {best.number}, {study.search.objective} {_number(best.objective)} with {values(best.values)}",
        style="green",
        highlight=False,
    )
    if study.chart.exists():
        console.out(f"chart {tables.from_home(study.chart)}", highlight=False)
    if study.is_remote:
        profile = f" --profile {study.profile}" if study.profile != "default" else ""
        console.out(f"glaunch fetch {best.run}{profile}", style="dim", highlight=False)
    console.out(f"glaunch deploy {best.run}", style="dim", highlight=False)


def print_studies(studies: Sequence[Study], console: Console) -> None:
    """A line a search."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("tuning", "state", "looks for", "trials", "best", "where"):
        table.add_column(title, no_wrap=title == "tuning", justify="right" if title in ("trials", "best") else "left")
    for study in studies:
        best = study.best
        over = sum(trial.state != IN_PROGRESS for trial in study.trials)
        table.add_row(
            study.name,
            study.state,
            study.search.goal,
            f"{over}/{study.search.jobs}",
            _number(best.objective) if best else "",
            f"SageMaker, {study.region}" if study.is_remote else "here",
        )
    console.print(table, highlight=False)


def trial_line(study: Study, trial: Trial) -> str:
    """`trial  3/12  0.9731  learning_rate=0.0132 batch_size=64  4.2 s` when a trial has ended."""
    width = len(str(study.search.jobs))
    outcome = _number(trial.objective) if trial.objective is not None else trial.state
    best = "  best so far" if study.best is not None and study.best.number == trial.number else ""
    reason = f"  {trial.reason}" if trial.reason else ""
    return (
        f"trial {trial.number:>{width}}/{study.search.jobs}  {outcome}  {values(trial.values)}  "
        f"{tables.duration(trial.seconds)}{best}{reason}"
    )


def values(found: Mapping[str, Any]) -> str:
    """`learning_rate=0.0132 batch_size=64 optimizer=adam`."""
    return " ".join(f"{name}={_value(value)}" for name, value in found.items())


def _ordered(study: Study) -> list[Trial]:
    sign = 1 if study.search.minimize else -1

    def key(trial: Trial) -> tuple[bool, float, int]:
        counts = trial.state == COMPLETED and trial.objective is not None
        return not counts, sign * (trial.objective or 0.0) if counts else 0.0, trial.number

    return sorted(study.trials, key=key)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 or not value else f"{value:.4g}"
