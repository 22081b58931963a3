"""Job files: a TrainingJob as YAML that a person writes, and that a run folder keeps."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher import library
from launcher.errors import UserError
from launcher.job import Channel, TrainingJob

if TYPE_CHECKING:
    from jsonschema import ValidationError

SCHEMA = Path(__file__).with_name("job.schema.json")


def read(path: Path) -> TrainingJob:
    """The job in a file. Paths in it are relative to the file.

    Raises:
        UserError: no such file, not YAML, or not a job; the message names the line and the key.
    """
    content = parse(path)
    here = path.absolute().parent
    source_dir = content.get("source_dir")
    if source_dir is not None:
        source_dir = (here / Path(source_dir).expanduser()).resolve()
    script = library.find_script(content["entry_point"], source_dir or here)
    return TrainingJob(
        script=script,
        source_dir=source_dir,
        hyperparameters=content.get("hyperparameters") or {},
        channels={name: _channel(value, here) for name, value in (content.get("channels") or {}).items()},
        hosts=content.get("hosts", 1),
        name=content.get("name", ""),
        environment=content.get("environment") or {},
        max_run=content.get("max_run"),
    )


def parse(path: Path) -> dict[str, Any]:
    """The checked content of a job file: a mapping that follows job.schema.json. Raises UserError as `read` does."""
    import jsonschema
    import yaml

    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the job file {path}: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))
    wrong = jsonschema.exceptions.best_match(validator.iter_errors(content))
    if wrong is not None:
        raise UserError(f"{path}, line {_line(tree, wrong)}: {_sentence(wrong)}")
    assert isinstance(content, dict)
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
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def _channel(value: str | dict[str, str], here: Path) -> Channel:
    described = {"source": value} if isinstance(value, str) else value
    source = (here / Path(described["source"]).expanduser()).resolve()
    return Channel(source, described.get("distribution", "FullyReplicated"))


def _sentence(error: ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the job"
    if error.validator == "additionalProperties":
        known = _known_keys(error)
        unknown = _unknown_key(error)
        nearest = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        return f"unknown key {unknown!r}{hint}; known are {', '.join(known)}"
    return f"{where}: {error.message}"


def _known_keys(error: ValidationError) -> list[str]:
    schema: Any = error.schema
    return list(schema["properties"])


def _unknown_key(error: ValidationError) -> str:
    instance: Any = error.instance
    return str(next(key for key in instance if key not in _known_keys(error)))


def _line(tree: Any, error: ValidationError) -> int:
    """The line of the key that is wrong, counted from 1."""
    import yaml

    node, line = tree, 1 if tree is None else tree.start_mark.line + 1
    path = list(error.absolute_path)
    if error.validator == "additionalProperties":
        path.append(_unknown_key(error))
    for step in path:
        if isinstance(node, yaml.SequenceNode):
            node = node.value[step]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if str(step) not in pairs:
                break
            key, node = pairs[str(step)]
            line = key.start_mark.line + 1
    return int(line)
