"""The verb that looks ahead: what a job would do."""

from __future__ import annotations

from typing import Any

import click

from launcher.commands.aws_options import AWS, aws_options, settings_from
from launcher.commands.job_options import job_options, resume_option
from launcher.commands.shared import console, json_option
from launcher.errors import UserError


@click.command()
@job_options
@resume_option
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
