"""The words that describe a job, the same for every command that takes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from launcher.commands.shared import complete_run, complete_script

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("script", metavar="SCRIPT|JOB.yaml", required=False, shell_complete=complete_script),
    click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A hyperparameter; the value is JSON."),
    click.option("--data", "data_word", metavar="DIR|NAME", help="The channel `training`: a directory or a data set."),
    click.option("--channel", "channels", multiple=True, metavar="NAME=DIR", help="Another channel."),
    click.option("--source-dir", type=click.Path(path_type=Path), help="A directory that travels with the script."),
    click.option("--hosts", type=click.IntRange(1, 64), help="How many hosts, with MXNet's parameter server."),
    click.option("--name", help="The base of the run's name."),
    click.option("--max-run", type=float, metavar="SECONDS", help="Stop the job after that long."),
    click.option("--checkpoint-every", metavar="N|Ns", help="Keep a checkpoint every N epochs, or N seconds."),
    click.option("--retries", type=click.IntRange(0), help="Start a job that failed again, from its last checkpoint."),
)


def job_options(function: _F) -> _F:
    """Adds SCRIPT and the options of a job; the command hands what they give to `launcher.compose.job`."""
    command: Any = function
    for option in reversed(_OPTIONS):
        command = option(command)
    decorated: _F = command
    return decorated


def resume_option(function: _F) -> _F:
    """Adds `--resume`."""
    return click.option(
        "--resume", metavar="RUN", shell_complete=complete_run, help="Go on from a run's last checkpoint."
    )(function)
