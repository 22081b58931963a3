"""A training job, whichever machine runs it: frozen, and checked when it is made."""

from __future__ import annotations

import json
import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher.errors import UserError

DISTRIBUTIONS = ("FullyReplicated", "ShardedByS3Key")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # what CreateTrainingJob accepts
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VARIABLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,511}")
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/.*)?")
_EVERY = re.compile(r"(?:[1-9][0-9]* ?(?:epochs?)?|(?=.*[1-9])[0-9]+(?:\.[0-9]+)? ?(?:s|seconds?))")


@dataclass(frozen=True)
class Channel:
    """One input of a job: a directory (or a single file, or a prefix in S3) and how its files reach the hosts.

    Attributes:
        source: an existing directory or file, absolute; or `s3://BUCKET/PREFIX`, which only hosts on SageMaker read.
        distribution: `FullyReplicated` (each host has every file) or `ShardedByS3Key` (each its part of them).
    """

    source: Path | str
    distribution: str = "FullyReplicated"

    def __post_init__(self) -> None:
        if isinstance(self.source, str):
            _check_s3(self.source)
        elif not os.path.exists(self.source):
            raise UserError(f"no data at {self.source}")
        if self.distribution not in DISTRIBUTIONS:
            raise UserError(f"a channel's distribution is one of {', '.join(DISTRIBUTIONS)}, not {self.distribution!r}")

    @property
    def path(self) -> Path:
        """The source, on this machine.

        Raises:
            UserError: it is in S3.
        """
        return _here("data", self.source)


def is_in_s3(word: str) -> bool:
    """Whether a word names a place in S3 rather than one on this machine."""
    return word.startswith("s3://")


def _check_s3(place: str) -> None:
    if not _S3.fullmatch(place):
        raise UserError(f"{place!r} is no place in S3: expected s3://BUCKET/PREFIX")


def _here(what: str, source: Path | str) -> Path:
    if isinstance(source, str):
        raise UserError(
            f"the {what} at {source} are in S3: run the job with --on aws, or copy them here, as with "
            f"`aws s3 sync {source} DIR`, and name DIR"
        )
    return source


@dataclass(frozen=True)
class Deadlines:
    """Seconds after which a job of several hosts that does not move is ended, since on its own it never would be.

    Attributes:
        start: until a host's first step.
        stall: between two steps, or with every process only waiting.
        finish: from the end of the first host to that of the last, and for saving the model.
    """

    start: float = 300.0
    stall: float = 600.0
    finish: float = 120.0

    def __post_init__(self) -> None:
        for name, seconds in vars(self).items():
            if not seconds > 0:
                raise UserError(f"deadlines: {name}: more than 0 seconds, not {seconds}")

    def variables(self) -> dict[str, str]:
        """The environment variables that tell our own scripts of them."""
        return {f"GLAUNCH_{name.upper()}_SECONDS": f"{seconds:g}" for name, seconds in vars(self).items()}


@dataclass(frozen=True)
class Checkpoints:
    """What a job keeps of its training while it goes on, and what it begins with.

    Attributes:
        every: `2 epochs`, or `30 seconds` (then at the end of the epoch they pass in); "" for never.
        keep: how many, the last ones.
        source: a directory of checkpoints to go on from, absolute, or `s3://BUCKET/PREFIX`; None begins anew.
    """

    every: str = ""
    keep: int = 3
    source: Path | str | None = None

    def __post_init__(self) -> None:
        if self.every and not _EVERY.fullmatch(self.every):
            raise UserError(
                f"checkpoints: every {self.every!r}: expected a number of epochs, as `2`, or of seconds, as `30s`"
            )
        if self.keep < 1:
            raise UserError(f"checkpoints: keep: at least 1, not {self.keep}")
        if isinstance(self.source, str):
            _check_s3(self.source)
        elif self.source is not None and not os.path.isdir(self.source):
            raise UserError(f"checkpoints: no directory {self.source}")

    @property
    def directory(self) -> Path | None:
        """The source, on this machine.

        Raises:
            UserError: it is in S3.
        """
        return self.source if self.source is None else _here("checkpoints", self.source)

    def variables(self) -> dict[str, str]:
        """The environment variables that tell our own scripts how often and how many to keep."""
        if not self.every:
            return {}
        return {"GLAUNCH_CHECKPOINT_EVERY": self.every, "GLAUNCH_CHECKPOINT_KEEP": str(self.keep)}


