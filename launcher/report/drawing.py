"""A figure of matplotlib: as SVG that takes the page's colours, light or dark, and as PNG on white."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

# Every colour in use, and the page's variable for it. Those of lines are Okabe and Ito's, which the colour-blind tell
# apart (https://jfly.uni-koeln.de/color), but for the yellow, too light on white. No line is told by its colour alone.
TEXT, _MUTED, _RULE, GROUND = "#18202c", "#566172", "#d8dee7", "#ffffff"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_VARIABLES = {TEXT: "--text", _MUTED: "--muted", _RULE: "--line", **{c: f"--line-{i}" for i, c in enumerate(LINES)}}
_SIZE = 4.6, 2.7  # inches; a page shows an inch as about 78 pixels
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "text.color": TEXT,
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


@contextmanager
def canvas(size: tuple[float, float] = _SIZE) -> Iterator[Any]:
    """An empty figure of so many inches, to draw on and to give to `drawn` inside the block."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Drawing

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font does not have
        yield Drawing(size)


def drawn(figure: Any, name: str, title: str, alt: str, *, pixels: bool = False) -> Figure:
    """What was drawn; one that is made of `pixels` has no SVG."""
    svg = "" if pixels else _svg(figure, name)
    # Only a file needs its title in the picture: just above what is drawn.
    (width, height), box = figure.get_size_inches(), figure.get_tightbbox()
    figure.text(box.x0 / width, (box.y1 + 0.08) / height, title, fontsize=11, fontweight="bold")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=130, facecolor=GROUND, bbox_inches="tight", metadata={"Software": None})
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
