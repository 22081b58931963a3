"""What a run's model does with its validation data, found out in a process of its own that may import MXNet."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher import archive, library, question
from launcher.errors import JobFailed, UserError
from launcher.job import is_in_s3
from launcher.local import channels
from launcher.report.curves import Curves
from launcher.run import Run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DEADLINE = 300.0  # seconds; the module itself predicts for 20 or so


@dataclass(frozen=True)
class Examination:
    """What `gluon_job.examine` found, in its words.

    Attributes:
        content: its object; without a part that could not be made.
        arrays: of a classifier; empty otherwise.
        problems: in words, why parts are missing.
    """

    content: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def predictions(self) -> npt.NDArray[np.intp]:
        """The most probable class of each row that was predicted, (N,)."""
        found: npt.NDArray[np.intp] = self.arrays["probabilities"].argmax(axis=1)
        return found


def examine_all(runs: Sequence[tuple[Run, Curves]]) -> list[Examination]:
    """Of each run what `examine` finds, some at a time."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = [pool.submit(examine, run, curves) for run, curves in runs]
        # They take seconds to import, and are needed next.
        for name in ("sklearn.metrics", "matplotlib.figure"):
            importlib.import_module(name)
        return [one.result() for one in found]


def examine(run: Run, curves: Curves) -> Examination:
    """Looks at a run's model, as far as there is one, and its validation data, as far as they are still there."""
    problems = [] if run.model.exists() else ["The run has left no model: nothing was predicted, no layers are known."]
    if problems and script(run) is None:
        return Examination({}, {}, tuple(problems))
    with tempfile.TemporaryDirectory(prefix="glaunch-report-") as directory:
        scratch = Path(directory)
        request: dict[str, Any] = {
            "model_dir": None,
            "script": script(run),
            "hyperparameters": run.job_content.get("hyperparameters") or {},
            "channel_input_dirs": None,
            "batches": curves.plan and curves.plan.batches,
            "epochs": curves.epochs or None,
        }
        if run.model.exists():
            try:
                archive.extract(run.model, scratch / "model")
                request["model_dir"] = str(scratch / "model")
                request["channel_input_dirs"] = _link(run, scratch / "data")
            except UserError as error:
                problems.append(f"Nothing was predicted: {error}.")
        try:
            failing = "The model could not be looked at"
            content = question.ask(
                "examine", scratch / "arrays.npz", failing=failing, deadline=_DEADLINE, request=request
            )
        except (JobFailed, UserError) as error:
            return Examination({}, {}, (*problems, f"{error}."))
        return Examination(content, _arrays(scratch / "arrays.npz"), (*problems, *content.pop("problems")))


def script(run: Run) -> str | None:
    """The name of the entry point that was run, where it is one of glaunch's own; None for any other script."""
    path = Path(run.job_content["entry_point"])
    own = library.built_in().get(path.stem)
    if own is None:
        return None
    # A run that was fetched, or whose glaunch was elsewhere, names a place that this machine does not have.
    return path.stem if path == own or not path.exists() or path.read_bytes() == own.read_bytes() else None


def sources(run: Run) -> dict[str, str]:
    """Of each channel of a run's job, where its data are; whether or not they still are there."""
    given = run.job_content.get("channels") or {}
    return {str(name): str(one["source"] if isinstance(one, dict) else one) for name, one in given.items()}


def _link(run: Run, directory: Path) -> dict[str, str]:
    """The data of a job as its hosts saw them, all files of each channel. UserError where they are gone."""
    found = {}
    for name, source in sources(run).items():
        if is_in_s3(source):
            raise UserError(f"channel {name!r} is in S3, at {source}")
        if not os.path.exists(source):
            raise UserError(f"channel {name!r}: there is nothing at {source}")
        files = channels.files(name, Path(source))
        channels.link(files, directory / name)
        found[name] = str(directory / name)
    return found


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np

    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as content:
        return dict(content)
