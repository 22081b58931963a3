"""The report of several runs side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from launcher import tables
from launcher.report import classes, confusion, curves, detections, examination, figures, identity, plots
from launcher.report.confusion import Confusion
from launcher.report.curves import Curves
from launcher.report.detections import Detections
from launcher.report.drawing import Figure
from launcher.report.examination import Examination
from launcher.report.figures import Series
from launcher.report.page import Document
from launcher.run import Run

_RATE = "learning rate"
_TIME = re.compile(r"-\d{4}(-\d\d){5}-\d{3}$")
_TWINS = ("training", "validation")


class Compared(NamedTuple):
    """A run with what is compared of it.

    Attributes:
        label: tells it from the others in as few letters as may be.
        scored, detected: what its model comes to, if that is a classifier, or a detector.
    """

    run: Run
    label: str
    curves: Curves
    found: Examination
    scored: Confusion | None
    detected: Detections | None


def make(runs: Sequence[Run]) -> Document:
    """Runs compared: what differs in their jobs, what they came to, and their curves in the same charts."""
    labels = _labels([run.name for run in runs])
    measured = [curves.read(run) for run in runs]
    found = examination.examine_all(list(zip(runs, measured)))
    compared = [_compared(*one) for one in zip(runs, labels, measured, found)]
    charts, differing = _curves(compared), differences(runs, found)
    distortions = _distortions(compared)
    content = {
        "title": " and ".join(labels) if len(labels) == 2 else f"{len(labels)} runs",
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        "runs": compared,
        "run_names": [(one.label, one.run.name) for one in compared],
        "problems": [f"{one.label}: {problem}" for one in compared for problem in one.found.problems],
        "differences": differing,
        "results": _results(compared),
        "curves": [figure.name for figure in charts],
        "classes": classes.compare([one.scored for one in compared], [one.detected for one in compared]),
        "distortions": [figure.name for figure in distortions],
    }
    summary = {"runs": [run.name for run in runs], "differences": dict(differing)}
    return Document("comparison.html", content, charts + distortions, summary)


def _compared(run: Run, label: str, measured: Curves, found: Examination) -> Compared:
    scored = confusion.measure(found) if "classifier" in found.content else None
    detected = detections.measure(found) if "detector" in found.content else None
    return Compared(run, label, measured, found, scored, detected)


def differences(runs: Sequence[Run], found: Sequence[Examination]) -> list[tuple[str, list[str]]]:
    """What differs in the jobs of runs: each a name and the value of each run, "" where it has none."""
    jobs = []
    for run, examined in zip(runs, found):
        job = run.job_content
        rows = {"entry point": examination.script(run) or str(job["entry_point"]), "hosts": str(len(run.hosts))}
        # Of our own entry points all values are known: what one was given may be the other's default.
        rows |= identity.as_json(examined.content.get("values", identity.given(run)))
        rows |= {f"channel {name}": source for name, source in examination.sources(run).items()}
        jobs.append(rows)
    names = dict.fromkeys(name for rows in jobs for name in rows)
    values = [(name, [rows.get(name, "") for rows in jobs]) for name in names]
    return [(name, row) for name, row in values if len(set(row)) > 1]


def _results(compared: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """The rows of the table of results: each a name and the text of each run."""
    names = dict.fromkeys(name for one in compared for name in one.curves.lines)
    rows: list[tuple[str, list[Any]]] = [
        ("state", [one.run.status.state for one in compared]),
        ("took", [tables.duration(one.run.status.seconds) for one in compared]),
        ("epochs done", [one.curves.epochs for one in compared]),
        ("parameters", [_parameters(one.found) for one in compared]),
    ]
    for name in names:
        lines = [one.curves.lines.get(name) for one in compared]
        rows.append((f"{name}, last", [None if line is None else line.last for line in lines]))
    rows.append(("accuracy of the saved model", [one.scored and one.scored.accuracy for one in compared]))
    rows.append(("mAP of the saved model", [one.detected and one.detected.map for one in compared]))
    return [(name, row) for name, row in rows if any(value not in (None, "") for value in row)]


def _parameters(found: Examination) -> int | None:
    layers = found.content.get("layers")
    return None if layers is None else sum(layer["parameters"] for layer in layers)


def _curves(compared: Sequence[Compared]) -> list[Figure]:
    """A chart of each measure: a colour for each run, solid for training and dashed for validation."""
    charts: dict[str, list[Series]] = {}
    twins = {line.name for one in compared for line in one.curves.lines.values()}
    for number, one in enumerate(compared):
        for chart in one.curves.charts():
            for line in map(curves.finite, chart.lines):
                is_validation = line.name == f"validation:{chart.measure}"
                has_twin = {f"train:{chart.measure}", f"validation:{chart.measure}"} <= twins
                twin = f", {_TWINS[is_validation]}" if has_twin else ""
                charts.setdefault(chart.measure, []).append(
                    Series(f"{one.label}{twin}", line.epochs, line.values, number, int(is_validation))
                )
    for number, one in enumerate(compared):
        if rates := one.found.content.get("rates"):
            charts.setdefault(_RATE, []).append(Series(one.label, rates["epochs"], rates["rates"], number, number))
    return [
        _chart(plots.file_name(measure, i), curves.title(measure), series, plots.EPOCHS, measure in plots.PERCENT)
        for i, (measure, series) in enumerate(charts.items())
        if any(len(one.x) for one in series)
    ]


def _distortions(compared: Sequence[Compared]) -> list[Figure]:
    charts: dict[str, list[Series]] = {}
    for number, one in enumerate(compared):
        distorted = one.found.content.get("classifier", {}).get("distorted", {})
        for kind in ("shift", "rotation"):
            if kind in distorted:
                x, y = zip(*distorted[kind])
                charts.setdefault(kind, []).append(Series(one.label, x, y, number, number))
    titles = {"shift": ("Shifted pictures", "pixels"), "rotation": ("Rotated pictures", "degrees")}
    return [_chart(kind, titles[kind][0], series, titles[kind][1], True) for kind, series in charts.items()]


def _chart(name: str, title: str, series: list[Series], x_label: str, percent: bool) -> Figure:
    ends = "; ".join(f"{one.label}: {one.y[0]:.4g} to {one.y[-1]:.4g}" for one in series if len(one.y))
    title = title[:1].upper() + title[1:]
    return figures.lines(name, title, f"{title} of the runs. {ends}.", series, x_label, percent=percent)


def _labels(names: Sequence[str]) -> list[str]:
    """The names without the time at their end, with a number where they do not differ otherwise."""
    short = [_TIME.sub("", name) for name in names]
    if len(set(short)) == len(short):
        return short
    return [f"{name} ({number})" for number, name in enumerate(short, 1)]
