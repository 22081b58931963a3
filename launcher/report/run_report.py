"""The report of one run."""

from __future__ import annotations

import time
from typing import Any

from launcher import diagnose, metrics
from launcher.report import confusion, curves, detections, examination, identity, pictures, plots, scenes
from launcher.report.drawing import Figure
from launcher.report.page import Document
from launcher.run import Run


def make(run: Run, cause: diagnose.Cause | None = None) -> Document:
    """The report of a run, of what there is of it.

    Args:
        run: in whichever state.
        cause: why it failed, if it did.
    """
    measured = curves.read(run)
    [found] = examination.examine_all([(run, measured)])
    content = found.content
    scored = confusion.measure(found) if "classifier" in content else None
    detected = detections.measure(found) if "detector" in content else None
    # Of a run that did not measure it while training, that of the saved model is known now.
    figures = plots.of_curves(measured, {"loss": scored.loss} if scored else {})
    if "rates" in content:
        figures.append(plots.of_rates(content["rates"]))
    curve_names = [figure.name for figure in figures]
    shown: dict[str, Any] = {"classifier": None, "detector": None, "recommender": content.get("recommender")}
    if scored:
        shown["classifier"] = _classifier(found, scored)
        figures += _classifier_figures(shown["classifier"])
    elif detected:
        shown["detector"] = _detector(found, detected)
        figures += plots.of_detections(detected)
        for name, title in (("mistakes", "Mistakes"), ("samples", "Samples")):
            figures += plots.of_scenes(name, title, shown["detector"][name])
    elif shown["recommender"]:
        figures += plots.of_ratings(shown["recommender"])
    return Document(
        "run.html",
        {**_frame(run, cause, measured, found), "curves": curve_names, **shown},
        figures,
        {
            "run": run.name,
            "state": run.status.state,
            "problems": list(found.problems),
            **_results(found, scored, detected),
        },
    )


def _frame(
    run: Run, cause: diagnose.Cause | None, measured: curves.Curves, found: examination.Examination
) -> dict[str, Any]:
    """What every report has, whatever the model."""
    status, layers = run.status, found.content.get("layers", [])
    given, values = identity.given(run), found.content.get("values", {})
    return {
        "title": run.name,
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        "state": status.state,
        "reason": status.reason,
        "cause": cause,
        "headline": metrics.headline(status.metrics),
        "problems": found.problems,
        "lines": list(measured.lines.values()),
        "table": measured.table(),
        "layers": layers,
        "parameters": sum(layer["parameters"] for layer in layers),
        "statistics": sum(layer["statistics"] for layer in layers),
        "job": identity.job_rows(run),
        "hyperparameters": identity.as_json(given),
        "defaults": identity.as_json({name: value for name, value in values.items() if name not in given}),
        "data": identity.data(run),
        "environment": identity.environment(run),
        "is_remote": run.is_remote,
    }


def _classifier(found: examination.Examination, scored: confusion.Confusion) -> dict[str, Any]:
    content = found.content["classifier"]
    return {
        "confusion": scored,
        "pairs": scored.pairs(),
        "most": int(scored.matrix.max()),
        "available": content["available"],
        "distorted": content["distorted"],
        "mistakes": pictures.mistakes(found),
        "samples": pictures.samples(found),
    }


def _classifier_figures(shown: dict[str, Any]) -> list[Figure]:
    figures = plots.of_confusion(shown["confusion"])
    if shown["distorted"]["pictures"]:
        figures += plots.of_distortions(shown["distorted"])
    for name, title in (("mistakes", "Mistakes"), ("samples", "Samples")):
        figures += plots.of_pictures(name, title, shown[name], shown["confusion"].labels)
    return figures


def _detector(found: examination.Examination, detected: detections.Detections) -> dict[str, Any]:
    return {"detections": detected, "mistakes": scenes.mistakes(found), "samples": scenes.samples(found)}


def _results(
    found: examination.Examination, scored: confusion.Confusion | None, detected: detections.Detections | None
) -> dict[str, Any]:
    """What the saved model comes to on the validation data, for a script."""
    if scored:
        return {"accuracy": scored.accuracy, "loss": scored.loss, "samples": scored.samples}
    if detected:
        return {"map": detected.map, "objects": detected.objects, "found": detected.right, "false": detected.false}
    content = found.content.get("recommender", {})
    return {name: content[name] for name in ("rmse", "ndcg", "recall") if name in content}
