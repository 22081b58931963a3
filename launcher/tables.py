"""What the commands print: tables for a person, objects for `--json`."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from launcher import data, diagnose, doctor, metrics
from launcher.errors import UserError
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, Run, Status

_COLOURS = {COMPLETED: "green", FAILED: "red", STOPPED: "yellow", STOPPING: "yellow", IN_PROGRESS: "cyan"}


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(content, indent=1, default=str))


def run_as_object(run: Run) -> dict[str, Any]:
    """Everything a script may want to know about a run; UserError when its record cannot be read."""
    status = run.status
    return {
        "name": run.name,
        "state": status.state,
        "reason": status.reason,
        "created": status.created,
        "started": status.started,
        "ended": status.ended,
        "seconds": status.seconds,
        "restarts": list(status.restarts),
        "metrics": {name: value if math.isfinite(value) else None for name, value in status.metrics.items()},
        "hosts": {
            host: {
                "log": str(run.log(host)),
                "exit_status": status.exit_statuses.get(host),
                **status.hosts.get(host, {}),
            }
            for host in run.hosts
        },
        "job": run.job_content,
        "where": _where_as_object(run),
        "phases": list(status.phases),
        "billable": status.billable,
        "folder": str(run.folder),
        "model": str(run.model) if run.model.exists() else None,
        "output": str(run.output) if run.output.exists() else None,
    }


class Row(NamedTuple):
    """A line of a table of runs: where it is, and its status or why that cannot be read."""

    name: str
    status: Status | UserError
    where: str


def _where_as_object(run: Run) -> dict[str, Any]:
    from launcher.cloud import record

    if not run.is_remote:
        return {"on": "local"}
    sent = record.read(run)
    return {"on": "aws", "region": sent.region, "profile": sent.profile, "instance_type": sent.instance_type}


def print_runs(runs: list[Run], console: Console) -> None:
    """A line a run."""
    print_rows(
        [Row(run.name, _status_or_error(run), "SageMaker" if run.is_remote else "here") for run in runs], console
    )


def print_rows(rows: list[Row], console: Console) -> None:
    """A line a row, in their order."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "state", "started", "took", "validation", "where"):
        table.add_column(
            title, no_wrap=title != "state", justify="right" if title in ("took", "validation") else "left"
        )
    for name, status, where in rows:
        if isinstance(status, UserError):
            table.add_row(name, Text(str(status), style="red"), "", "", "", where)
            continue
        headline = metrics.headline(status.metrics)
        table.add_row(
            name,
            _state(status.state),
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.created)),
            duration(status.seconds),
            "" if headline is None else f"{headline[0]} {headline[1]:.4f}".removeprefix("accuracy "),
            where,
        )
    console.print(table)


def _status_or_error(run: Run) -> Status | UserError:
    try:
        return run.status
    except UserError as error:
        return error


def print_run(run: Run, console: Console) -> None:
    """What there is to know about a run."""
    status, job = run.status, run.job_content
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")

    def add(title: str, found: str) -> None:
        grid.add_row(Text(title), Text(found))

    add("run", run.name)
    grid.add_row("state", Text.assemble((status.state, _COLOURS[status.state]), f"  {status.reason}".rstrip()))
    if run.is_remote:
        add("where", _where(run))
    add("created", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.created)))
    add("took", duration(status.seconds) + (f", {status.billable:,.0f} s billable" if status.billable else ""))
    for restart in status.restarts:
        add("restarted", restart)
    add("script", job["entry_point"])
    for name, value in (job.get("hyperparameters") or {}).items():
        add(f"  {name}", json.dumps(value))
    for name, channel in (job.get("channels") or {}).items():
        add(f"channel {name}", channel["source"])
    for name, value in sorted(status.metrics.items()):
        add(name, f"{value:,.0f}" if "per_second" in name else f"{value:.6f}")
    for host in run.hosts:
        add(host, f"{_host(run, host)}\n{run.log(host)}")
    for title, path in (("model", run.model), ("output", run.output)):
        if path.exists():
            add(title, f"{path}  ({path.stat().st_size / 1024:,.0f} KiB)")
    console.print(grid, highlight=False)


def _where(run: Run) -> str:
    """`SageMaker, eu-west-1, 2 x ml.c5.xlarge  Downloading: Downloading input data`."""
    from launcher.cloud import record

    sent, status = record.read(run), run.status
    where = f"SageMaker, {sent.region}, {len(run.hosts)} x {sent.instance_type}"
    if status.is_over or not status.phases:
        return where
    phase = status.phases[-1]
    return f"{where}  {phase['name']}: {phase['message']}"


def _host(run: Run, host: str) -> str:
    """`done in 4.2 s, 2,000 samples, digest 488d48bff488493e`."""
    status = run.status
    exit_status, told = status.exit_statuses.get(host), status.hosts.get(host, {})
    # Of the hosts on SageMaker only the one is known that failed.
    state = "running" if not status.is_over else "ended" if run.is_remote else "not started"
    if exit_status is not None:
        state = diagnose.ending(exit_status) if exit_status else "done"
    took = f" in {duration(told['seconds'])}" if exit_status == 0 and "seconds" in told else ""
    samples = f", {told['samples']:,} samples" if "samples" in told else ""
    digest = f", digest {told['digest']}" if "digest" in told else ""
    return f"{state}{took}{samples}{digest}"


def print_cause(cause: diagnose.Cause, console: Console) -> None:
    """Why a run failed: the exception, the user's line, what to do, and then the traceback."""
    console.out(cause.reason, style="bold red", highlight=False)
    if cause.frame:
        frame = cause.frame
        console.out(
            f"  {from_home(Path(frame.file))}:{frame.line}, in {frame.function}\n    {frame.code}", highlight=False
        )
    if cause.hint:
        console.out(f"hint: {cause.hint}", style="yellow", highlight=False)
    if cause.traceback.count("\n"):
        console.out("\n" + cause.traceback, style="dim", highlight=False)


def print_data(entries: list[data.Entry], console: Console) -> None:
    """A line a data set."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "size", "where", "what"):
        table.add_column(title, justify="right" if title == "size" else "left", no_wrap=title == "name")
    for entry in entries:
        where = escape(str(entry.path)) if entry.path else "[dim]not here[/dim]"
        table.add_row(
            entry.name, f"{entry.size / 2**20:.1f} MiB", where, f"{entry.description} [dim]{entry.license}[/dim]"
        )
    console.print(table, highlight=False)


def print_checks(checks: list[doctor.Check], console: Console) -> None:
    """A line a check, and below it what to do."""
    marks = {"ok": "[green]ok[/green]  ", "note": "[yellow]note[/yellow]", "bad": "[red]bad[/red] "}
    for check in checks:
        console.print(f"{marks[check.state]}  [bold]{check.name:<8}[/bold] {escape(check.found)}", highlight=False)
        if check.advice:
            console.out(f"{'':16}{check.advice}", style="yellow", highlight=False)


def from_home(path: Path) -> str:
    """A path as a person would type it: `~/...` below the home directory."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):  # elsewhere, or a user without a home
        return str(path)


def duration(seconds: float | None) -> str:
    """`4.2 s`, `3 min 05 s`, `2 h 10 min`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _state(state: str) -> str:
    return f"[{_COLOURS[state]}]{state}[/{_COLOURS[state]}]"
