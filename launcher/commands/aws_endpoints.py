"""What the verbs of endpoints do on SageMaker."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from launcher.commands.endpoint_options import hosting_from
from launcher.commands.shared import console, say
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws
    from launcher.cloud.endpoint_requests import Names
    from launcher.cloud.hosting import Hosting
    from launcher.cloud.invocation import Client
    from launcher.config import Config


class _Model(NamedTuple):
    """What was named on the command line: the archive, its functions' file, its run and a name for its endpoint."""

    path: Path
    program: str
    run: str
    name: str


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
    config, aws = _open(profile)
    from launcher.cloud import deployment

    with ExitStack() as stack:
        found = _find(model, aws, config, stack)
        names = _names(name or found.name, found.run, config, aws, lifetime)
        deployment.require_free(aws, names)
        if not words["no_check"]:
            _check(found, sample)
        uri = _upload(found, aws, config)
        _note(f"making the endpoint {names.endpoint}")
        deployment.create(aws, names, hosting, uri, found.program)
    if not detach:
        _await(aws, names, hosting)
    _tell(aws, config, names.endpoint, as_json)


def update(name: str, model: str, profile: str, words: Mapping[str, Any], as_json: bool) -> None:
    """`glaunch update`."""
    from launcher import payload

    sample = payload.read(words["sample"]) if words["sample"] else None
    config, aws = _open(profile)
    from launcher.cloud import deployment, endpoints

    endpoint = endpoints.find(aws, name, config.stack)
    with ExitStack() as stack:
        found = _find(model, aws, config, stack)
        names = _names(name, found.run, config, aws, None)
        if not words["no_check"]:
            _check(found, sample)
        uri = _upload(found, aws, config)
        _note(f"updating {name}, which goes on serving its model until it serves the new one")
        deployment.update(aws, endpoint, names, uri, found.program)
    _tell(aws, config, name, as_json)


def list_endpoints(profile: str, as_json: bool) -> None:
    """`glaunch endpoints --on aws`."""
    config, aws = _open(profile)
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
    config, aws = _open(profile)
    from launcher.cloud import endpoints, invocation

    return invocation.Client(aws, endpoints.find(aws, name, config.stack))


def remove(names: tuple[str, ...], profile: str, as_json: bool) -> None:
    """`glaunch rm --on aws`."""
    config, aws = _open(profile)
    from launcher.cloud import removal

    removed = []
    for name in names:
        parts = removal.remove(aws, name, config.stack, _note)
        removed.append({"name": name, "configs": list(parts.configs), "models": list(parts.models)})
        if not as_json:
            click.echo(f"deleted {name}")
    if as_json:
        say(True, removed, "")


def _open(profile: str) -> tuple[Config, Aws]:
    from launcher.cloud.aws import Aws
    from launcher.config import Config

    config = Config.load(profile)
    return config, Aws(config)


def _find(word: str | None, aws: Aws, config: Config, stack: ExitStack) -> _Model:
    """The model on this machine; one in S3, or of a run that was not fetched, is fetched first."""
    from launcher import serving
    from launcher.cloud.store import Store
    from launcher.run import Run

    if word is not None and word.startswith("s3://"):
        path = Path(stack.enter_context(TemporaryDirectory(prefix="glaunch-"))) / "model.tar.gz"
        _note(f"fetching {word}")
        Store(aws, config.bucket).download(word, path)
        return _Model(path, serving.find_program(path), "", serving.file_name(word))
    if word is not None and (word.endswith(".gz") or Path(word).is_file()):
        path = Path(word).expanduser()
        if not path.is_file():
            raise UserError(f"no model at {path}: give a model.tar.gz, or a run that completed")
        return _Model(path, serving.find_program(path), "", serving.file_name(path))
    run = Run.find(word)
    if run.is_remote and not run.model.exists():
        from launcher.cloud import fetch, remote

        _note(f"fetching the model of {run.name}")
        fetch.fetch(run, remote.access(run))
    path = serving.model_of(run)
    return _Model(path, serving.program_of(run) or serving.find_program(path), run.name, serving.base_name(run))


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


def _check(model: _Model, sample: Any) -> None:
    from launcher import serving

    _note("loading the model on this machine, to see whether it would serve")
    told = serving.check(model.path, model.program, sample)
    if told:
        click.secho(told, fg="yellow", err=True)


def _upload(model: _Model, aws: Aws, config: Config) -> str:
    """Where the model is in the bucket, under the digest of its content; what is under runs/ is deleted in time."""
    from launcher.cloud import content
    from launcher.cloud.store import Store

    store = Store(aws, config.bucket)
    store.check()
    key = f"models/{content.read(model.path).sha256}/model.tar.gz"
    store.put_file(model.path, key)
    return store.uri(key)


def _await(aws: Aws, names: Names, hosting: Hosting) -> None:
    """Waits until a new endpoint serves. Ctrl-C asks whether it is to be removed; where nobody can be asked, it is."""
    from launcher.cloud import deployment, removal

    _note("waiting until it serves, which takes some minutes (Ctrl-C leaves or removes it)")
    try:
        deployment.await_service(aws, names, hosting, _note)
    except KeyboardInterrupt:
        can_ask = sys.stdin is not None and sys.stdin.isatty()
        question = f"{names.endpoint} is being made, and will cost: remove it?"
        if not can_ask or click.confirm(question, default=True, err=True):
            removal.remove(aws, names.endpoint, names.stack, _note)
        else:
            _note(f"AWS goes on with {names.endpoint}: `glaunch rm {names.endpoint} --on aws` removes it")
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


def _note(text: str) -> None:
    click.secho(text, dim=True, err=True)
