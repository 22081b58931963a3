"""What `glaunch plan` prints: for a person, and as an object for `--json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from launcher import scaling, tables

if TYPE_CHECKING:
    from launcher.cloud.cost import Cost
    from launcher.cloud.plan import CloudPlan, Sent
    from launcher.plan import Net, Plan, Speed


def as_object(found: Plan) -> dict[str, Any]:
    """What a script may want to know of a plan."""
    job = found.job
    return {
        "script": str(job.script),
        "runs_as": found.runs_as,
        "hosts": job.hosts,
        "hyperparameters": _values(found),
        "channels": {name: asdict(channel) for name, channel in found.channels.items()},
        "max_run": job.max_run,
        "deadlines": vars(job.deadlines),
        "net": found.net and {"samples": found.net.samples, **asdict(found.net.size)},
        "speeds": [asdict(speed) for speed in found.speeds],
    }


def cloud_as_object(found: CloudPlan) -> dict[str, Any]:
    """The same of a plan for SageMaker, with the whole request."""
    return {
        **as_object(found.here),
        "region": found.region,
        "settings": asdict(found.settings),
        "request": found.request,
        "code": asdict(found.code),
        "data": {name: asdict(sent) for name, sent in found.data.items()},
        "checkpoints": found.checkpoints and asdict(found.checkpoints),
        "cost": asdict(found.cost),
        "quotas": [asdict(quota) for quota in found.quotas],
        "problems": found.problems,
        "unchecked": found.unchecked,
    }


def print_plan(found: Plan, screen: Console) -> None:
    """What a job would do on this machine."""
    job, grid = found.job, _Grid()
    grid.add("script", f"{tables.from_home(job.script)}, run as {found.runs_as}")
    for name, value in _values(found).items():
        grid.add(f"  {name}", json.dumps(value))
    for name, channel in found.channels.items():
        grid.add(
            f"channel {name}", f"{channel.source}  ({_amount(channel.files, channel.bytes)}, {channel.distribution})"
        )
    grid.add("hosts", str(job.hosts))
    if job.max_run is not None:
        grid.add("max_run", f"{job.max_run:g} s")
    if job.hosts > 1:
        grid.add("deadlines", ", ".join(f"{name} {seconds:g} s" for name, seconds in vars(job.deadlines).items()))
    grid.add_net(found)
    grid.print(screen)
    _print_speeds(found, found.speeds, screen)


def print_cloud_plan(found: CloudPlan, screen: Console) -> None:
    """What a job would do and cost on SageMaker, what is wrong with it, and what is not known."""
    here, settings, grid = found.here, found.settings, _Grid()
    job = here.job
    grid.add("script", f"{tables.from_home(job.script)}, run as {here.runs_as}")
    if values := _values(here):
        grid.add("values", ", ".join(f"{name}={json.dumps(value)}" for name, value in values.items()))
    grid.add("hosts", f"{job.hosts} x {settings.instance_type}{', spot' * settings.spot}, in {found.region}")
    if found.request:
        grid.add("image", found.request["AlgorithmSpecification"]["TrainingImage"].split("/")[-1])
    grid.add("code", _sent(found.code))
    for name, sent in found.data.items():
        grid.add(f"channel {name}", f"{_sent(sent)}, {here.channels[name].distribution}")
    if found.checkpoints:
        grid.add("checkpoints", _sent(found.checkpoints))
    grid.add_net(here)
    grid.add("time", _time(found))
    grid.add("cost", _cost(found.cost))
    for quota in found.quotas:
        if quota.value is not None:
            grid.add("quota", f"{quota.value:g} {quota.name}, {quota.needed} needed")
    grid.print(screen)
    _print_speeds(here, [speed for speed in here.speeds if speed.machine.startswith("ml.")], screen)
    _print_findings(found, screen)


class _Grid:
    """Titles with what belongs to each."""

    def __init__(self) -> None:
        self._table = Table(box=None, show_header=False, pad_edge=False)
        self._table.add_column(style="bold", no_wrap=True)
        self._table.add_column(overflow="fold")

    def add(self, title: str, text: str) -> None:
        self._table.add_row(Text(title), Text(text))

    def add_net(self, found: Plan) -> None:
        if found.net:
            self.add("net", _describe(found.net, found.job.hosts))

    def print(self, screen: Console) -> None:
        screen.print(self._table, highlight=False)


def _values(found: Plan) -> dict[str, Any]:
    """Every hyperparameter that is known, defaults too."""
    return dict(found.net.values if found.net else found.job.hyperparameters)


def _describe(net: Net, hosts: int) -> str:
    size = net.size
    sent = f", {size.parameters * 4 / 2**20:.2f} MiB from and to each host at a step" if hosts > 1 else ""
    operations = size.dense + size.convolution
    layers = f"; {operations:,} multiply-adds a sample" if operations else ""
    return (
        f"{size.parameters:,} parameters{sent}{layers}; {net.samples:,} samples in {net.steps(hosts):,} steps an epoch"
    )


def _amount(files: int | None, size: int | None) -> str:
    if files is None or size is None:
        return "in S3"
    amount = f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.1f} KiB" if size >= 1024 else f"{size} B"
    return f"{files:,} file{'s' * (files != 1)}, {amount}"


def _sent(sent: Sent) -> str:
    """`7 files, 34.1 KiB, all to send`."""
    if sent.files is None:
        return sent.uri
    if sent.missing_files is None:
        left = "not known whether there already"
    elif not sent.missing_files:
        left = "there already"
    elif sent.missing_files == sent.files:
        left = "to send"
    else:
        left = f"{_amount(sent.missing_files, sent.missing_bytes)} of them to send"
    return f"{_amount(sent.files, sent.bytes)}, {left}"


def _time(found: CloudPlan) -> str:
    """`at most 24.0 h, 48.0 h with its waits; its training about 6 s, by the model below`."""
    from launcher.cloud.cost import duration

    limits = found.settings.limits(found.here.job.max_run)
    waits = f", {duration(limits.wait)} with its waits" if limits.wait else ""
    expected = _training_seconds(found)
    model = "" if expected is None else f"; its training about {duration(round(expected))}, by the model below"
    return f"at most {duration(limits.run)}{waits}{model}"


def _cost(cost: Cost) -> str:
    from launcher.cloud.cost import dollars

    if cost.per_hour is None or cost.most is None:
        return f"not known: no price of {cost.price.instance_type} in {cost.price.region} is known here"
    parts = [f"at most {dollars(cost.most)}, at {dollars(cost.per_hour)} an hour"]
    if cost.spot:
        parts.append("less on spot machines, whose price AWS sets by the hour")
    if not cost.with_disks:
        parts.append("without the disks, whose price is not known")
    return f"{'; '.join(parts)} ({cost.price.source}, {cost.price.date})"


def _training_seconds(found: CloudPlan) -> float | None:
    """Seconds of all epochs by the model of `launcher.scaling`; None where it does not know the machine or the net."""
    job, net = found.here.job, found.here.net
    for speed in found.here.speeds:
        if net and speed.machine == found.settings.instance_type:
            return float(net.samples * net.values["epochs"] / speed.samples_per_second[job.hosts - 1])
    return None


def _print_speeds(found: Plan, speeds: list[Speed], screen: Console) -> None:
    screen.print()
    if not speeds:
        unknown = "Its speed" if found.net else "How fast it is, and what it sends at a step,"
        screen.print(
            f"{unknown} is not known without running it, as it is for mnist_mlp and mnist_cnn. "
            "`glaunch run` it on one host and on two, with little data.",
            highlight=False,
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("samples/s")
    for count in range(1, len(speeds[0].samples_per_second) + 1):
        table.add_column(f"{count} host{'s' * (count > 1)}", justify="right")
    for speed in speeds:
        alone = speed.samples_per_second[0]
        cells = [f"{value:,.0f}  [dim]x{value / alone:.2f}[/dim]" for value in speed.samples_per_second]
        table.add_row(speed.machine, *cells)
    screen.print(table, highlight=False)
    screen.print(
        "[dim]A model, not a measurement: compute + bytes / bandwidth + latency, with what was measured on one machine "
        f"({scaling.Fit.load().measured}). Cores of other machines differ.[/dim]",
        highlight=False,
    )


def _print_findings(found: CloudPlan, screen: Console) -> None:
    screen.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for message in found.unchecked:
        table.add_row(Text("not checked", "yellow"), Text(" ".join(message.split())))
    for message in found.problems:
        table.add_row(Text("wrong", "bold red"), Text(message))
    if not found.problems:
        left = "nothing that was checked" if found.unchecked else "nothing"
        table.add_row(Text("wrong", "green"), Text(f"{left}: `glaunch run` with the same words sends it"))
    screen.print(table, highlight=False)
