"""The verb that looks ahead: what a job would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from launcher.commands.aws_options import AWS, aws_options, settings_from
from launcher.commands.shared import complete_run, complete_script, console, json_option
from launcher.errors import UserError


@click.command()
@click.argument("script", metavar="SCRIPT|JOB.yaml", required=False, shell_complete=complete_script)
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A hyperparameter; the value is JSON.")
@click.option("--data", "data_word", metavar="DIR|NAME", help="The channel `training`: a directory or a data set.")
@click.option("--channel", "channels", multiple=True, metavar="NAME=DIR", help="Another channel.")
@click.option("--source-dir", type=click.Path(path_type=Path), help="A directory that travels with the script.")
@click.option("--hosts", type=click.IntRange(1, 64), help="How many hosts; 4 are looked at if it is one.")
@click.option("--name", help="The base of the run's name.")
@click.option("--max-run", type=float, metavar="SECONDS", help="Stop the job after that long.")
@click.option("--checkpoint-every", metavar="N|Ns", help="Keep a checkpoint every N epochs, or N seconds.")
@click.option("--resume", metavar="RUN", shell_complete=complete_run, help="Go on from a run's last checkpoint.")
@click.option("--retries", type=click.IntRange(0), help="Start a job that failed again, from its last checkpoint.")
@aws_options
@json_option
def plan(script: str | None, as_json: bool, on: str, profile: str, aws_words: dict[str, Any], **words: Any) -> int:
    """Tell what a job would do, without running it.

    Its script, values, data and deadlines, checked; and how fast it would train on several hosts of this machine and of
    some instance types, by a model fitted to measurements. With --on aws also what it sends, what SageMaker would
    refuse it for, and what it can cost: AWS is only asked, and as far as it answers. --json has the whole request.

    \b
    glaunch plan mnist_cnn --data mnist --hosts 4 -p batch_size_per_host=100
    glaunch plan mnist_cnn --data mnist --on aws --hosts 2 --max-cost 5
    """
    from launcher import compose, plan_tables, tables
    from launcher import plan as plans

    job = compose.job(script, **words)
    if on != AWS:
        found = plans.plan(job)
        if as_json:
            tables.print_json(plan_tables.as_object(found))
        else:
            plan_tables.print_plan(found, console())
        return 0

    from launcher.cloud import plan as cloud
    from launcher.config import Config

    planned = cloud.plan(job, settings_from(aws_words, compose.settings(script, words["resume"])), Config.load(profile))
    if as_json:
        tables.print_json(plan_tables.cloud_as_object(planned))
    else:
        plan_tables.print_cloud_plan(planned, console())
    return UserError.exit_status if planned.problems else 0
