"""A job from the words of a command line."""

from __future__ import annotations

import json
import os.path
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher import data, jobfile, library
from launcher.cloud import record
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob, is_in_s3
from launcher.run import Run


def job(
    word: str | None,
    *,
    parameters: Sequence[str] = (),
    data_word: str | None = None,
    channels: Sequence[str] = (),
    source_dir: Path | None = None,
    hosts: int | None = None,
    name: str | None = None,
    max_run: float | None = None,
    checkpoint_every: str | None = None,
    resume: str | None = None,
    retries: int | None = None,
    kill_after: float | None = None,
) -> TrainingJob:
    """The job that the words mean.

    Args:
        word: a built-in entry point, a script or a job file (.yaml, .yml); None for the job of the run to resume.
        parameters: `name=value`, the value as JSON; what is not JSON is a string.
        data_word: a directory, a known data set or `s3://BUCKET/PREFIX`: the channel `training`.
        channels: `name=directory`, or `name=directory:sharded`; `s3://BUCKET/PREFIX` for a directory, too.
        source_dir: the directory that travels with a script.
        hosts: how many.
        name: the base of the run's name.
        max_run, kill_after: seconds.
        checkpoint_every: `2` epochs, `30s`; with kill_after every epoch by default.
        resume: a run whose checkpoints the job begins with.
        retries: how often it is started again.

    Raises:
        UserError: something is not there or not valid.
    """
    earlier = Run.find(resume) if resume else None
    if word is None:
        if earlier is None:
            raise UserError("which job? name a script, a built-in entry point or a job file, or --resume a RUN")
        made = earlier.job
    elif word.endswith((".yaml", ".yml")):
        if source_dir:
            raise UserError(f"--source-dir {source_dir}: a job file has a source_dir of its own, put it into {word}")
        made = jobfile.read(Path(word))
    else:
        directory = Path(os.path.expanduser(source_dir)).resolve() if source_dir else None
        made = TrainingJob(library.find_script(word, directory), directory)
    given = _channels(data_word, channels)
    if not given and not made.channels and made.script in library.built_in().values():
        given = {"training": Channel(data.sample_for(made.script.stem))}
    return replace(
        made,
        hyperparameters={**made.hyperparameters, **hyperparameters(parameters)},
        channels={**made.channels, **given},
        hosts=hosts or made.hosts,
        name=name or made.name,
        max_run=made.max_run if max_run is None else max_run,
        checkpoints=_checkpoints(made.checkpoints, checkpoint_every, earlier, kill_after),
        retries=made.retries if retries is None else retries,
        kill_after=kill_after if earlier or kill_after is not None else made.kill_after,
    )


def settings(word: str | None, resume: str | None = None) -> Settings | None:
    """How SageMaker runs the job of these words, as far as its job file says; None where it says nothing.

    Raises:
        UserError: as `job` does.
    """
    if word is None and resume:
        return jobfile.read_settings(Run.find(resume).folder / "job.yaml")
    return jobfile.read_settings(Path(word)) if word and word.endswith((".yaml", ".yml")) else None


def _checkpoints(made: Checkpoints, every: str | None, earlier: Run | None, kill_after: float | None) -> Checkpoints:
    every = every or made.every or ("1 epoch" if kill_after is not None else "")
    if earlier is None:
        return replace(made, every=every)
    if not earlier.status.is_over:
        raise UserError(f"run {earlier.name} is still running: `glaunch stop {earlier.name}` first")
    source = earlier.host(earlier.hosts[0]) / "checkpoints"
    if earlier.is_remote and not source.is_dir():
        return replace(made, every=every, source=record.read(earlier).checkpoints)
    if not source.is_dir() or not any(source.iterdir()):
        raise UserError(f"run {earlier.name} left no checkpoints: run it with --checkpoint-every, as `1` or `30s`")
    return replace(made, every=every, source=source.absolute())


def hyperparameters(parameters: Iterable[str]) -> dict[str, Any]:
    """The values of `name=value` words, each JSON or else a string; UserError for a word without a name or value."""
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
    made = {"training": _channel(data_word)} if data_word is not None else {}
    for text in channels:
        name, equals, place = text.partition("=")
        if not name or not equals or not place:
            raise UserError(f"--channel {text}: expected name=directory")
        directory, _, sharded = place.rpartition(":")
        if directory and sharded == "sharded":
            made[name] = _channel(directory, "ShardedByS3Key")
        else:
            made[name] = _channel(place)
    return made


def _channel(word: str, distribution: str = Channel.distribution) -> Channel:
    return Channel(word if is_in_s3(word) else data.resolve(word), distribution)
