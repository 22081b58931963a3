"""The verbs of data sets."""

from __future__ import annotations

import click

from launcher.commands.shared import console, json_option, say


@click.group()
def data() -> None:
    """Data sets: list them, fetch them."""


@data.command("ls")
@json_option
def data_ls(as_json: bool) -> None:
    """List the known data sets.

    Their sizes, and where they are on this machine.

    \b
    glaunch data ls
    """
    from launcher import data, tables

    entries = data.listing()
    if as_json:
        tables.print_json([vars(entry) for entry in entries])
    else:
        tables.print_data(entries, console())


@data.command("get")
@click.argument("name")
@json_option
def data_get(name: str, as_json: bool) -> None:
    """Fetch a data set.

    It is checked, resumed where it broke off, and there whole or not at all.

    \b
    glaunch data get fashion-mnist
    """
    from launcher import data
    from launcher.bar import bytes_bar

    with bytes_bar(name, console(stderr=True)) as progress:
        path = data.get(name, progress=progress)
    say(as_json, {"name": name, "path": str(path)}, str(path))
