"""A search as it goes on: its trials, and the folder that is its record.

GLAUNCH_HOME/tunings/NAME/
  study.json    what is looked for, and what became of each trial
  job.yaml      the job that is tried, with the values that are not tuned
  trials.png    the chart

A trial is a run of its own, beside all others.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from launcher import files, home, jobfile, naming, processes
from launcher.cloud.settings import Settings
from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED
from launcher.tuning import search as searching
from launcher.tuning.search import Search

FORMAT = 1
_NAME_LIMIT = 32  # of a tuning job on SageMaker
_TIME = "%y%m%d-%H%M%S"


@dataclass(frozen=True)
class Trial:
    """One run of a search.

    Attributes:
        number: from 1.
        run: the name of the run, or of the training job.
        values: of the hyperparameters that are tuned.
        state: of the run, in SageMaker's words.
        objective: the last value of the metric; None until there is one.
        seconds: that it took; None while it has not begun.
        reason: why it failed, or counts for nothing.
    """

    number: int
    run: str
    values: Mapping[str, Any]
    state: str = IN_PROGRESS
    objective: float | None = None
    seconds: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Study:
    """One search and its trials. `write` keeps it.

    Attributes:
        name: of its folder; on SageMaker that of the tuning job.
        search: what is looked for.
        created, ended: seconds since the epoch.
        state, reason: as a run's.
        trials: in the order of their numbers.
        conductor: the process here that starts its trials, as (pid, start time in clock ticks).
        region, profile: of one on SageMaker; "" of one here.
    """

    name: str
    search: Search
    created: float
    state: str = IN_PROGRESS
    ended: float | None = None
    reason: str = ""
    trials: tuple[Trial, ...] = ()
    conductor: tuple[int, int] | None = None
    region: str = ""
    profile: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether its trials run on SageMaker."""
        return bool(self.region)

    @property
    def is_over(self) -> bool:
        return self.state in (COMPLETED, FAILED, STOPPED)

    @property
    def folder(self) -> Path:
        return home.tunings_directory() / self.name

    @property
    def chart(self) -> Path:
        return self.folder / "trials.png"

    @property
    def best(self) -> Trial | None:
        """The best of the trials that completed; None while there is none."""
        best: Trial | None = None
        for trial in self.trials:
            if trial.state == COMPLETED and trial.objective is not None:
                than = None if best is None else best.objective
                best = trial if self.search.is_better(trial.objective, than) else best
        return best

    def with_trial(self, trial: Trial) -> Study:
        """The same with a trial more, or in the place of that with its number."""
        others = [one for one in self.trials if one.number != trial.number]
        return replace(self, trials=tuple(sorted([*others, trial], key=lambda one: one.number)))

    def write(self) -> None:
        """Replaces the record. Raises JobFailed when the disk is full; the old record then stays."""
        content = {**asdict(self), "search": self.search.as_content()}
        try:
            files.write_atomic(self.folder / "study.json", json.dumps({"format": FORMAT, **content}, indent=1) + "\n")
        except OSError as error:
            raise JobFailed(f"cannot write the record in {self.folder}: {error.strerror}") from None

    def remove(self) -> None:
        """Deletes the folder; the runs of its trials stay. Raises UserError while it goes on."""
        if not self.is_over:
            raise UserError(f"the tuning {self.name} still goes on: `glaunch tunings {self.name} --stop` first")
        shutil.rmtree(self.folder)


def create(
    job: TrainingJob, search: Search, settings: Settings | None = None, *, region: str = "", profile: str = ""
) -> Study:
    """A new study, in a folder of its own.

    Args:
        job: that is tried, with the values that are not tuned.
        search: what is looked for.
        settings: of one on SageMaker.
        region, profile: of one on SageMaker.

    Raises:
        JobFailed: the folder cannot be written.
    """
    directory = home.tunings_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        name = _new_folder(directory, job.name)
        conductor = None if region else processes.identity(os.getpid())
        made = Study(name, search, time.time(), conductor=conductor, region=region, profile=profile)
        files.write_atomic(made.folder / "job.yaml", jobfile.to_yaml(job, settings))
    except OSError as error:
        raise JobFailed(
            f"cannot write a folder in {directory}: {error.strerror}; set GLAUNCH_HOME to a directory with room"
        ) from None
    made.write()
    return made


def find(name: str | None = None) -> Study:
    """The study of that name, or the only one whose name begins so; the latest when no name is given.

    Raises:
        UserError: there is none, or there are several.
    """
    found = every()
    if not found:
        raise UserError("no tunings yet: try `glaunch tune mnist_mlp --param learning_rate=log:0.001:0.3`")
    return naming.find("tuning", found, name, "glaunch tunings")


def every() -> list[Study]:
    """Every study on this machine, the latest first; UserError where a record cannot be read."""
    found = [_read(path) for path in home.tunings_directory().glob("*/study.json")]
    return sorted(found, key=lambda one: one.created, reverse=True)


def _read(path: Path) -> Study:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        version = content.pop("format")
        if version > FORMAT:
            raise UserError(f"the tuning {path.parent.name} was made by a newer glaunch (format {version}): update")
        content["search"] = searching.from_content(content["search"])
        content["trials"] = tuple(Trial(**one) for one in content["trials"])
        content["conductor"] = content["conductor"] and tuple(content["conductor"])
        study = Study(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the record of a tuning cannot be read ({error}): {path}") from None
    if study.is_remote or study.is_over or (study.conductor and processes.is_alive(*study.conductor)):
        return study
    return replace(study, state=FAILED, reason="the process that ran this search was killed")


def _new_folder(directory: Path, base: str) -> str:
    while True:
        stamp = time.strftime(_TIME, time.gmtime())
        name = f"{base[: _NAME_LIMIT - len(stamp) - 1].rstrip('-')}-{stamp}"
        try:
            (directory / name).mkdir()
        except FileExistsError:
            time.sleep(0.1)
        else:
            return name
