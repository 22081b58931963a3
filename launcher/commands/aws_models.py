"""Models for SageMaker: found here, in S3, or on the run that made them; and brought into the bucket."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import click

from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws
    from launcher.config import Config


class Model(NamedTuple):
    """What was named on the command line: the archive, its functions' file, its run and a name for its endpoint."""

    path: Path
    program: str
    run: str
    name: str


def open_account(profile: str) -> tuple[Config, Aws]:
    """A configuration and the access to AWS that it names; UserError as of `Config.load` and `Aws`."""
    from launcher.cloud.aws import Aws
    from launcher.config import Config

    config = Config.load(profile)
    return config, Aws(config)


def find(word: str | None, aws: Aws, config: Config, stack: ExitStack) -> Model:
    """The model on this machine; one in S3, or of a run that was not fetched, is fetched first."""
    from launcher import serving
    from launcher.cloud.store import Store
    from launcher.run import Run

    if word is not None and word.startswith("s3://"):
        path = Path(stack.enter_context(TemporaryDirectory(prefix="glaunch-"))) / "model.tar.gz"
        note(f"fetching {word}")
        Store(aws, config.bucket).download(word, path)
        return Model(path, serving.find_program(path), "", serving.file_name(word))
    if word is not None and (word.endswith(".gz") or Path(word).is_file()):
        path = Path(word).expanduser()
        if not path.is_file():
            raise UserError(f"no model at {path}: give a model.tar.gz, or a run that completed")
        return Model(path, serving.find_program(path), "", serving.file_name(path))
    run = Run.find(word)
    if run.is_remote and not run.model.exists():
        from launcher.cloud import fetch, remote

        note(f"fetching the model of {run.name}")
        fetch.fetch(run, remote.access(run))
    path = serving.model_of(run)
    return Model(path, serving.program_of(run) or serving.find_program(path), run.name, serving.base_name(run))


def upload(model: Model, aws: Aws, config: Config) -> str:
    """Where the model is in the bucket, under the digest of its content; what is under runs/ is deleted in time."""
    from launcher.cloud import content
    from launcher.cloud.store import Store

    store = Store(aws, config.bucket)
    store.check()
    key = f"models/{content.read(model.path).sha256}/model.tar.gz"
    store.put_file(model.path, key)
    return store.uri(key)


def note(text: str) -> None:
    """Says what is being done, on standard error."""
    click.secho(text, dim=True, err=True)
