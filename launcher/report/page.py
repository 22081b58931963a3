"""A report as files: the page, and its figures beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import files
from launcher.errors import UserError
from launcher.report import data_uri
from launcher.report.drawing import Figure

INDEX = "index.html"
_LIST = "figures.txt"  # the names of the PNG files that belong to the page
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Document:
    """A report that is not written yet.

    Attributes:
        template: the name of its file in `templates/`.
        content: what the template shows; text in it is escaped.
        figures: that the page shows, and that are written beside it.
        summary: what a script may want to know, for JSON.
    """

    template: str
    content: Mapping[str, Any]
    figures: list[Figure]
    summary: Mapping[str, Any]


def write(document: Document, directory: Path) -> list[Path]:
    """Writes a report into a directory, which is made if need be: the page last, each file at one stroke.

    Figures of a report that was there before and that this one does not have are deleted.

    Returns:
        The page, then the figures.

    Raises:
        UserError: the directory cannot be written.
    """
    html = render(document)
    images = {f"{figure.name}.png": figure.png for figure in document.figures}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        old = _listed(directory)
        for name, content in images.items():
            files.write_atomic(directory / name, content)
        files.write_atomic(directory / _LIST, "".join(f"{name}\n" for name in images))
        files.write_atomic(directory / INDEX, html)
        for name in old - set(images):
            (directory / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write the report into {directory}: {error.strerror}") from None
    return [directory / INDEX, *(directory / name for name in images)]


def render(document: Document) -> str:
    """The page: HTML that refers to nothing outside itself."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, number=_number, png_uri=data_uri.of_png)
    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("style.css", "script.js"))
    return environment.get_template(document.template).render(
        document.content,
        figures={figure.name: figure for figure in document.figures},
        svgs={figure.name: Markup(figure.svg) for figure in document.figures},  # noqa: S704 matplotlib escapes its texts
        style=Markup(style),  # noqa: S704 ours
        script=Markup(script),  # noqa: S704 ours
        # The browser runs this script alone, and loads nothing.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _listed(directory: Path) -> set[str]:
    """The figures of the report in a directory, if there is one; never a path to somewhere else."""
    try:
        names = (directory / _LIST).read_text("utf-8").split()
    except (OSError, ValueError):
        return set()
    return {name for name in names if name.endswith(".png") and "/" not in name}


def _percent(share: float | None, digits: int = 1) -> str:
    return "\N{EN DASH}" if share is None else f"{100 * share:.{digits}f} %"


def _number(value: float | str | None) -> str:
    """A count with commas, any other number with four digits that matter, nothing for None; text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int) or (value.is_integer() and abs(value) >= 1):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
