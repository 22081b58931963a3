"""Which figures a run has, and what each says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launcher.report import figures
from launcher.report.confusion import Confusion
from launcher.report.curves import SPEED, TITLES, Chart, Curves, Line, finite
from launcher.report.detections import Detections
from launcher.report.drawing import LINES, Figure
from launcher.report.figures import Captioned, Series, cut
from launcher.report.pictures import Picture
from launcher.report.scenes import Scene

EPOCHS = "epochs done"
PERCENT = ("accuracy", "recall")
_CHARTS = 12  # of metrics: more are in the table alone
_SHARES = "Precision and recall"
_SHOWN, _SCENES = 24, 12  # pictures of a PNG file


def of_curves(curves: Curves, levels: Mapping[str, float]) -> list[Figure]:
    """A chart of each measure.

    Args:
        curves: the run's.
        levels: by the measure, what the saved model comes to on the validation data where no curve says so.
    """
    found = []
    for number, chart in enumerate(curves.charts()[:_CHARTS]):
        series = _series(chart)
        if chart.measure in levels and not any(line.name.startswith("validation:") for line in chart.lines):
            series.append(Series("validation, the saved model", [], [levels[chart.measure]], colour=1))
        if any(len(one.y) for one in series):
            found.append(
                figures.lines(
                    file_name(chart.measure, number),
                    chart.title,
                    f"{chart.title} by epoch. {_ends(chart.lines)}",
                    series,
                    EPOCHS,
                    percent=chart.measure in PERCENT,
                    from_zero=chart.measure == SPEED,
                )
            )
    return found


def of_rates(rates: Mapping[str, Any]) -> Figure:
    """The learning rate, as the job's schedule has it."""
    values = rates["rates"]
    alt = f"Learning rate: {values[0]:g} at first, {max(values):g} at most, {values[-1]:g} at the end."
    series = [Series("", rates["epochs"], values, 2)]
    return figures.lines("learning-rate", "Learning rate", alt, series, EPOCHS, from_zero=True)


def of_confusion(confusion: Confusion) -> list[Figure]:
    """The matrix, and precision and recall of each class."""
    named = ", ".join(
        f"{confusion.labels[pair.truth]} taken for {confusion.labels[pair.predicted]} {pair.samples} times"
        for pair in confusion.pairs()[:3]
    )
    alt = f"Confusion matrix of {confusion.samples:,} samples, {confusion.mistakes:,} of them wrong. {named}."
    matrix = figures.matrix("confusion", "Confusion matrix", alt, confusion.labels, confusion.matrix)
    shares = [(score.precision, score.recall) for score in confusion.scores]
    return [matrix, *_of_classes(confusion.labels, shares, _SHARES)]


def of_detections(detections: Detections) -> list[Figure]:
    """Precision over recall, of as many classes as colours tell apart; both of each class at the threshold."""
    shares = [(score.precision, score.recall) for score in detections.scores]
    bars = _of_classes(detections.labels, shares, f"{_SHARES} from {100 * detections.threshold:.0f} % on")
    shown = detections.most_frequent(len(LINES))
    if not shown:
        return bars
    series = [_over_recall(detections, kind, number) for number, kind in enumerate(shown)]
    areas = ", ".join(f"{one.name} {one.average_precision:.1%}" for one in (detections.scores[kind] for kind in shown))
    title = "Precision over recall"
    if len(shown) < len(detections.labels):
        title = f"{title}: {len(shown)} of {len(detections.labels)} classes"
    alt = f"{title}. The areas under the curves, the average precisions, are {areas}."
    return [
        figures.lines("precision-recall", title, alt, series, "recall", percent=True, x_percent=True, from_zero=True),
        *bars,
    ]


def _over_recall(detections: Detections, kind: int, number: int) -> Series:
    """The curve of a class, as far as it goes: a precision of 0 says that a recall is not reached."""
    values = detections.precisions[kind]
    values = values[values > 0].tolist()
    steps = len(detections.precisions[kind]) - 1
    return Series(detections.labels[kind], [place / steps for place in range(len(values))], values, number, number)


