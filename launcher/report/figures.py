"""The kinds of figures: lines, bars, a matrix, a grid of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.report.drawing import GROUND, LINES, TEXT, Figure, canvas, drawn

if TYPE_CHECKING:
    import numpy.typing as npt

_MARKERS, _DASHES = "osD^vP", ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_MARKED = 40  # points of a line: more would be a line of markers
_MARKS = 10  # on such a line, where there are others
_LARGE = 100  # pixels: a wider picture is not enlarged


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


class Captioned(NamedTuple):
    """A picture, uint8 (height, width, 1 or 3), and what is said below it."""

    pixels: npt.NDArray[Any]
    caption: str


def lines(
    name: str,
    title: str,
    alt: str,
    series: Sequence[Series],
    x_label: str,
    *,
    percent: bool = False,
    x_percent: bool = False,
    from_zero: bool = False,
) -> Figure:
    """A line chart.

    Args:
        name, title, alt: of the figure.
        series: what is drawn.
        x_label: of the horizontal axis.
        percent: whether values from 0 to 1 are shown as percentages.
        x_percent: likewise, of the horizontal axis.
        from_zero: whether the vertical axis begins with 0.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with canvas() as figure:
        axes = figure.add_subplot()
        for one in series:
            colour, dash = LINES[one.colour % len(LINES)], _DASHES[one.dash % len(_DASHES)]
            if len(one.x):
                is_long = len(one.x) > _MARKED
                axes.plot(
                    one.x,
                    one.y,
                    color=colour,
                    linestyle=dash,
                    marker="" if is_long and len(series) == 1 else _MARKERS[one.colour % len(_MARKERS)],
                    markevery=len(one.x) // _MARKS if is_long else 1,
                    markersize=4,
                    label=cut(one.label),
                )
            else:
                axes.axhline(one.y[0], color=colour, linestyle=_DASHES[2], label=cut(one.label))
        axes.set_xlabel(x_label)
        if x_percent:
            axes.set_xlim(0, 1)
            axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        else:
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
            axes.bar(places, one.y, width * 0.92, color=LINES[one.colour % len(LINES)], label=cut(one.label))
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        slanted = max(map(len, labels)) * len(labels) > 50
        axes.set_xticks(
            range(len(labels)),
            [cut(label, 16) for label in labels],
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
            names = [cut(label, 12) for label in labels]
            axes.set_xticks(range(count), names, rotation=45 if max(map(len, names)) > 3 else 0)
            axes.set_yticks(range(count), names)
            for (row, column), value in _cells(counts):
                colour = GROUND if shares[row, column] > 0.5 else TEXT
                axes.text(column, row, f"{value}", ha="center", va="center", color=colour, fontsize=8)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return drawn(figure, name, title, alt, pixels=True)


def grid(name: str, title: str, alt: str, pictures: Sequence[Captioned]) -> Figure:
    """Pictures in rows, each with its caption below it."""
    import numpy as np

    height, width = (max(picture.pixels.shape[axis] for picture in pictures) for axis in (0, 1))
    is_large = width > _LARGE
    columns = min(4 if is_large else 8, len(pictures))
    rows = -(-len(pictures) // columns)
    step = height + width * (0.2 if is_large else 0.45), width * (1.06 if is_large else 1.15)
    inches = 2.1 if is_large else 1.05
    with canvas((inches * columns, inches * rows * step[0] / step[1])) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for number, picture in enumerate(pictures):
            top, left = number // columns * step[0], number % columns * step[1]
            rest = [(most - own) / 2 for most, own in zip((height, width), picture.pixels.shape)]
            place = left + rest[1], left + width - rest[1], top + height - rest[0], top + rest[0]
            shown = np.broadcast_to(picture.pixels, (*picture.pixels.shape[:2], 3))
            axes.imshow(shown, extent=place, interpolation="antialiased" if is_large else "nearest")
            axes.text(left + width / 2, top + height + width * 0.03, picture.caption, ha="center", va="top", fontsize=7)
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


def cut(text: str, most: int = 34) -> str:
    """A name that is not longer than there is room for; matplotlib keeps what begins with _ out of a legend."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return f" {text}" if text.startswith("_") else text
