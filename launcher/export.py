"""The model of a run in a form that outlives MXNet."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from launcher import archive, files, question
from launcher.errors import UserError
from launcher.run import Run

_DEADLINE = 600.0  # seconds; a large network takes one or two


class Export(NamedTuple):
    """An exported model.

    Attributes:
        path: the ONNX file.
        samples: how many the answers were compared on.
        real: whether they were training data of the run, and not random numbers.
        difference: the largest to MXNet's answers; None where onnxruntime is missing and nothing was compared.
    """

    path: Path
    samples: int
    real: bool
    difference: float | None

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.path}: valid, but not compared with MXNet: onnxruntime is missing here"
        kind = "training samples" if self.real else "random samples"
        return f"{self.path}: answers as MXNet on {self.samples} {kind}, largest difference {self.difference:.1e}"


def to_onnx(run: Run, output: Path | None = None) -> Export:
    """Converts a run's model in a process of its own, and compares its answers with MXNet's.

    Args:
        run: one that completed.
        output: the file; `model.onnx` in the run's folder by default. An existing one is replaced.

    Raises:
        UserError: the run has no model, or the file cannot be written.
        JobFailed: the model cannot be converted, or its answers are not MXNet's; no file is written.
    """
    if not run.model.exists():
        raise UserError(f"run {run.name} has no model: it is {run.status.state}")
    target = (output or run.folder / "model.onnx").absolute()
    with tempfile.TemporaryDirectory(prefix="glaunch-") as scratch:
        model, exported = Path(scratch, "model"), Path(scratch, "model.onnx")
        archive.extract(run.model, model)
        training = run.host(run.hosts[0]) / "input" / "data" / "training"
        failing = "no ONNX was made"
        parity = question.ask("export", model, exported, training, failing=failing, deadline=_DEADLINE)
        try:
            files.write_atomic(target, exported.read_bytes())
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror}") from None
    return Export(target, **parity)