def _of_classes(labels: list[str], shares: Sequence[tuple[float | None, float | None]], title: str) -> list[Figure]:
    """Precision and recall of each class, given both, where there are few enough for bars."""
    if len(labels) > 20:
        return []
    series = [
        Series("precision", [], [precision or 0 for precision, _ in shares], 0),
        Series("recall", [], [recall or 0 for _, recall in shares], 1),
    ]
    alt = f"{title}, of each class, as in the table."
    return [figures.bars("classes", title, alt, labels, series, "class", percent=True)]


def of_distortions(distorted: Mapping[str, Any]) -> list[Figure]:
    """How the accuracy falls with shifts and rotations."""
    found = []
    for name, title, unit, number in (
        ("shift", "Shifted pictures", "pixels", 0),
        ("rotation", "Rotated pictures", "degrees", 1),
    ):
        x, y = zip(*distorted[name])
        alt = f"Accuracy on {title.lower()}: " + ", ".join(f"{b:.1%} at {a} {unit}" for a, b in zip(x, y)) + "."
        found.append(figures.lines(name, title, alt, [Series("", x, y, number)], unit, percent=True))
    return found


def of_pictures(name: str, title: str, pictures: list[Picture], labels: list[str]) -> list[Figure]:
    """A classifier's first pictures as one: the true class, the predicted one where it differs, its probability."""
    shown = []
    for picture in pictures[:_SHOWN]:
        says = [cut(labels[one], 11) for one in dict.fromkeys((picture.truth, picture.predicted))]
        shown.append(Captioned(picture.pixels, f"{' as '.join(says)}\n{picture.probability:.0%}"))
    return _grid(name, title, shown)


def of_scenes(name: str, title: str, pictures: list[Scene]) -> list[Figure]:
    """A detector's first pictures as one: how many objects were missed, and how many boxes are around none."""
    return _grid(name, title, [Captioned(one.pixels, f"{cut(one.name)}\n{one.summary}") for one in pictures[:_SCENES]])


def _grid(name: str, title: str, shown: list[Captioned]) -> list[Figure]:
    return [figures.grid(name, title, f"{title}: the first {len(shown)}.", shown)] if shown else []


def of_ratings(found: Mapping[str, Any]) -> list[Figure]:
    """The histogram of a recommender's data, and its error by the activity of users."""
    bars = found["histogram"]
    counts = {part: [bar[part] for bar in bars] for part in ("training", "validation")}
    series = [Series(part, [], counts[part], i) for i, part in enumerate(counts) if any(counts[part])]
    alt = "How often each rating was given, as in the table."
    made = [figures.bars("ratings", "Ratings", alt, [bar["name"] for bar in bars], series, "rating")]
    if found.get("activity"):
        groups, measure = found["activity"], found["measure"]
        alt = f"{measure} by activity: " + ", ".join(f"{one['value']:.3f} at {one['name']}" for one in groups) + "."
        values = [Series(measure, [], [one["value"] for one in groups], 2)]
        title, label = f"{measure} by activity", "training ratings of a user"
        made.append(figures.bars("activity", title, alt, [one["name"] for one in groups], values, label))
    return made


def file_name(measure: str, number: int) -> str:
    """Of the figure of a measure; of a metric of the job's own, whose name may have anything in it, also its number."""
    if measure in TITLES:
        return "speed" if measure == SPEED else measure
    letters = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in measure)
    return f"metric-{number}-{letters[:40]}"


def _series(chart: Chart) -> list[Series]:
    found = []
    for number, line in enumerate(map(finite, chart.lines)):
        label = line.name.partition(":")[0] if len(chart.lines) > 1 or chart.measure != line.name else ""
        is_validation = label == "validation"
        label = {"train": "training"}.get(label, label)
        found.append(
            Series(label, line.epochs, line.values, int(is_validation) if label else number, int(is_validation))
        )
    return found


def _ends(lines: list[Line]) -> str:
    return " ".join(
        f"{line.name}: {line.values[0]:.4g} after epoch {line.epochs[0]}, {line.last:.4g} after {line.epochs[-1]}."
        for line in lines
    )
