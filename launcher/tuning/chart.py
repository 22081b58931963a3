"""A search as a picture: the objective trial by trial, and against each hyperparameter."""

from __future__ import annotations

import io
import json
from typing import Any

from launcher import files
from launcher.errors import JobFailed
from launcher.run import COMPLETED
from launcher.tuning.space import Choice
from launcher.tuning.study import Study, Trial

_COLUMNS = 3
_WIDTH, _HEIGHT = 4.2, 3.2  # inches of a panel
_DOT, _BEST, _LINE = "#4477aa", "#ee6677", "#999999"


def draw(study: Study) -> bool:
    """Writes `study.chart`; whether there was something to draw and something to draw with (matplotlib).

    Raises:
        JobFailed: the file cannot be written.
    """
    trials = [one for one in study.trials if one.state == COMPLETED and one.objective is not None]
    if not trials:
        return False
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    panels = 1 + len(study.search.space)
    columns = 2 if panels in (2, 4) else _COLUMNS
    rows = -(-panels // columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    _draw_progress(axes[0], study, trials)
    for axis, name in zip(axes[1:], study.search.space):
        _draw_parameter(axis, study, trials, name)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    for axis in axes[panels:]:
        axis.set_axis_off()
    figure.suptitle(f"{study.name}: the {study.search.goal} in {len(trials)} trials", fontsize=11)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    try:
        files.write_atomic(study.chart, picture.getvalue())
    except OSError as error:
        raise JobFailed(f"cannot write {study.chart}: {error.strerror or error}") from None
    return True


def _draw_progress(axis: Any, study: Study, trials: list[Trial]) -> None:
    best: float | None = None
    line = []
    for trial in trials:
        assert trial.objective is not None
        best = trial.objective if study.search.is_better(trial.objective, best) else best
        line.append(best)
    numbers = [trial.number for trial in trials]
    axis.step(numbers, line, where="post", color=_LINE, linewidth=1.5, label="best so far", zorder=1)
    _dots(axis, study, trials, numbers)
    axis.set_xlabel("trial")
    axis.set_ylabel(study.search.objective)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False, fontsize=8, loc="best")


def _draw_parameter(axis: Any, study: Study, trials: list[Trial], name: str) -> None:
    span = study.search.space[name]
    found = [trial.values[name] for trial in trials]
    if isinstance(span, Choice):
        axis.set_xticks(range(len(span.values)), [_label(value) for value in span.values])
        axis.set_xlim(-0.5, len(span.values) - 0.5)
        found = [span.values.index(value) for value in found]
    elif span.log:
        axis.set_xscale("log")
    _dots(axis, study, trials, found)
    axis.set_xlabel(name)


def _dots(axis: Any, study: Study, trials: list[Trial], places: list[Any]) -> None:
    """A dot a trial; the best one stands out."""
    heights = [trial.objective for trial in trials]
    axis.scatter(places, heights, color=_DOT, s=26, alpha=0.8, zorder=2)
    best = study.best
    if best is not None:
        at = [trial.number for trial in trials].index(best.number)
        axis.scatter([places[at]], [heights[at]], color=_BEST, s=60, zorder=3)


def _label(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 14 else text[:13] + "…"
