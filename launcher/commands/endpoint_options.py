"""The options of `deploy`: those of an endpoint on this machine, and those of one on SageMaker."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from launcher.commands.shared import on_option, profile_option
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.hosting import Hosting

_F = TypeVar("_F", bound=Callable[..., Any])

AWS = "aws"  # of `--on`

_HERE = (
    click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
    click.option("--port", type=int, help="8080 by default, or a free one where that is taken."),
    click.option("--workers", type=int, default=1, show_default=True, help="Processes that answer."),
    click.option("--runtime", type=click.Choice(["mxnet", "onnx"]), default="mxnet", show_default=True),
    click.option("--server", type=click.Choice(["glaunch", "mms"]), default="glaunch", help="mms is AWS's own."),
    click.option("--limit", type=float, default=60.0, show_default=True, help="Seconds that an invocation may take."),
    click.option("--load-limit", type=float, default=300.0, show_default=True, help="Seconds to load the model."),
    click.option("--queue", type=int, default=1000, show_default=True, help="Requests that may wait for a worker."),
)
_ON_AWS = (
    click.option("--instance-type", metavar="TYPE", help="On AWS: of its machines; ml.c5.large."),
    click.option("--instances", type=int, help="On AWS: how many; 1."),
    click.option("--serverless", is_flag=True, help="On AWS: no machines of its own; paid while it answers."),
    click.option("--memory", type=int, metavar="MiB", help="Of a serverless one: 1024 to 6144; 2048."),
    click.option("--max-concurrency", type=int, help="Requests that a serverless one answers at a time; 5."),
    click.option(
        "--async", "is_async", is_flag=True, help="On AWS: requests wait in a queue, answers go to the bucket."
    ),
    click.option("--autoscale", metavar="MIN:MAX", help="On AWS: as many instances as the load needs."),
    click.option("--autoscale-target", type=float, metavar="N", help="Invocations a minute and instance; 1000."),
    click.option("--capture", type=int, metavar="PERCENT", help="On AWS: keep so many requests and answers."),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="On AWS: beside glaunch's own."),
    click.option("--expires", metavar="2h", help="On AWS: `glaunch sweep --expired` removes it after that."),
    click.option("--framework-version", metavar="VERSION", help="Of AWS's MXNet image; 1.9.0."),
    click.option("--sample", metavar="FILE", help="On AWS: what the model is asked before; else a random sample."),
    click.option("--no-check", is_flag=True, help="On AWS: do not load the model on this machine before."),
)
_HERE_NAMES = ("host", "port", "workers", "runtime", "server", "limit", "load_limit", "queue")
_AWS_NAMES = ("instance_type", "instances", "serverless", "memory", "max_concurrency", "is_async", "autoscale",
              "autoscale_target", "capture", "tags", "expires", "framework_version", "sample", "no_check")  # fmt: skip
_TARGETS = {False: 1000.0, True: 5.0}  # of autoscaling: invocations a minute; requests that wait


def deploy_options(function: _F) -> _F:
    """Adds `--on`, `--profile` and the options of both kinds of endpoint to a command.

    The command gets `on`, `profile`, `here`, a mapping for `launcher.local.service.Settings`, and `there`, one for
    `hosting_from`. An option of the other kind is refused.
    """

    @functools.wraps(function)
    def gather(*arguments: Any, on: str, **words: Any) -> Any:
        _refuse(click.get_current_context(), on)
        here = {name: words.pop(name) for name in _HERE_NAMES}
        there = {name: words.pop(name) for name in _AWS_NAMES}
        return function(*arguments, on=on, here=here, there=there, **words)

    command: Any = gather
    for option in reversed((on_option, profile_option, *_HERE, *_ON_AWS)):
        command = option(command)
    decorated: _F = command
    return decorated


def hosting_from(words: Mapping[str, Any]) -> Hosting:
    """How SageMaker is to serve, from the options of `deploy`.

    Raises:
        UserError: a value that SageMaker would refuse, or options that do not go together.
    """
    from launcher.cloud.hosting import ASYNCHRONOUS, REAL_TIME, SERVERLESS, Hosting

    kind = SERVERLESS if words["serverless"] else ASYNCHRONOUS if words["is_async"] else REAL_TIME
    if words["serverless"] and words["is_async"]:
        raise UserError("--serverless and --async: an endpoint is one of the two")
    mine, others = ("memory", "max_concurrency"), ("instance_type", "instances")
    for name in others if kind == SERVERLESS else mine:
        if words[name] is not None:
            what = "machines of its own" if kind == SERVERLESS else "what a serverless endpoint has"
            raise UserError(f"--{name.replace('_', '-')}: a {kind} endpoint does not have {what}")
    names = (*mine, *others, "capture", "framework_version")
    given = {name: words[name] for name in names if words[name] is not None}
    scaling = _scaling(words)
    if scaling:
        given.setdefault("instances", max(1, scaling.least))
    return Hosting(kind=kind, scaling=scaling, tags=dict(map(_tag, words["tags"])), **given)


def _scaling(words: Mapping[str, Any]) -> Any:
    from launcher.cloud.hosting import Scaling

    if words["autoscale"] is None:
        if words["autoscale_target"] is not None:
            raise UserError("--autoscale-target goes with --autoscale MIN:MAX")
        return None
    least, _, most = words["autoscale"].partition(":")
    if not (least.isdecimal() and most.isdecimal()):
        raise UserError(f"--autoscale {words['autoscale']}: expected MIN:MAX, as 1:4")
    target = words["autoscale_target"]
    return Scaling(int(least), int(most), _TARGETS[words["is_async"]] if target is None else target)


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UserError(f"--tag {text}: expected key=value")
    return key, value


def _refuse(context: click.Context, on: str) -> None:
    """Raises UserError for the first option that was typed and belongs to the other kind of endpoint."""
    others: tuple[str, ...] = _HERE_NAMES
    told = "an endpoint on this machine has it, not one on SageMaker"
    if on != AWS:
        others, told = (*_AWS_NAMES, "profile"), "an endpoint on SageMaker has it: add --on aws"
    for parameter in context.command.params:
        typed = context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        if parameter.name in others and typed:
            raise UserError(f"{parameter.opts[0]}: {told}")