@dataclass(frozen=True)
class TrainingJob:
    """What to train, with which values, on which data, on how many hosts.

    Attributes:
        script: the entry point's file, absolute.
        source_dir: the directory that travels with it, absolute; None sends the script alone.
        hyperparameters: what `train()` receives: JSON values, typed.
        channels: by name; `training` is the usual one.
        hosts: how many.
        name: the base of the run's name; the script's by default.
        environment: variables added to the hosts' environment.
        max_run: seconds after which the job is stopped, or None.
        deadlines: for hosts that wait for each other.
        checkpoints: what is kept while it trains, and what it begins with.
        retries: how often a job that failed is started again, from its last checkpoint.
        kill_after: seconds after which the last host is killed, once, as a drill; the job is then started again.
        metrics: what is measured beside `launcher.metrics.DEFINITIONS`: a regular expression with one group, the value,
            by name.

    Raises:
        UserError: a value that SageMaker, or this machine, would refuse.
    """

    script: Path
    source_dir: Path | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    hosts: int = 1
    name: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    max_run: float | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    retries: int = 0
    kill_after: float | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_code()
        for name in self.channels:
            if not _CHANNEL_NAME.fullmatch(name):
                raise UserError(f"channel name {name!r}: letters, digits, '.', '-' and '_' only, at most 64")
        for name, value in self.hyperparameters.items():
            _check_json(name, value)
        for name, value in self.environment.items():
            if not _VARIABLE_NAME.fullmatch(name) or "\0" in value:
                raise UserError(f"environment variable {name!r}: letters, digits and '_' in its name, no NUL in it")
        for name, expression in self.metrics.items():
            _check_expression(name, expression)
        self._check_numbers()
        if not self.name:
            object.__setattr__(self, "name", _job_name(self.script.stem))
        if not _NAME.fullmatch(self.name):
            raise UserError(f"name {self.name!r}: letters, digits and '-' between them, at most 63")

    def _check_numbers(self) -> None:
        if self.hosts < 1:
            raise UserError(f"hosts: at least 1, not {self.hosts}")
        if self.max_run is not None and not self.max_run > 0:
            raise UserError(f"max_run: more than 0 seconds, not {self.max_run}")
        if self.retries < 0:
            raise UserError(f"retries: 0 or more, not {self.retries}")
        if self.kill_after is not None and not self.kill_after > 0:
            raise UserError(f"kill_after: more than 0 seconds, not {self.kill_after}")

    def require_here(self) -> None:
        """Raises UserError where a channel, or the checkpoints to go on from, are in S3 and not on this machine."""
        for channel in self.channels.values():
            _here("data", channel.source)
        if self.checkpoints.source is not None:
            _here("checkpoints", self.checkpoints.source)

    @property
    def program(self) -> str:
        """The script's path inside its source directory."""
        return str(self.script.relative_to(self.source_dir)) if self.source_dir else self.script.name

    def _check_code(self) -> None:
        if not os.path.isfile(self.script):
            raise UserError(f"no script {self.script}")
        if self.script.suffix != ".py":
            raise UserError(f"the script {self.script} is not a .py file")
        if self.source_dir is None:
            return
        if not os.path.isdir(self.source_dir):
            raise UserError(f"no source directory {self.source_dir}")
        if self.source_dir not in self.script.parents:
            raise UserError(f"the script {self.script} is not in the source directory {self.source_dir}")


def _job_name(stem: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "-", stem).strip("-")[:40].strip("-") or "job"


def _check_json(name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise UserError(f"hyperparameter {name}: {value!r} is not a JSON value") from None


def _check_expression(name: str, expression: str) -> None:
    try:
        groups = re.compile(expression).groups
    except re.error as error:
        raise UserError(f"metric {name}: {expression!r} is no regular expression: {error}") from None
    if not groups:
        raise UserError(f"metric {name}: {expression!r} has no group, in parentheses, for the value")
