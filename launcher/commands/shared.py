"""What the commands have in common: their options and how they print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from rich.console import Console

_F = TypeVar("_F", bound=Callable[..., Any])


def json_option(function: _F) -> _F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)


def profile_option(function: _F) -> _F:
    return click.option(
        "--profile", envvar="GLAUNCH_PROFILE", default="default", show_default=True, help="Whose configuration."
    )(function)


def on_option(function: _F) -> _F:
    return click.option(
        "--on", type=click.Choice(["local", "aws"]), default="local", help="This machine, or SageMaker."
    )(function)


def complete_run(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from launcher.run import Run

    return [CompletionItem(run.name) for run in Run.all() if run.name.startswith(start)]


def complete_endpoint(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from launcher.local.endpoint import Endpoint

    return [CompletionItem(endpoint.name) for endpoint in Endpoint.all() if endpoint.name.startswith(start)]


def complete_run_or_endpoint(context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    return complete_endpoint(context, parameter, start) + complete_run(context, parameter, start)


def complete_script(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from launcher import library

    names = [CompletionItem(name) for name in library.built_in() if name.startswith(start)]
    return names or [CompletionItem(start, type="file")]


def run_argument(function: _F) -> _F:
    return click.argument("run_name", metavar="[RUN]", required=False, shell_complete=complete_run)(function)


def say(as_json: bool, content: Any, text: str) -> None:
    if as_json:
        from launcher import tables

        tables.print_json(content)
    else:
        click.echo(text)


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, emoji=False)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no width: keep a path in one piece
    return console
