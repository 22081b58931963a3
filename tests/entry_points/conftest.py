"""The entry points, importable here as beside each other in a container, and run in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).resolve().parent
ENTRY_POINTS = HERE.parents[1] / "entry_points"
sys.path[:0] = [str(ENTRY_POINTS), str(HERE)]

# mxnet and gluon_job set variables for their own process; what other tests start from this one must not inherit them.
_environment = dict(os.environ)
import digits  # noqa: E402

import gluon_job.compat  # noqa: E402, F401

os.environ.clear()
os.environ.update(_environment)


def pytest_configure(config: pytest.Config) -> None:
    """Leaves out what mxnet's own code is told at every array."""
    config.addinivalue_line("filterwarnings", "ignore:Please .* `csr_matrix`:DeprecationWarning")


class Job(NamedTuple):
    """A job that has ended: its exit status, what it printed, and its directory with `model` and `output`."""

    status: int
    out: str
    err: str
    directory: Path

    @property
    def model_dir(self) -> Path:
        return self.directory / "model"

    @property
    def failure(self) -> str:
        """The content of the failure file, or nothing where there is none."""
        path = self.directory / "output" / "failure"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def accuracies(self, data: str) -> list[float]:
        """What was printed after each epoch, of `Training` or `Validation` data."""
        lines = re.findall(rf"^\[Epoch (\d+)\] {data}: accuracy=([01]\.\d{{6}})$", self.out, re.MULTILINE)
        assert [int(epoch) for epoch, _ in lines] == list(range(len(lines))), self.out
        return [float(accuracy) for _, accuracy in lines]

    def served_accuracy(self, script: ModuleType) -> float:
        """The share of the test images to which the script's endpoint, asked in JSON, gives the right class."""
        images, labels = digits.draw(20, seed=1)
        net = script.model_fn(str(self.model_dir))
        body, kind = script.transform_fn(net, json.dumps(images.tolist()), "application/json", "application/json")
        assert kind == "application/json"
        classes = [prediction["class"] for prediction in json.loads(body)["predictions"]]
        return float((classes == labels).mean())


def _run_job(
    directory: Path,
    script: str | Path,
    hyperparameters: Mapping[str, Any],
    channels: Mapping[str, Path],
    *,
    python: str = sys.executable,
    variables: Mapping[str, str] = {},
) -> Job:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SM_", "OMP_", "PYTEST_"))}
    described = {
        "SM_HPS": json.dumps(hyperparameters),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        **{f"SM_CHANNEL_{name.upper()}": str(path) for name, path in channels.items()},
        "SM_MODEL_DIR": str(directory / "model"),
        "SM_OUTPUT_DIR": str(directory / "output"),
    }
    directory.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        [python, str(script)],
        cwd=directory,
        env={**inherited, "PYTHONPATH": str(ENTRY_POINTS), "PYTHONDONTWRITEBYTECODE": "1", **described, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Job(ended.returncode, ended.stdout, ended.stderr, directory)


@pytest.fixture(scope="session")
def run_job() -> Callable[..., Job]:
    """Runs a script as SageMaker does and waits for its end: `run_job(directory, script, hyperparameters, channels)`.

    `python` is another interpreter, `variables` are added to its environment or replace what is there.
    """
    return _run_job


@pytest.fixture(scope="session")
def entry_points() -> Path:
    """The directory of the scripts."""
    return ENTRY_POINTS


@pytest.fixture(scope="session")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of 60 training and 20 test images."""
    return digits.write(tmp_path_factory.mktemp("mnist"))
