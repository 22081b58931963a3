"""The verbs of training jobs: run them, look at them, end them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.shared import (
    complete_run,
    complete_run_or_endpoint,
    complete_script,
    console,
    json_option,
    run_argument,
    say,
)
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    import subprocess

    from rich.console import Console

    from launcher.run import Run


@click.command()
@click.argument("script", metavar="SCRIPT|JOB.yaml", required=False, shell_complete=complete_script)
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A hyperparameter; the value is JSON.")
@click.option("--data", "data_word", metavar="DIR|NAME", help="The channel `training`: a directory or a data set.")
@click.option("--channel", "channels", multiple=True, metavar="NAME=DIR", help="Another channel.")
@click.option("--source-dir", type=click.Path(path_type=Path), help="A directory that travels with the script.")
@click.option("--hosts", type=click.IntRange(1, 64), help="How many hosts, with MXNet's parameter server.")
@click.option("--name", help="The base of the run's name.")
@click.option("--max-run", type=float, metavar="SECONDS", help="Stop the job after that long.")
@click.option("--checkpoint-every", metavar="N|Ns", help="Keep a checkpoint every N epochs, or N seconds.")
@click.option("--resume", metavar="RUN", shell_complete=complete_run, help="Go on from a run's last checkpoint.")
@click.option("--retries", type=click.IntRange(0), help="Start a job that failed again, from its last checkpoint.")
@click.option("--kill-after", type=float, metavar="SECONDS", help="A drill: kill a host then, and see the job recover.")
@click.option("--detach", is_flag=True, help="Return at once; the job goes on.")
@json_option
def run(script: str | None, detach: bool, as_json: bool, **words: Any) -> int:
    """Run a job on this machine.

    SCRIPT is a built-in entry point (mnist_mlp, mnist_cnn) or a Python file that defines train() and save(), or runs
    as a program; a JOB.yaml describes the whole job. Without data, the built-in ones train on 5,000 sample digits.

    \b
    glaunch run mnist_mlp -p epochs=3 -p hidden='[16, 16]'
    glaunch run mnist_cnn --data fashion-mnist --hosts 2
    glaunch run train.py --source-dir . --channel training=data/
    glaunch run --resume mnist-mlp-2026-01-31 -p epochs=20
    """
    from launcher import compose, tables
    from launcher.local import runner
    from launcher.run import COMPLETED, Run

    started = Run.create(compose.job(script, **words))
    process = runner.launch(started, detach=detach)
    if detach:
        say(as_json, {"name": started.name, "folder": str(started.folder)}, started.name)
        return 0
    _attend(started, process, console(stderr=as_json))
    status = started.status
    if as_json:
        tables.print_json(tables.run_as_object(started))
    else:
        _conclude(started)
    return 0 if status.state == COMPLETED else JobFailed.exit_status


@click.command("ls")
@json_option
def list_runs(as_json: bool) -> None:
    """List the runs, the latest first.

    \b
    glaunch ls
    glaunch ls --json | jq '.[0].metrics'
    """
    from launcher import tables
    from launcher.run import Run

    runs = Run.all()
    if as_json:
        tables.print_json([_object_or_error(run) for run in runs])
    elif runs:
        tables.print_runs(runs, console())
    else:
        click.echo("no runs yet: try `glaunch run mnist_mlp`")


@click.command()
@run_argument
@json_option
def show(run_name: str | None, as_json: bool) -> None:
    """Show one run.

    Its state, values, data, results and files. The latest run by default.

    \b
    glaunch show
    glaunch show mnist-mlp-2026-01-31
    """
    from launcher import tables
    from launcher.run import Run

    found = Run.find(run_name)
    if as_json:
        tables.print_json(tables.run_as_object(found))
    else:
        tables.print_run(found, console())


@click.command()
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@click.option("--host", default="algo-1", show_default=True, help="Whose log.")
@json_option
def logs(run_name: str | None, follow: bool, host: str, as_json: bool) -> None:
    """Print what a host of a run printed.

    The latest run by default.

    \b
    glaunch logs -f
    """
    import json

    from launcher import log
    from launcher.run import Run

    found = Run.find(run_name)
    if host not in found.hosts:
        raise UserError(f"run {found.name} has no host {host!r}: it has {', '.join(found.hosts)}")
    for name, line in log.follow({host: found.log(host)}, lambda: not follow or found.status.is_over):
        click.echo(json.dumps({"host": name, "line": line}) if as_json else line)


@click.command()
@run_argument
@json_option
def stop(run_name: str | None, as_json: bool) -> None:
    """Stop a running job.

    No process of it is left when the command returns. The latest run by default.

    \b
    glaunch stop mnist-mlp-2026-01-31
    """
    from launcher.run import Run

    found = Run.find(run_name)
    found.stop()
    state = found.status.state
    say(as_json, {"name": found.name, "state": state}, f"{found.name}: {state}")


@click.command()
@run_argument
@json_option
def explain(run_name: str | None, as_json: bool) -> None:
    """Tell why a run failed.

    It names your own exception, its file and line, and what usually helps. The latest run by default.

    \b
    glaunch explain
    """
    from launcher import diagnose, tables
    from launcher.run import FAILED, Run

    found = Run.find(run_name)
    status = found.status
    if status.state != FAILED:
        reason = f": {status.reason}" if status.reason else ""
        say(as_json, {"name": found.name, "state": status.state}, f"{found.name} is {status.state}{reason}")
        return
    cause = diagnose.explain(found)
    if as_json:
        frame = cause.frame._asdict() if cause.frame else None
        tables.print_json({"name": found.name, **cause._asdict(), "frame": frame})
    else:
        tables.print_cause(cause, console())


@click.command()
@click.argument("names", metavar="RUN|ENDPOINT...", nargs=-1, required=True, shell_complete=complete_run_or_endpoint)
@json_option
def rm(names: tuple[str, ...], as_json: bool) -> None:
    """Delete runs, with their logs and models, and endpoints.

    A running job must be stopped first; an endpoint is stopped. An endpoint is meant where its whole name is given.

    \b
    glaunch rm mnist-mlp-2026-01-31
    glaunch rm mnist-mlp
    """
    from launcher.local.endpoint import Endpoint
    from launcher.run import Run

    endpoints = {endpoint.name: endpoint for endpoint in Endpoint.all()}
    found = [endpoints.get(name) or Run.find(name) for name in names]
    for one in found:
        one.remove()
        if not as_json:
            click.echo(f"deleted {one.name}")
    if as_json:
        say(as_json, [one.name for one in found], "")


def _attend(run: Run, process: subprocess.Popen[bytes], screen: Console) -> None:
    """Shows a job of ours until it is over; Ctrl-C stops it, a second one at once."""
    from launcher import progress

    try:
        progress.watch(run, lambda: process.poll() is not None, screen)
    except BaseException:
        click.secho(f"stopping {run.name} (Ctrl-C again: at once)", fg="yellow", err=True)
        try:
            run.stop()
        except KeyboardInterrupt:
            run.stop(deadline=0)
        raise


def _conclude(run: Run) -> None:
    from launcher import tables
    from launcher.run import COMPLETED

    screen, status = console(), run.status
    if run.job_content.get("kill_after") and not status.restarts:
        screen.print("[yellow]no drill: the job was over before a host was to be killed[/yellow]", highlight=False)
    if status.state != COMPLETED:
        screen.print(f"[red]{status.state}[/red] {run.name}", highlight=False)
        screen.print(status.reason, markup=False, highlight=False, soft_wrap=True)
        screen.print(f"[dim]glaunch explain {run.name}[/dim]", highlight=False)
        return
    screen.print(f"[green]{status.state}[/green] {run.name} in {tables.duration(status.seconds)}", highlight=False)
    if "validation:accuracy" in status.metrics:
        screen.print(f"validation accuracy {status.metrics['validation:accuracy']:.4f}", highlight=False)
    screen.out(f"model {tables.from_home(run.model)}", highlight=False)


def _object_or_error(run: Run) -> dict[str, Any]:
    from launcher import tables

    try:
        return tables.run_as_object(run)
    except UserError as error:
        return {"name": run.name, "error": str(error)}
