"""A model.tar.gz that is to be served: its endpoint's name, the file of its code that loads it, whether it starts."""

from __future__ import annotations

import os.path
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from launcher import archive
from launcher.errors import JobFailed, UserError
from launcher.local import program
from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings
from launcher.payload import Payload
from launcher.run import COMPLETED, Run

_VARIABLE = "SAGEMAKER_PROGRAM"
_TIME = re.compile(r"(-\d+){7}$")  # at the end of a run's name


def base_name(run: Run) -> str:
    """What an endpoint for a run is called: the run's name without its time."""
    return _TIME.sub("", run.name)


def file_name(path: Path | str) -> str:
    """What an endpoint for a file, or an object in S3, is called."""
    stem = str(path).rpartition("/")[2].partition(".")[0]
    return re.sub(r"[^a-zA-Z0-9]+", "-", stem).strip("-")[:50] or "model"


class Model(NamedTuple):
    """A model.tar.gz, a name for its endpoint, and the file of its code that has its functions, or ""."""

    path: Path
    name: str
    program: str


def find(word: str | None) -> Model:
    """The model that a person means.

    Args:
        word: a model.tar.gz, or a run; None for the latest run.

    Raises:
        UserError: there is no such run, or it left no model. That the file exists is not checked.
    """
    if word is not None and (word.endswith(".gz") or Path(word).is_file()):
        path = Path(word).expanduser()
        return Model(path, file_name(path), "")
    run = Run.find(word)
    return Model(model_of(run), base_name(run), program_of(run))


def model_of(run: Run) -> Path:
    """The model of a run; UserError where it left none, or it is still on SageMaker."""
    if run.model.exists():
        return run.model
    if run.is_remote and run.status.state == COMPLETED:
        raise UserError(f"the model of {run.name} is still on SageMaker: `glaunch fetch {run.name}` brings it here")
    raise UserError(f"run {run.name} left no model: it is {run.status.state}")


def program_of(run: Run) -> str:
    """The file of a run's code that has the model's functions, where the job says so; else "".

    It does where its script, one of perhaps several in a source directory, defines them.
    """
    content = run.job_content
    script, directory = content["entry_point"], content.get("source_dir")
    if not directory or not program.defines_functions(Path(script)):
        return ""
    return str(os.path.relpath(script, directory))


def find_program(artifact: Path) -> str:
    """The file of a model's code that has its functions; "" where there is none, for AWS's defaults.

    Raises:
        UserError: it is no archive of a model, or several files define the functions.
    """
    with tempfile.TemporaryDirectory(prefix="glaunch-") as scratch:
        model = Path(scratch, "model")
        archive.extract(artifact, model)
        found = program.find_script(model / "code")
    return found.name if found else ""


def environment(named: str) -> Mapping[str, str]:
    """The variables with which a container takes that file of a model's code; none for ""."""
    return {_VARIABLE: named} if named else {}


def check(artifact: Path, named: str, payload: Payload | None = None) -> str:
    """Serves a model on this machine for one request.

    Args:
        artifact: the model.tar.gz that is to be served elsewhere.
        named: the file of its code that has its functions, or "".
        payload: the request; if None a random sample, where the model says what it takes, else none.

    Returns:
        What a person should know of it though it starts, or "".

    Raises:
        JobFailed: the model does not start, or does not answer; with its own error.
    """
    from launcher import bench, home

    settings = Settings(port=0, environment=environment(named))
    name = f"check-{secrets.token_hex(6)}"
    try:
        with Endpoint.start(artifact, name, settings) as endpoint, endpoint.client as client:
            described = client.describe()
            if payload is None and described.get("shape") is None:
                return "the model loads; it does not say what it takes, so nothing was asked: --sample FILE asks that"
            asked = payload or bench.sample(endpoint)
            client.invoke(asked.body, asked.content_type)
            return str(described.get("warning") or "")
    except JobFailed as error:
        reason = str(error).partition("\nlogs are in")[0]
        raise JobFailed(f"this model would not serve: {reason}") from None
    finally:
        Endpoint(home.endpoints_directory() / name).remove()
