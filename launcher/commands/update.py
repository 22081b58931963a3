"""The verb that gives an endpoint another model."""

from __future__ import annotations

from typing import Any

import click

from launcher.commands import aws_endpoints
from launcher.commands.endpoint_options import AWS
from launcher.commands.shared import complete_run, json_option, on_option, profile_option
from launcher.errors import UserError


@click.command()
@click.argument("name", metavar="ENDPOINT")
@click.argument("model", metavar="RUN|MODEL.tar.gz", shell_complete=complete_run)
@click.option("--sample", metavar="FILE", help="What the model is asked before; else a random sample.")
@click.option("--no-check", is_flag=True, help="Do not load the model on this machine before.")
@on_option
@profile_option
@json_option
def update(name: str, model: str, on: str, profile: str, as_json: bool, **words: Any) -> None:
    """Give an endpoint on SageMaker another model.

    It serves all along: the one before until the new one answers. What fails leaves it as it was. Machines, capture and
    scaling stay.

    \b
    glaunch update mnist-mlp mnist-mlp-2026-02-01 --on aws
    """
    if on != AWS:
        raise UserError(
            "an endpoint on this machine is deployed again, under the same --name: for SageMaker add --on aws"
        )
    aws_endpoints.update(name, model, profile, words, as_json)
