"""What the verbs of endpoints do on SageMaker."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from launcher.commands import aws_models
from launcher.commands.endpoint_options import hosting_from
from launcher.commands.shared import console, say
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws
    from launcher.cloud.endpoint_requests import Names
    from launcher.cloud.hosting import Hosting
    from launcher.cloud.invocation import Client
    from launcher.config import Config


def deploy(model: str | None, name: str | None, profile: str, detach: bool, as_json: bool, words: Any) -> None:
    """`glaunch deploy --on aws`."""
    from launcher import payload, span

    hosting = hosting_from(words)
    lifetime = span.seconds(words["expires"]) if words["expires"] else None
    sample = payload.read(words["sample"]) if words["sample"] else None
    if detach and hosting.scaling:
        raise UserError(
            "--detach and --autoscale: an endpoint can be scaled when it serves, which has to be waited for"
        )
    config, aws = aws_models.open_account(profile)
    from launcher.cloud import deployment

    with ExitStack() as stack:
        found = aws_models.find(model, aws, config, stack)
        names = _names(name or found.name, found.run, config, aws, lifetime)
        deployment.require_free(aws, names)
        if not words["no_check"]:
            _check(found, sample)
        uri = aws_models.upload(found, aws, config)
        aws_models.note(f"making the endpoint {names.endpoint}")
        deployment.create(aws, names, hosting, uri, found.program)
    if not detach:
        _await(aws, names, hosting)
    _tell(aws, config, names.endpoint, as_json)


def update(name: str, model: str, profile: str, words: Mapping[str, Any], as_json: bool) -> None:
    """`glaunch update`."""
    from launcher import payload

    sample = payload.read(words["sample"]) if words["sample"] else None
    config, aws = aws_models.open_account(profile)
    from launcher.cloud import deployment, endpoints

    endpoint = endpoints.find(aws, name, config.stack)
    with ExitStack() as stack:
        found = aws_models.find(model, aws, config, stack)
        names = _names(name, found.run, config, aws, None)
        if not words["no_check"]:
            _check(found, sample)
        uri = aws_models.upload(found, aws, config)
        aws_models.note(f"updating {name}, which goes on serving its model until it serves the new one")
        deployment.update(aws, endpoint, names, uri, found.program)
    _tell(aws, config, name, as_json)


def list_endpoints(profile: str, as_json: bool) -> None:
    """`glaunch endpoints --on aws`."""
    config, aws = aws_models.open_account(profile)
    from launcher import cloud_tables
    from launcher.cloud import endpoints

    found = [(one, one.dollars(aws)) for one in endpoints.list_all(aws, config.stack)]
    if as_json:
        say(True, [cloud_tables.endpoint_as_object(one, dollars) for one, dollars in found], "")
    elif found:
        cloud_tables.print_endpoints(found, console())
    else:
        click.echo(f"no endpoints of the stack {config.stack} in {aws.region}: try `glaunch deploy --on aws`")


def client(name: str, profile: str) -> Client:
    """What calls an endpoint; UserError where it is not ours or does not serve."""
    config, aws = aws_models.open_account(profile)
    from launcher.cloud import endpoints, invocation

    return invocation.Client(aws, endpoints.find(aws, name, config.stack))


def remove(names: tuple[str, ...], profile: str, as_json: bool) -> None:
    """`glaunch rm --on aws`."""
    config, aws = aws_models.open_account(profile)
    from launcher.cloud import removal

    removed = []
    for name in names:
        parts = removal.remove(aws, name, config.stack, aws_models.note)
        removed.append({"name": name, "configs": list(parts.configs), "models": list(parts.models)})
        if not as_json:
            click.echo(f"deleted {name}")
    if as_json:
        say(True, removed, "")


def _names(name: str, run: str, config: Config, aws: Aws, lifetime: float | None) -> Names:
    from datetime import datetime, timezone

    from launcher.cloud import checks, endpoint_requests, tags

    expires = tags.as_text(datetime.fromtimestamp(time.time() + lifetime, timezone.utc)) if lifetime else ""
    return endpoint_requests.Names(
        name,
        endpoint_requests.version(name),
        checks.role_arn(config, aws),
        config.stack,
        aws.region,
        config.bucket,
        run,
        expires,
    )


def _check(model: aws_models.Model, sample: Any) -> None:
    from launcher import serving

    aws_models.note("loading the model on this machine, to see whether it would serve")
    told = serving.check(model.path, model.program, sample)
    if told:
        click.secho(told, fg="yellow", err=True)


def _await(aws: Aws, names: Names, hosting: Hosting) -> None:
    """Waits until a new endpoint serves. Ctrl-C asks whether it is to be removed; where nobody can be asked, it is."""
    from launcher.cloud import deployment, removal

    aws_models.note("waiting until it serves, which takes some minutes (Ctrl-C leaves or removes it)")
    try:
        deployment.await_service(aws, names, hosting, aws_models.note)
    except KeyboardInterrupt:
        can_ask = sys.stdin is not None and sys.stdin.isatty()
        question = f"{names.endpoint} is being made, and will cost: remove it?"
        if not can_ask or click.confirm(question, default=True, err=True):
            removal.remove(aws, names.endpoint, names.stack, aws_models.note)
        else:
            aws_models.note(f"AWS goes on with {names.endpoint}: `glaunch rm {names.endpoint} --on aws` removes it")
        raise


def _tell(aws: Aws, config: Config, name: str, as_json: bool) -> None:
    from launcher import cloud_tables
    from launcher.cloud import endpoints

    made = endpoints.find(aws, name, config.stack)
    price = cloud_tables.price_line(made, aws)
    lines = [
        f"{name} is {made.state} in {aws.region} ({price})",
        f"glaunch predict {name} FILE --on aws",
        f"glaunch rm {name} --on aws",
    ]
    say(as_json, cloud_tables.endpoint_as_object(made, made.dollars(aws)), "\n".join(lines))
