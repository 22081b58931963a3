"""The verb that makes a page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands import remote
from launcher.commands.shared import complete_run, json_option
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.report.page import Document
    from launcher.run import Run

_NEEDED = ("jinja2", "matplotlib", "sklearn")


@click.command()
@click.argument("names", metavar="[RUN...]", nargs=-1, shell_complete=complete_run)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="The directory, instead of the run's.")
@click.option("--open", "is_opened", is_flag=True, help="Show it in the browser.")
@json_option
def report(names: tuple[str, ...], output: Path | None, is_opened: bool, as_json: bool) -> None:
    """Make a page of a run, or of several side by side.

    Curves, the confusion matrix, the mistakes, how far shifts and rotations are borne, the layers, and what was run on
    what: one HTML file that needs nothing else, and its figures as PNG. The latest run by default. Without --output it
    is written to `report` in the run's folder, or to `comparison` in that of the first run.

    \b
    glaunch report --open
    glaunch report mnist-mlp-2026-01-31 mnist-cnn-2026-01-31 --output compared
    """
    _check_installed()
    from launcher.report import page

    runs = [remote.fresh(name) for name in names or [None]]
    if len({run.name for run in runs}) < len(runs):
        raise UserError("a run cannot be compared with itself: name each run once")
    document = _make(runs)
    directory = (output or runs[0].folder / ("report" if len(runs) == 1 else "comparison")).absolute()
    index, *figures = page.write(document, directory)
    if as_json:
        from launcher import tables

        tables.print_json({**document.summary, "path": str(index), "figures": [str(path) for path in figures]})
    else:
        click.echo(index)
    if is_opened:
        click.launch(index.as_uri())


def _make(runs: list[Run]) -> Document:
    from launcher.report import comparison, run_report

    return run_report.make(runs[0], remote.cause(runs[0])) if len(runs) == 1 else comparison.make(runs)


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(f"a report needs {', '.join(missing)}: pip install 'gluon-launcher[report]'")
