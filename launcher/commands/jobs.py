"""The verbs of runs: look at them, end them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launcher.commands import remote
from launcher.commands.shared import (
    complete_run_or_endpoint,
    console,
    json_option,
    on_option,
    profile_option,
    run_argument,
    say,
)
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.run import Run


@click.command("ls")
@on_option
@profile_option
@json_option
def list_runs(on: str, profile: str, as_json: bool) -> None:
    """List the runs, the latest first.

    With --on aws the jobs of the stack at AWS, also those that were sent from other machines; `glaunch fetch NAME`
    brings one here.

    \b
    glaunch ls
    glaunch ls --json | jq '.[0].metrics'
    glaunch ls --on aws
    """
    from launcher import tables

    if on == "aws":
        remote.list_jobs(profile, as_json)
        return
    runs = remote.all_fresh()
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

    found = remote.fresh(run_name)
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

    found = remote.fresh(run_name)
    if host not in found.hosts:
        raise UserError(f"run {found.name} has no host {host!r}: it has {', '.join(found.hosts)}")
    for name, line in log.follow({host: found.log(host)}, remote.is_over(found) if follow else lambda: True):
        click.echo(json.dumps({"host": name, "line": line}) if as_json else line)


@click.command()
@run_argument
@json_option
def stop(run_name: str | None, as_json: bool) -> None:
    """Stop a running job.

    No process of it is left when the command returns; on SageMaker its script has 120 s to save what it has. The latest
    run by default.

    \b
    glaunch stop mnist-mlp-2026-01-31
    """
    from launcher.run import Run

    found = Run.find(run_name)
    remote.stop(found)
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
    from launcher import tables

    found = remote.fresh(run_name)
    status, cause = found.status, remote.cause(found)
    if cause is None:
        reason = f": {status.reason}" if status.reason else ""
        say(as_json, {"name": found.name, "state": status.state}, f"{found.name} is {status.state}{reason}")
        return
    if as_json:
        frame = cause.frame._asdict() if cause.frame else None
        tables.print_json({"name": found.name, **cause._asdict(), "frame": frame})
    else:
        tables.print_cause(cause, console())


@click.command()
@click.argument("names", metavar="RUN|ENDPOINT...", nargs=-1, required=True, shell_complete=complete_run_or_endpoint)
@on_option
@profile_option
@json_option
def rm(names: tuple[str, ...], on: str, profile: str, as_json: bool) -> None:
    """Delete runs, with their logs and models, and endpoints.

    A running job must be stopped first; an endpoint is stopped. An endpoint is meant where its whole name is given.
    Of a run on SageMaker the folder here goes; AWS keeps its record, and its model until the bucket's runs expire. With
    --on aws the names are those of endpoints there: each goes with its configurations, its models and its scaling.

    \b
    glaunch rm mnist-mlp-2026-01-31
    glaunch rm mnist-mlp
    glaunch rm mnist-mlp --on aws
    """
    if on == "aws":
        from launcher.commands import aws_endpoints

        aws_endpoints.remove(names, profile, as_json)
        return
    from launcher.local.endpoint import Endpoint
    from launcher.run import Run

    endpoints = {endpoint.name: endpoint for endpoint in Endpoint.all()}
    found = [endpoints.get(name) or Run.find(name) for name in names]
    for one in found:
        note = remote.before_removal(one) if isinstance(one, Run) else ""
        one.remove()
        if not as_json:
            click.echo(f"deleted {one.name}{note}")
    if as_json:
        say(as_json, [one.name for one in found], "")


def _object_or_error(run: Run) -> dict[str, Any]:
    from launcher import tables

    try:
        return tables.run_as_object(run)
    except UserError as error:
        return {"name": run.name, "error": str(error)}
