"""A batch transform: files through an endpoint of this machine that is there for them alone.

As SageMaker does it (https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html): what is answered to the
file NAME becomes NAME.out, in the same subfolder; a file with a record that fails has no NAME.out, and the job has
failed then, but all other files are gone through.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import files, home
from launcher.errors import UserError
from launcher.local import channels, records
from launcher.local.client import JSON, Client
from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings

MEGABYTE = 2**20
LARGEST = 100  # MB, of a request on SageMaker
SUFFIX = ".out"
_TYPES = {
    ".csv": "text/csv",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": JSON,
    ".jsonl": "application/jsonlines",
    ".npy": "application/x-npy",
    ".png": "image/png",
    ".rec": "application/x-recordio",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class Batching:
    """How files become requests, and answers files.

    Attributes:
        content_type: of the requests.
        accept: the content type of the answers.
        split: `None` (a file is a request), `Line` or `RecordIO`.
        several: how many records a request has at most; 0 for as many as fit.
        limit: megabytes of a request.

    Raises:
        UserError: a value that SageMaker would refuse.
    """

    content_type: str
    accept: str = JSON
    split: str = "None"
    several: int = 0
    limit: int = 6

    def __post_init__(self) -> None:
        if self.split not in records.SPLITS:
            raise UserError(f"--split: one of {', '.join(records.SPLITS)}, not {self.split!r}")
        if not 1 <= self.limit <= LARGEST:
            raise UserError(f"--max-payload: 1 to {LARGEST} MB, not {self.limit}")
        if self.several < 0:
            raise UserError(f"--batch: 1 or more records of a request, not {self.several}")
        if self.several and self.split == "None":
            raise UserError("--batch counts the records of a request, and a file is one without --split Line")

    @property
    def by_line(self) -> bool:
        """Whether each answer ends its line in the output."""
        return self.split == "Line"


def find(source: Path) -> dict[str, Path]:
    """The files to transform, by their names in the output without the suffix; UserError where there are none."""
    return {name: Path(path) for name, path in channels.files("input", source).items()}


def content_type_of(found: Mapping[str, Path]) -> str:
    """The content type of files, by what their names end in: SageMaker takes one for all of them.

    Raises:
        UserError: they are of several, or of none that is known.
    """
    types = {_TYPES.get(path.suffix.lower(), "") for path in found.values()}
    if len(types) == 1 and (one := types.pop()):
        return one
    suffixes = ", ".join(sorted({path.suffix or path.name for path in found.values()})[:5])
    raise UserError(f"the files are {suffixes}: which content type have they? Give --content-type, one for all of them")


def transform(
    model: Path,
    found: Mapping[str, Path],
    output: Path,
    batching: Batching,
    *,
    environment: Mapping[str, str],
    on_file: Callable[[str], object] = lambda _name: None,
) -> dict[str, str]:
    """Serves a model, sends the files to it, writes the answers, and removes the endpoint, whatever happens.

    Args:
        model: a model.tar.gz.
        found: the files, by name.
        output: a directory; `NAME.out` is replaced there, whole or not at all.
        batching: how files become requests.
        environment: variables of the endpoint.
        on_file: called with the name of each file that is done.

    Returns:
        Of each file, by name, what was wrong with it, or "" where its answers are written.

    Raises:
        UserError: there is no such model, or nothing can be written there.
        JobFailed: the model does not serve.
    """
    outcome = {}
    name = f"transform-{secrets.token_hex(6)}"
    settings = Settings(port=0, environment=environment)
    try:
        with Endpoint.start(model, name, settings) as endpoint, endpoint.client as client:
            for key, path in found.items():
                outcome[key] = _transform_file(client, path, output / f"{key}{SUFFIX}", batching)
                on_file(key)
    finally:
        Endpoint(home.endpoints_directory() / name).remove()  # one that does not serve stays, with its logs
    return outcome


def _transform_file(client: Client, path: Path, target: Path, batching: Batching) -> str:
    """Writes the answers to one file; what was wrong with it, or "". Raises UserError where nothing can be written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic(target) as file:
            for body in _requests(content, batching):
                answer = client.invoke(body, batching.content_type, batching.accept).body
                file.write(answer + b"\n" if batching.by_line and not answer.endswith(b"\n") else answer)
    except UserError as error:  # an answer that is none, or a record that is too long
        return str(error)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}") from None
    return ""


def _requests(content: bytes, batching: Batching) -> list[bytes]:
    limit = batching.limit * MEGABYTE
    return list(records.batch(records.split(content, batching.split), limit, batching.several))
