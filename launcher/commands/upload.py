"""The verb that brings data to S3."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from launcher.commands.shared import console, json_option, profile_option, say
from launcher.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

_NAME = re.compile(r"(?![0-9a-f]{64}$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # not what stands for a content


@click.command()
@click.argument("source", metavar="DIR|NAME")
@click.option("--name", help="Keep it as data/NAME, replacing what has changed; else its place follows its content.")
@click.option("--delete", is_flag=True, help="Delete there what is not in DIR.")
@profile_option
@json_option
def upload(source: str, name: str | None, delete: bool, profile: str, as_json: bool) -> None:
    """Send data to the bucket, for jobs on SageMaker.

    A directory, a file or a data set. Prints its s3:// URI, which any job takes as a channel. What is there already is
    not sent again, and a command that was interrupted goes on where it was.

    \b
    glaunch upload data/digits
    glaunch upload fashion-mnist --name fashion
    """
    from launcher.bar import bytes_bar
    from launcher.cloud.aws import Aws
    from launcher.cloud.store import Store
    from launcher.config import Config

    if name is not None and not _NAME.fullmatch(name):
        raise UserError(f"--name {name}: letters, digits, '.', '-' and '_' only, at most 64, and no digest")
    path = _resolve(source)
    config = Config.load(profile)
    store = Store(Aws(config), config.bucket)
    store.check()
    screen = console(stderr=True)
    with bytes_bar("reading", screen) as report:
        planned = store.plan(path, f"data/{name}" if name else None, report)
    screen.print(
        f"{len(planned.files):,} files, {_mib(planned.bytes)}; "
        f"{len(planned.missing):,} to send, {_mib(planned.missing_bytes)}",
        highlight=False,
    )
    with bytes_bar("sending", screen) as report:
        store.send(planned, report if screen.is_terminal else _tenths(screen), delete=delete)
    content = {
        "uri": planned.uri,
        "files": len(planned.files),
        "bytes": planned.bytes,
        "sent_files": len(planned.missing),
        "sent_bytes": planned.missing_bytes,
        "deleted": len(planned.stale),
    }
    say(as_json, content, planned.uri)


def _resolve(source: str) -> Path:
    from launcher import data

    if source.startswith("s3://"):
        raise UserError(f"{source} is in S3 already: name it as a channel, `--data {source}`")
    path = Path(os.path.expanduser(source))
    return path.absolute() if path.is_file() else data.resolve(source)


def _tenths(screen: Console) -> Callable[[int, int], None]:
    """Prints a line at each tenth of the way, where no bar can move."""
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        tenths = 10 * done // total
        if tenths > told:
            told = tenths
            screen.print(f"sending: {_mib(done)} of {_mib(total)}", highlight=False)

    return tell


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
