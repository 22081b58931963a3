"""The model of a run in a form that outlives MXNet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from launcher import archive, files, library
from launcher.errors import JobFailed, UserError
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
        parity = _convert(model, exported, training)
        try:
            files.write_atomic(target, exported.read_bytes())
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror}") from None
    return Export(target, **parity)


def _convert(model: Path, target: Path, training: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "gluon_job.export", str(model), str(target), str(training)]
    try:
        ended = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(library.directory())},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JobFailed(f"the export took more than {_DEADLINE:g} s") from None
    if ended.returncode:
        reason = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise JobFailed(f"no ONNX was made: {reason[-1]}")
    parity: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return parity
