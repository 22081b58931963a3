"""This project: `fit()` with the nets of the entry points, exactly as a job runs it."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "entry_points"))

from models import Model, arguments

import gluon_job  # noqa: F401  the first import of a script: it chooses OpenMP's threads
import mnist_cnn
import mnist_mlp
from gluon_job.compat import mx
from gluon_job.fit import fit
from gluon_job.hyperparameters import parse


class Turns(io.TextIOBase):
    """Takes the lines that `fit` prints: after its first and after each epoch it waits for its turn."""

    def __init__(self) -> None:
        self._out, self._accuracy = sys.stdout, ""

    def write(self, text: str) -> int:
        """Answers at the end of an epoch."""
        accuracy = re.search(r"^\[Epoch \d+\] Training: accuracy=(\S+)", text)
        if accuracy:
            self._accuracy = accuracy[1]
        if text.startswith("Training on"):
            self._wait(f"ready {text.strip()}")
        elif "Speed:" in text:
            self._wait(self._accuracy)
        return len(text)

    def _wait(self, answer: str) -> None:
        print(answer, file=self._out, flush=True)
        if not sys.stdin.readline():
            sys.exit()


def hyperparameters(model: Model) -> dict[str, object]:
    """The job's, as a user would give them."""
    values = {
        "optimizer": model.optimizer,
        "learning_rate": model.learning_rate,
        "batch_size": model.batch_size,
        "epochs": 1_000_000,
    }
    if not model.convolutions:
        return {**values, "hidden": list(model.dense)}
    architecture = "lenet" if len(model.convolutions) == 2 else "single_dropout" if model.dropout else "single"
    return {**values, "architecture": architecture}


def main() -> None:
    """Trains an epoch a turn."""
    model, images, labels, _ = arguments()
    script = mnist_cnn if model.convolutions else mnist_mlp
    values = parse(hyperparameters(model), script.HYPERPARAMETERS)
    with contextlib.redirect_stdout(Turns()):
        fit(script.build(values), (images[:, None], labels.astype("int32")), None, values, [mx.cpu()])


if __name__ == "__main__":
    main()
