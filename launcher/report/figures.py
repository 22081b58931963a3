"""The kinds of figures: lines, bars, a matrix, a grid of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.report.drawing import GROUND, LINES, TEXT, Figure, canvas, drawn
from launcher.report.pictures import Picture

if TYPE_CHECKING:
    import numpy.typing as npt

_MARKERS, _DASHES = "osD^vP", ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_MARKED = 40  # points of a line: more would be a line of markers


class Series(NamedTuple):
    """A line of a chart.

    Attributes:
        label: for the legend.
        x, y: its points; of a level, no x and one y.
        colour: an index, taken modulo the colours there are.
        dash: likewise; 0 is solid.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dash: int = 0


def lines(
    name: str,
    title: str,
    alt: str,
    series: Sequence[Series],
    x_label: str,
    *,
    percent: bool = False,
    from_zero: bool = False,
) -> Figure:
    """A line chart.

    Args:
        name, title, alt: of the figure.
        series: what is drawn.
        x_label: of the horizontal axis.
        percent: whether values from 0 to 1 are shown as percentages.
        from_zero: whether the vertical axis begins with 0.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with canvas() as figure:
        axes = figure.add_subplot()
        for one in series:
            colour, dash = LINES[one.colour % len(LINES)], _DASHES[one.dash % len(_DASHES)]
            if len(one.x):
                marker = _MARKERS[one.colour % len(_MARKERS)] if len(one.x) <= _MARKED else ""
                axes.plot(
                    one.x, one.y, color=colour, linestyle=dash, marker=marker, markersize=4, label=_cut(one.label)
                )
            else:
                axes.axhline(one.y[0], color=colour, linestyle=_DASHES[2], label=_cut(one.label))
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9, steps=[1, 2, 5, 10], min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        if from_zero:
            axes.set_ylim(bottom=0)
        if len(series) > 1:
            _legend(axes)
        return drawn(figure, name, title, alt)


def bars(
    name: str,
    title: str,
    alt: str,
    labels: Sequence[str],
    series: Sequence[Series],
    x_label: str,
    *,
    percent: bool = False,
) -> Figure:
    """A chart of bars side by side, as `lines`: a group for each label; the x of the series are not looked at."""
    from matplotlib.ticker import PercentFormatter

    with canvas() as figure:
        axes = figure.add_subplot()
        width = 0.8 / len(series)
        for number, one in enumerate(series):
            places = [place + (number - (len(series) - 1) / 2) * width for place in range(len(labels))]
            axes.bar(places, one.y, width * 0.92, color=LINES[one.colour % len(LINES)], label=_cut(one.label))
        axes.grid(visible=False, axis="x")
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        slanted = max(map(len, labels)) * len(labels) > 60
        axes.set_xticks(
            range(len(labels)),
            [_cut(label, 16) for label in labels],
            rotation=40 if slanted else 0,
            ha="right" if slanted else "center",
            rotation_mode="anchor",
        )
        axes.set_xlabel(x_label)
        if len(series) > 1:
            _legend(axes)
        return drawn(figure, name, title, alt)


def matrix(name: str, title: str, alt: str, labels: Sequence[str], counts: npt.NDArray[Any]) -> Figure:
    """A square of counts, int (N, N): true classes down, predicted ones across; each row's shares are its colours."""
    from matplotlib.ticker import MaxNLocator

    count = len(labels)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    side = min(9.0, 1.6 + 0.42 * count)
    with canvas((side, side)) as figure:
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if count <= 20:
            names = [_cut(label, 12) for label in labels]
            axes.set_xticks(range(count), names, rotation=45 if max(map(len, names)) > 3 else 0)
            axes.set_yticks(range(count), names)
            for (row, column), value in _cells(counts):
                colour = GROUND if shares[row, column] > 0.5 else TEXT
                axes.text(column, row, f"{value}", ha="center", va="center", color=colour, fontsize=8)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return drawn(figure, name, title, alt, pixels=True)


def grid(name: str, title: str, alt: str, pictures: Sequence[Picture], labels: Sequence[str]) -> Figure:
    """Pictures in rows, with the true class, the predicted one where it differs, and its probability below each."""
    import numpy as np

    columns = min(8, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = (max(picture.pixels.shape[axis] for picture in pictures) for axis in (0, 1))
    step = height * 1.45, width * 1.15
    with canvas((1.05 * columns, 1.05 * rows * step[0] / step[1])) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for number, picture in enumerate(pictures):
            top, left = number // columns * step[0], number % columns * step[1]
            shown = np.broadcast_to(picture.pixels, (*picture.pixels.shape[:2], 3))
            axes.imshow(shown, extent=(left, left + width, top + height, top), interpolation="nearest")
            says = [_cut(labels[one], 11) for one in dict.fromkeys((picture.truth, picture.predicted))]
            text = f"{' as '.join(says)}\n{picture.probability:.0%}"
            axes.text(left + width / 2, top + height * 1.03, text, ha="center", va="top", fontsize=7)
        axes.set_xlim(0, columns * step[1])
        axes.set_ylim(rows * step[0], 0)
        return drawn(figure, name, title, alt, pixels=True)


def _legend(axes: Any) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2, columnspacing=1.2)


def _cells(counts: npt.NDArray[Any]) -> Iterator[tuple[tuple[int, int], int]]:
    import numpy as np

    for place, value in np.ndenumerate(counts):
        if value:
            yield (place[0], place[1]), int(value)


def _cut(text: str, most: int = 34) -> str:
    """A name that is not longer than there is room for; matplotlib keeps what begins with _ out of a legend."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return f" {text}" if text.startswith("_") else text
