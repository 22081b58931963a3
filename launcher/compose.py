"""A job from the words of a command line."""

from __future__ import annotations

import json
import os.path
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher import data, jobfile, library
from launcher.errors import UserError
from launcher.job import Channel, TrainingJob


def job(
    word: str,
    *,
    parameters: Sequence[str] = (),
    data_word: str | None = None,
    channels: Sequence[str] = (),
    source_dir: Path | None = None,
    hosts: int | None = None,
    name: str | None = None,
    max_run: float | None = None,
) -> TrainingJob:
    """The job that the words mean.

    Args:
        word: a built-in entry point, a script or a job file (.yaml, .yml).
        parameters: `name=value`, the value as JSON; what is not JSON is a string.
        data_word: a directory or a known data set: the channel `training`.
        channels: `name=directory`, or `name=directory:sharded`.
        source_dir: the directory that travels with a script.
        hosts: how many.
        name: the base of the run's name.
        max_run: seconds.

    Raises:
        UserError: something is not there or not valid.
    """
    if word.endswith((".yaml", ".yml")):
        if source_dir:
            raise UserError(f"--source-dir {source_dir}: a job file has a source_dir of its own, put it into {word}")
        made = jobfile.read(Path(word))
    else:
        directory = Path(os.path.expanduser(source_dir)).resolve() if source_dir else None
        made = TrainingJob(library.find_script(word, directory), directory)
    given = _channels(data_word, channels)
    if not given and not made.channels and made.script in library.built_in().values():
        given = {"training": Channel(data.sample_digits())}
    return replace(
        made,
        hyperparameters={**made.hyperparameters, **_hyperparameters(parameters)},
        channels={**made.channels, **given},
        hosts=hosts or made.hosts,
        name=name or made.name,
        max_run=made.max_run if max_run is None else max_run,
    )


def _hyperparameters(parameters: Iterable[str]) -> dict[str, Any]:
    return dict(_hyperparameter(parameter) for parameter in parameters)


def _hyperparameter(parameter: str) -> tuple[str, Any]:
    name, equals, text = parameter.partition("=")
    if not name or not equals:
        raise UserError(f"-p {parameter}: expected name=value")
    try:
        return name, json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith(("[", "{", '"')):
            raise UserError(f"-p {parameter}: the value is not JSON: {error}") from None
        return name, text


def _channels(data_word: str | None, channels: Iterable[str]) -> dict[str, Channel]:
    made = {"training": Channel(data.resolve(data_word))} if data_word is not None else {}
    for text in channels:
        name, equals, place = text.partition("=")
        if not name or not equals or not place:
            raise UserError(f"--channel {text}: expected name=directory")
        directory, _, sharded = place.rpartition(":")
        if directory and sharded == "sharded":
            made[name] = Channel(data.resolve(directory), "ShardedByS3Key")
        else:
            made[name] = Channel(data.resolve(place))
    return made
