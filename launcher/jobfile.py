"""Job files: a TrainingJob as YAML that a person writes, and that a run folder keeps."""

from __future__ import annotations

import difflib
import json
import os.path
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher import library
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, Deadlines, TrainingJob

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


def to_yaml(job: TrainingJob) -> str:
    """A job file that `read` turns into the same job, wherever it is put: its paths are absolute."""
    import yaml

    content: dict[str, Any] = {"entry_point": str(job.script), "name": job.name, "hosts": job.hosts}
    if job.source_dir:
        content["source_dir"] = str(job.source_dir)
    if job.hyperparameters:
        content["hyperparameters"] = dict(job.hyperparameters)
    if job.channels:
        content["channels"] = {
            name: {"source": str(channel.source), "distribution": channel.distribution}
            for name, channel in job.channels.items()
        }
    if job.environment:
        content["environment"] = dict(job.environment)
    if job.max_run is not None:
        content["max_run"] = job.max_run
    if job.deadlines != Deadlines():
        content["deadlines"] = vars(job.deadlines)
    if job.checkpoints != Checkpoints():
        source = {"source": str(job.checkpoints.source)} if job.checkpoints.source else {}
        content["checkpoints"] = {"every": job.checkpoints.every, "keep": job.checkpoints.keep, **source}
    if job.retries:
        content["retries"] = job.retries
    if job.kill_after is not None:
        content["kill_after"] = job.kill_after
    dumper = _with_numbers_of_json(yaml.SafeDumper)
    text: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


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
    )


def _checkpoints(value: dict[str, Any], here: Path) -> Checkpoints:
    source = (here / os.path.expanduser(value["source"])).resolve() if "source" in value else None
    return Checkpoints(str(value.get("every", "")), int(value.get("keep", Checkpoints.keep)), source)


def _channel(value: str | dict[str, str], here: Path) -> Channel:
    described = {"source": value} if isinstance(value, str) else value
    source = (here / os.path.expanduser(described["source"])).resolve()
    return Channel(source, described.get("distribution", "FullyReplicated"))


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
