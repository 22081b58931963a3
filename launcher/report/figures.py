"""Figures by matplotlib: each as SVG that takes the page's colours, light or dark, and as PNG on white."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.report.pictures import Picture

if TYPE_CHECKING:
    import numpy.typing as npt

# Every colour in use, and the page's variable for it. Those of lines are Okabe and Ito's, which the colour-blind tell
# apart (https://jfly.uni-koeln.de/color), but for the yellow, too light on white. No line is told by its colour alone.
_TEXT, _MUTED, _RULE, _GROUND = "#18202c", "#566172", "#d8dee7", "#ffffff"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_VARIABLES = {_TEXT: "--text", _MUTED: "--muted", _RULE: "--line", **{c: f"--line-{i}" for i, c in enumerate(LINES)}}
_MARKERS, _DASHES = "osD^vP", ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_SIZE = 4.6, 2.7  # inches; a page shows an inch as about 78 pixels
_MARKED = 40  # points of a line: more would be a line of markers
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "text.color": _TEXT,
    "text.parse_math": False,  # names come from anywhere
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": _RULE,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "glaunch",
}


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


class Figure(NamedTuple):
    """A figure.

    Attributes:
        name: of its file, without `.png`.
        title: above it.
        alt: what it shows, for those who do not see it.
        svg: an element for a page of HTML; "" of one that is made of pixels.
        png: a file's content.
    """

    name: str
    title: str
    alt: str
    svg: str
    png: bytes


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

    with _figure() as figure:
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
        return _drawn(figure, name, title, alt)


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

    with _figure() as figure:
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
        return _drawn(figure, name, title, alt)


def matrix(name: str, title: str, alt: str, labels: Sequence[str], counts: npt.NDArray[Any]) -> Figure:
    """A square of counts, int (N, N): true classes down, predicted ones across; each row's shares are its colours."""
    from matplotlib.ticker import MaxNLocator

    count = len(labels)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    side = min(9.0, 1.6 + 0.42 * count)
    with _figure((side, side)) as figure:
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
                colour = _GROUND if shares[row, column] > 0.5 else _TEXT
                axes.text(column, row, f"{value}", ha="center", va="center", color=colour, fontsize=8)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return _drawn(figure, name, title, alt, pixels=True)


def grid(name: str, title: str, alt: str, pictures: Sequence[Picture], labels: Sequence[str]) -> Figure:
    """Pictures in rows, with the true class, the predicted one where it differs, and its probability below each."""
    import numpy as np

    columns = min(8, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = (max(picture.pixels.shape[axis] for picture in pictures) for axis in (0, 1))
    step = height * 1.45, width * 1.15
    with _figure((1.05 * columns, 1.05 * rows * step[0] / step[1])) as figure:
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
        return _drawn(figure, name, title, alt, pixels=True)


@contextmanager
def _figure(size: tuple[float, float] = _SIZE) -> Iterator[Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Drawing

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font does not have
        yield Drawing(size)


def _drawn(figure: Any, name: str, title: str, alt: str, *, pixels: bool = False) -> Figure:
    svg = "" if pixels else _svg(figure, name)
    # Only a file needs its title in the picture.
    figure.suptitle(title, x=0.02, y=1.02 if pixels else 1.04, ha="left", va="bottom", fontsize=11, fontweight="bold")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=130, facecolor=_GROUND, bbox_inches="tight", metadata={"Software": None})
    return Figure(name, title, alt, svg, png.getvalue())


def _svg(figure: Any, name: str) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.04, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style [^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # What is left are the names of marks and of clipping paths, of which a page may have only one each.
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace("'DejaVu Sans'", "system-ui, sans-serif")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return re.sub(r'(<svg )(?:height|width)="[^"]*"', r"\1", text, count=1)


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
