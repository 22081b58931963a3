"""The options of the commands whose job may run on SageMaker: where, and on which machines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from launcher.commands.shared import on_option, profile_option
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.settings import Settings

_F = TypeVar("_F", bound=Callable[..., Any])

AWS = "aws"  # of `--on`; the other one is this machine

# Each option's name is that of the setting it gives. None and () are for "not given": the job file's value holds.
_OPTIONS = (
    click.option("--instance-type", metavar="TYPE", help="Of each host: ml.c5.xlarge."),
    click.option("--volume-size", type=int, metavar="GiB", help="Of each host's disk."),
    click.option("--spot/--no-spot", default=None, help="Spare machines: cheaper, and may be taken away."),
    click.option("--max-wait", type=float, metavar="SECONDS", help="That a spot job may take, its waits too."),
    click.option("--keep-alive", type=float, metavar="SECONDS", help="Keep the machines warm for the next job."),
    click.option("--subnet", "subnets", multiple=True, metavar="ID", help="Of the VPC that the hosts are in."),
    click.option("--security-group", "security_groups", multiple=True, metavar="ID", help="Of the hosts in a VPC."),
    click.option("--kms-key", metavar="ID|ARN", help="Encrypts the disks and the model."),
    click.option("--input-mode", metavar="File|FastFile", help="Copy the data first, or stream it when it is read."),
    click.option("--framework-version", metavar="VERSION", help="Of AWS's MXNet image: 1.9.0."),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="On the job, beside glaunch's own."),
    click.option("--max-cost", type=float, metavar="USD", help="Refuse a job that may cost more."),
)


def aws_options(function: _F) -> _F:
    """Adds `--on`, `--profile` and the options of a job on SageMaker to a command.

    The command gets three arguments for them: `on`, AWS or this machine; `profile`, the name of a configuration; and
    `aws_words`, a mapping for `settings_from`. Options of a job on SageMaker without `--on aws` are refused.
    """

    @functools.wraps(function)
    def gather(*arguments: Any, on: str, **words: Any) -> Any:
        context = click.get_current_context()
        aws_words = {name: words.pop(name) for name in _names()}
        if on != AWS:
            _refuse(context, {*aws_words, "profile"})
        return function(*arguments, on=on, aws_words=aws_words, **words)

    command: Any = gather
    for option in reversed(_OPTIONS):
        command = option(command)
    decorated: _F = on_option(profile_option(command))
    return decorated


def settings_from(words: Mapping[str, Any], in_job_file: Settings | None = None) -> Settings:
    """The settings that the options mean, over those of the job file.

    Args:
        words: `aws_words`, as the command got them.
        in_job_file: the section `aws` of the job file, if there is one.

    Raises:
        UserError: a value that SageMaker would refuse, or a `--tag` without its value.
    """
    from dataclasses import replace

    from launcher.cloud.settings import Settings

    before = in_job_file or Settings()
    given = {name: value for name, value in words.items() if value is not None and value != ()}
    if "tags" in given:
        given["tags"] = {**before.tags, **tags_from(given["tags"])}
    if given.get("spot") is False:
        given.setdefault("max_wait", None)  # the job file's was meant for its spot
    return replace(before, **given)


def tags_from(words: Iterable[str]) -> dict[str, str]:
    """The tags of `--tag key=value` options; UserError for one that is none."""
    return dict(_tag(text) for text in words)


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UserError(f"--tag {text}: expected key=value")
    return key, value


def _names() -> list[str]:
    from launcher.cloud.settings import Settings

    return [one.name for one in fields(Settings)]


def _refuse(context: click.Context, names: set[str]) -> None:
    """Raises UserError for the first of these options that was typed."""
    for parameter in context.command.params:
        typed = context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        if parameter.name in names and typed:
            raise UserError(f"{parameter.opts[0]}: only a job on SageMaker has it: add --on aws")
