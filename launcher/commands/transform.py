"""The verb that sends many files through a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.aws_options import AWS
from launcher.commands.shared import complete_run, json_option, on_option, profile_option, say
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    from launcher.local.transform import Batching

_ON_AWS = ("instance_type", "instances", "tags", "max_run")


@click.command()
@click.argument("model", metavar="RUN|MODEL.tar.gz", shell_complete=complete_run)
@click.argument("source", metavar="INPUT")
@click.option("--output", type=click.Path(path_type=Path), default=Path("transformed"), show_default=True)
@click.option("--content-type", metavar="TYPE", help="Of the files; by what their names end in, if all end alike.")
@click.option("--accept", metavar="TYPE", default="application/json", show_default=True, help="Of the answers.")
@click.option("--split", type=click.Choice(["None", "Line", "RecordIO"]), default="None", show_default=True)
@click.option("--batch", type=int, metavar="N", default=0, help="Records of a request at most; as many as fit.")
@click.option("--max-payload", type=int, metavar="MB", default=6, show_default=True, help="Of a request.")
@click.option("--instance-type", metavar="TYPE", help="On AWS: of its machines; ml.m5.large.")
@click.option("--instances", type=int, help="On AWS: how many; 1.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="On AWS: beside glaunch's own.")
@click.option("--max-run", type=float, metavar="SECONDS", help="On AWS: stop it after that long; a day.")
@on_option
@profile_option
@json_option
def transform(
    model: str,
    source: str,
    output: Path,
    content_type: str | None,
    accept: str,
    split: str,
    batch: int,
    max_payload: int,
    on: str,
    profile: str,
    as_json: bool,
    **words: Any,
) -> int:
    """Send a file, or all files of a directory, through a model, here or on SageMaker.

    The answers to the file NAME become NAME.out in the --output directory. --split Line sends the lines of a CSV or
    JSON-lines file as many requests. The model is served for as long as this takes; on SageMaker the files are sent to
    the bucket, and the answers fetched from it; there INPUT may also be an s3:// URI. Ctrl-C ends it.

    \b
    glaunch transform mnist-mlp-2026-01-31 digits.csv --split Line
    glaunch transform model.tar.gz pictures/ --output answers
    glaunch transform mnist-mlp-2026-01-31 digits.csv --split Line --on aws
    """
    from launcher.local.transform import Batching, content_type_of, find

    found = {} if source.startswith("s3://") else find(Path(source).expanduser())
    if not found and (on != AWS or not content_type):
        what = "--on aws reads it" if on != AWS else "give --content-type with it"
        raise UserError(f"{source} is in S3: {what}")
    batching = Batching(content_type or content_type_of(found), accept, split, batch, max_payload)
    if on == AWS:
        from launcher.commands import aws_transform

        outcome = aws_transform.transform(model, source, output, batching, profile, words)
    else:
        _refuse(words)
        outcome = _transform_here(model, found, output, batching)
    return _conclude(outcome, output, as_json)


def _refuse(words: Mapping[str, Any]) -> None:
    for name in _ON_AWS:
        if words[name] not in (None, ()):
            raise UserError(f"--{name.rstrip('s') if name == 'tags' else name.replace('_', '-')}: add --on aws")


def _transform_here(model: str, found: Mapping[str, Path], output: Path, batching: Batching) -> dict[str, str]:
    from launcher import serving
    from launcher.local import transform as local

    artifact, name, program = serving.find(model)
    label = f"{name}: {len(found)} file{'s' if len(found) > 1 else ''}"
    with click.progressbar(found.items(), label=label, file=sys.stderr) as bar:
        environment = serving.environment(program)
        return local.transform(
            artifact, found, output, batching, environment=environment, on_file=lambda _name: bar.update(1)
        )


def _conclude(outcome: Mapping[str, str], output: Path, as_json: bool) -> int:
    from launcher import tables
    from launcher.local.transform import SUFFIX

    failed = {name: error for name, error in outcome.items() if error}
    if as_json:
        content = [
            {"file": name, "output": None if error else str(output / f"{name}{SUFFIX}"), "error": error or None}
            for name, error in outcome.items()
        ]
        say(True, content, "")
    elif not failed:
        one = f" {next(iter(outcome))}{SUFFIX}" if len(outcome) == 1 else ""
        click.echo(
            f"{len(outcome)} file{'s' if len(outcome) > 1 else ''} in {tables.from_home(output)}:{one}".rstrip(":")
        )
    if failed and not as_json:
        lines = "\n".join(f"  {name}: {error}" for name, error in failed.items())
        done = f"; the other {len(outcome) - len(failed)} are in {output}" if len(failed) < len(outcome) else ""
        raise JobFailed(f"{len(failed)} of {len(outcome)} files failed{done}\n{lines}")
    return JobFailed.exit_status if failed else 0
