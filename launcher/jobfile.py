"""Job files: a TrainingJob as YAML that a person writes, and that a run folder keeps."""

from __future__ import annotations

import difflib
import json
import os.path
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher import library
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, Deadlines, TrainingJob, is_in_s3

if TYPE_CHECKING:
    from jsonschema import ValidationError

SCHEMA = Path(__file__).with_name("job.schema.json")
_EXPONENT_ONLY = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$")


def read(path: Path) -> TrainingJob:
    """The job in a file. Paths in it are relative to the file.

    Raises:
        UserError: no such file, not YAML, or not a job; the message names the line and the key.
    """
    content = parse(path)
    try:
        return _job(content, path.absolute().parent)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read_settings(path: Path) -> Settings | None:
    """The section `aws` of a job file: how SageMaker runs the job; None where there is none.

    Raises:
        UserError: as `read` does, and for a value that SageMaker would refuse.
    """
    section = parse(path).get("aws")
    try:
        return None if section is None else Settings(**{**section, **_whole(section)})
    except UserError as error:
        raise UserError(f"{path}: aws: {error}") from None


def parse(path: Path) -> dict[str, Any]:
    """The checked content of a job file: a mapping that follows job.schema.json. Raises UserError as `read` does."""
    import jsonschema
    import yaml

    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        content = yaml.load(text, _with_numbers_of_json(yaml.SafeLoader))  # noqa: S506 - it is a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the job file {path}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is in no calendar
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a job: write at least a line `entry_point: SCRIPT`")
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))
    wrong = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if wrong is not None:
        raise UserError(f"{path}, line {_line(tree, wrong)}: {_sentence(wrong)}")
    return content


def to_yaml(job: TrainingJob, settings: Settings | None = None) -> str:
    """A job file that `read` turns into the same job, wherever it is put: its paths are absolute.

    Args:
        job: what is run.
        settings: how SageMaker runs it, which `read_settings` gives back; None for a job without a section `aws`.
    """
    import yaml

    content = {
        "entry_point": str(job.script),
        "name": job.name,
        "hosts": job.hosts,
        "source_dir": str(job.source_dir) if job.source_dir else None,
        "hyperparameters": dict(job.hyperparameters),
        "channels": {
            name: {"source": str(channel.source), "distribution": channel.distribution}
            for name, channel in job.channels.items()
        },
        "environment": dict(job.environment),
        "max_run": job.max_run,
        "deadlines": vars(job.deadlines) if job.deadlines != Deadlines() else None,
        "checkpoints": _checkpoints_content(job.checkpoints),
        "retries": job.retries,
        "kill_after": job.kill_after,
        "metrics": dict(job.metrics),
        "aws": settings and settings.as_content(),
    }
    content = {name: value for name, value in content.items() if value}
    dumper = _with_numbers_of_json(yaml.SafeDumper)
    text: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


def _checkpoints_content(checkpoints: Checkpoints) -> dict[str, Any] | None:
    if checkpoints == Checkpoints():
        return None
    source = {"source": str(checkpoints.source)} if checkpoints.source else {}
    return {"every": checkpoints.every, "keep": checkpoints.keep, **source}


def _with_numbers_of_json(kind: Any) -> Any:
    """A YAML loader or dumper to which `1e-3` is a number, as in JSON; to YAML 1.1 it is a string."""
    made: Any = type(kind.__name__, (kind,), {})
    made.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT_ONLY, list("-+0123456789"))
    return made


def _job(content: dict[str, Any], here: Path) -> TrainingJob:
    source_dir = content.get("source_dir")
    if source_dir is not None:
        source_dir = (here / os.path.expanduser(source_dir)).resolve()
    return TrainingJob(
        script=library.find_script(content["entry_point"], source_dir or here),
        source_dir=source_dir,
        hyperparameters=content.get("hyperparameters") or {},
        channels={name: _channel(value, here) for name, value in (content.get("channels") or {}).items()},
        hosts=int(content.get("hosts", 1)),  # JSON Schema takes 2.0 for an integer
        name=content.get("name", ""),
        environment=content.get("environment") or {},
        max_run=content.get("max_run"),
        deadlines=Deadlines(**(content.get("deadlines") or {})),
        checkpoints=_checkpoints(content.get("checkpoints") or {}, here),
        retries=int(content.get("retries", 0)),
        kill_after=content.get("kill_after"),
        metrics=content.get("metrics") or {},
    )


def _checkpoints(value: dict[str, Any], here: Path) -> Checkpoints:
    source = _place(value["source"], here) if "source" in value else None
    return Checkpoints(str(value.get("every", "")), int(value.get("keep", Checkpoints.keep)), source)


def _channel(value: str | dict[str, str], here: Path) -> Channel:
    described = {"source": value} if isinstance(value, str) else value
    return Channel(_place(described["source"], here), described.get("distribution", "FullyReplicated"))


def _place(text: str, here: Path) -> Path | str:
    return text if is_in_s3(text) else (here / os.path.expanduser(text)).resolve()


def _whole(section: dict[str, Any]) -> dict[str, int]:
    return {"volume_size": int(section["volume_size"])} if "volume_size" in section else {}  # JSON Schema takes 30.0


def _sentence(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        known = _known_keys(error)
        unknown = _unknown_key(error)
        nearest = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        return f"unknown key {unknown!r}{hint}; known are {', '.join(known)}"
    where = ".".join(map(str, error.absolute_path)) or "the job"
    return f"{where}: {error.message}"


def _known_keys(error: ValidationError) -> list[str]:
    schema: Any = error.schema
    return list(schema["properties"])


def _unknown_key(error: ValidationError) -> str:
    instance: Any = error.instance
    return str(next(key for key in instance if key not in _known_keys(error)))


def _line(tree: Any, error: ValidationError) -> int:
    """The line of the key that is wrong, counted from 1."""
    node, line = tree, tree.start_mark.line + 1
    path = list(error.absolute_path)
    if error.validator == "additionalProperties":
        path.append(_unknown_key(error))
    for step in path:
        pairs = {key.value: (key, value) for key, value in node.value}
        if str(step) not in pairs:
            break
        key, node = pairs[str(step)]
        line = key.start_mark.line + 1
    return int(line)
