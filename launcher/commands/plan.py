"""The verb that looks ahead: what a job would do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.shared import complete_script, console, json_option

if TYPE_CHECKING:
    from rich.console import Console

    from launcher.plan import Net, Plan


@click.command()
@click.argument("script", metavar="SCRIPT|JOB.yaml", shell_complete=complete_script)
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A hyperparameter; the value is JSON.")
@click.option("--data", "data_word", metavar="DIR|NAME", help="The channel `training`: a directory or a data set.")
@click.option("--channel", "channels", multiple=True, metavar="NAME=DIR", help="Another channel.")
@click.option("--source-dir", type=click.Path(path_type=Path), help="A directory that travels with the script.")
@click.option("--hosts", type=click.IntRange(1, 64), help="How many hosts; 4 are looked at if it is one.")
@json_option
def plan(script: str, as_json: bool, **words: Any) -> None:
    """Tell what a job would do, without running it.

    Its script, values, data and deadlines, checked; and how fast it would train on several hosts of this machine and of
    some instance types, by a model fitted to measurements.

    \b
    glaunch plan mnist_cnn --data mnist --hosts 4 -p batch_size_per_host=100
    """
    from launcher import compose, tables
    from launcher import plan as plans

    found = plans.plan(compose.job(script, **words))
    if as_json:
        tables.print_json(_as_object(found))
    else:
        _print(found, console())


def _as_object(found: Plan) -> dict[str, Any]:
    job = found.job
    return {
        "script": str(job.script),
        "runs_as": found.runs_as,
        "hosts": job.hosts,
        "hyperparameters": dict(found.net.values if found.net else job.hyperparameters),
        "channels": {name: asdict(channel) for name, channel in found.channels.items()},
        "max_run": job.max_run,
        "deadlines": vars(job.deadlines),
        "net": found.net and {"samples": found.net.samples, **asdict(found.net.size)},
        "speeds": [asdict(speed) for speed in found.speeds],
    }


def _print(found: Plan, screen: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from launcher import tables

    job = found.job
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")

    def add(title: str, text: str) -> None:
        grid.add_row(Text(title), Text(text))

    add("script", f"{tables.from_home(job.script)}, run as {found.runs_as}")
    for name, value in (found.net.values if found.net else job.hyperparameters).items():
        add(f"  {name}", json.dumps(value))
    for name, channel in found.channels.items():
        add(
            f"channel {name}",
            f"{channel.source}  ({channel.files} files, {channel.bytes / 2**20:.1f} MiB, {channel.distribution})",
        )
    add("hosts", str(job.hosts))
    if job.max_run is not None:
        add("max_run", f"{job.max_run:g} s")
    if job.hosts > 1:
        add("deadlines", ", ".join(f"{name} {seconds:g} s" for name, seconds in vars(job.deadlines).items()))
    if found.net:
        add("net", _describe(found.net, job.hosts))
    screen.print(grid, highlight=False)
    _print_speeds(found, screen)


def _describe(net: Net, hosts: int) -> str:
    size = net.size
    sent = f", {size.parameters * 4 / 2**20:.2f} MiB from and to each host at a step" if hosts > 1 else ""
    return (
        f"{size.parameters:,} parameters{sent}; {size.dense + size.convolution:,} multiply-adds a sample; "
        f"{net.samples:,} samples in {net.steps(hosts):,} steps an epoch"
    )


def _print_speeds(found: Plan, screen: Console) -> None:
    from rich.table import Table

    from launcher import scaling

    screen.print()
    if found.net is None:
        screen.print(
            "How fast it is, and what it sends at a step, is not known without running it: only the entry points that "
            "come with glaunch are. `glaunch run` it on one host and on two, with little data.",
            highlight=False,
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("samples/s")
    for count in range(1, len(found.speeds[0].samples_per_second) + 1):
        table.add_column(f"{count} host{'s' * (count > 1)}", justify="right")
    for speed in found.speeds:
        alone = speed.samples_per_second[0]
        cells = [f"{value:,.0f}  [dim]x{value / alone:.2f}[/dim]" for value in speed.samples_per_second]
        table.add_row(speed.machine, *cells)
    screen.print(table, highlight=False)
    screen.print(
        "[dim]A model, not a measurement: compute + bytes / bandwidth + latency, with what was measured on one machine "
        f"({scaling.Fit.load().measured}). Cores of other machines differ.[/dim]",
        highlight=False,
    )
