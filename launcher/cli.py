"""The command `glaunch`. Its verbs are functions in `launcher.commands`, a few calls each."""

from __future__ import annotations

import sys

import click

from launcher import __version__
from launcher.commands import (
    config,
    data,
    endpoints,
    export,
    fetch,
    infra,
    jobs,
    machine,
    plan,
    report,
    run,
    sweep,
    transform,
    tune,
    update,
    upload,
)
from launcher.errors import UserError

INTERRUPTED = 130


def main() -> None:
    """Runs the command line and exits: 0 done, 1 the job failed, 2 wrong use, 130 interrupted."""
    try:
        sys.exit(cli(prog_name="glaunch", standalone_mode=False) or 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        click.secho(f"glaunch: {error}", fg="red", err=True)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        click.secho("glaunch: interrupted", fg="yellow", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `glaunch logs | head`
        sys.stderr.close()
        sys.exit(0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="glaunch")
def cli() -> None:
    """Train Gluon (MXNet) models here exactly as on Amazon SageMaker: no Docker, no AWS account.

    \b
    glaunch run mnist_mlp              train on the sample digits
    glaunch run train.py --data DIR    train with a script of your own
    glaunch ls                         what has been run
    glaunch deploy                     serve the latest model on this machine
    """


for command in (
    run.run,
    plan.plan,
    tune.tune,
    tune.tunings,
    jobs.list_runs,
    jobs.show,
    jobs.logs,
    jobs.stop,
    jobs.explain,
    report.report,
    fetch.fetch,
    jobs.rm,
    endpoints.deploy,
    endpoints.endpoints,
    endpoints.predict,
    update.update,
    transform.transform,
    endpoints.bench,
    export.export,
    data.data,
    upload.upload,
    sweep.sweep,
    infra.infra,
    config.config,
    machine.doctor,
    machine.completion,
):
    cli.add_command(command)
