"""What the commands do more where a run is on SageMaker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from launcher.commands.shared import console

if TYPE_CHECKING:
    from launcher.diagnose import Cause
    from launcher.run import Run


def fresh(name: str | None) -> Run:
    """The run that a person means, brought up to date; what stands against that is told, and is no obstacle."""
    from launcher.run import Run

    found = Run.find(name)
    if found.is_remote:
        from launcher.cloud import remote

        _warn(remote.try_refresh([found]))
    return found


def all_fresh() -> list[Run]:
    """Every run here. AWS is asked about those alone that were not over when it was last asked."""
    from launcher.run import Run

    runs = Run.all()
    going_on = [run for run in runs if run.is_remote and not _is_over(run)]
    if going_on:
        from launcher.cloud import remote

        _warn(remote.try_refresh(going_on))
    return runs


def is_over(run: Run) -> Callable[[], bool]:
    """What `log.follow` asks about a run whose log is followed; that of a remote one goes on being mirrored."""
    if not run.is_remote:
        return lambda: run.status.is_over
    from launcher.cloud import remote
    from launcher.cloud.follow import Follower

    return Follower(run, remote.access(run), console(stderr=True)).is_over


def stop(run: Run) -> None:
    """Stops a job, wherever it runs."""
    if not run.is_remote:
        run.stop()
        return
    from launcher.cloud import remote

    remote.stop(run)


def before_removal(run: Run) -> str:
    """Looks whether a remote run is over by now; what is to be said when its folder is gone."""
    if not run.is_remote:
        return ""
    from launcher.cloud import remote

    _warn(remote.try_refresh([run]))
    return " here; AWS keeps its record of the job"


def cause(run: Run) -> Cause | None:
    """Why a run failed, or was stopped by a limit of its own; None where there is nothing to explain."""
    from launcher import diagnose
    from launcher.run import FAILED

    if not run.is_remote:
        return diagnose.explain(run) if run.status.state == FAILED else None
    from launcher.cloud import remote

    return remote.explain(run)


def list_jobs(profile: str, as_json: bool) -> None:
    """Prints the jobs of a profile's stack at AWS."""
    from launcher import tables
    from launcher.cloud import listing
    from launcher.cloud.aws import Aws
    from launcher.config import Config

    config = Config.load(profile)
    aws = Aws(config)
    jobs, more = listing.jobs(aws, config.stack)
    if as_json:
        tables.print_json([listing.as_object(job, aws.region) for job in jobs])
    elif jobs:
        tables.print_rows([listing.row(job) for job in jobs], console())
    else:
        click.echo(f"no jobs of the stack {config.stack} in {aws.region}: try `glaunch run mnist_mlp --on aws`")
    if more:
        click.echo(f"the latest {listing.LIMIT}; there are more", err=True)


def _is_over(run: Run) -> bool:
    from launcher.errors import UserError

    try:
        return run.status.is_over
    except UserError:  # a damaged record is shown as such
        return True


def _warn(text: str) -> None:
    if text:
        click.secho(text, fg="yellow", err=True)
