"""The verb that brings what a job on SageMaker left to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from launcher.commands.shared import console, json_option, profile_option, run_argument, say
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws
    from launcher.cloud.fetch import Fetched
    from launcher.run import Run


@click.command()
@run_argument
@profile_option
@json_option
def fetch(run_name: str | None, profile: str, as_json: bool) -> None:
    """Fetch the model of a run on SageMaker.

    Its output, checkpoints, logs and measurements, too: with them it is as a run of this machine, for deploy, export
    and --resume. The whole name of a job that was sent from another machine makes a run of it here; --profile says in
    which stack. The latest run by default.

    \b
    glaunch fetch
    glaunch fetch mnist-mlp-2026-01-31-12-00-00-000
    """
    from launcher.bar import bytes_bar

    run, aws = _find(run_name, profile)
    from launcher.cloud import fetch as fetching

    with bytes_bar(f"fetching {run.name}", console(stderr=True)) as report:
        fetched = fetching.fetch(run, aws, report)
    content = {
        "name": run.name,
        "state": run.status.state,
        "folder": str(run.folder),
        "model": fetched.model and str(fetched.model),
        "output": fetched.output and str(fetched.output),
        "checkpoints": fetched.checkpoints,
    }
    say(as_json, content, _told(run, fetched))


def _find(name: str | None, profile: str) -> tuple[Run, Aws]:
    """The run that is meant, with access to AWS; one is made of a job that has none here."""
    from launcher.cloud import remote
    from launcher.cloud.aws import Aws
    from launcher.config import Config
    from launcher.run import Run

    runs = Run.all()
    if name is None or any(run.name.startswith(name) for run in runs):
        run = Run.find(name)
        if not run.is_remote:
            raise UserError(f"run {run.name} ran here: {run.folder} has all of it")
        return run, remote.access(run)
    config = Config.load(profile)
    aws = Aws(config)
    from launcher.cloud.adopt import adopt

    return adopt(name, aws, config, profile), aws


def _told(run: Run, fetched: Fetched) -> str:
    from launcher import tables
    from launcher.run import COMPLETED

    lines = [f"{run.name}: {run.status.state}"]
    if fetched.model:
        lines.append(f"model {tables.from_home(fetched.model)}")
    elif run.status.state == COMPLETED:
        lines.append("S3 has no model of it: its script saved none, or the bucket's runs have expired")
    elif run.status.is_over:
        lines.append(f"it left no model: see `glaunch explain {run.name}`")
    else:
        lines.append(f"no model yet: `glaunch logs -f {run.name}` follows it")
    if fetched.output:
        lines.append(f"output {tables.from_home(fetched.output)}")
    if fetched.checkpoints:
        lines.append(f"checkpoints: {fetched.checkpoints} files")
    return "\n".join(lines)
