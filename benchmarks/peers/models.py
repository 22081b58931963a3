"""What every contender trains: the same networks, batches and optimizers. Imports no framework."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Model(NamedTuple):
    """A network and how it is trained.

    Attributes:
        convolutions: channels and kernel of each; relu and 2x2 max pooling follow.
        dense: units of each layer before the ten outputs; relu follows.
        dropout: before the outputs.
        samples: of a turn.
    """

    title: str
    convolutions: tuple[tuple[int, int], ...]
    dense: tuple[int, ...]
    dropout: float
    optimizer: str
    learning_rate: float
    batch_size: int
    samples: int


MODELS = {
    "A": Model("784-128-64-10, SGD", (), (128, 64), 0, "sgd", 0.1, 100, 60_000),
    "B": Model("conv 20 5x5, conv 50 5x5, 512, SGD", ((20, 5), (50, 5)), (512,), 0, "sgd", 0.01, 100, 6_000),
    "C": Model("784-16-16-10, Adam", (), (16, 16), 0, "adam", 0.001, 32, 30_000),
    "D": Model("conv 32 3x3, 128, Adam", ((32, 3),), (128,), 0, "adam", 0.001, 128, 8_000),
    "E": Model("conv 32 3x3, 128, dropout, RMSprop", ((32, 3),), (128,), 0.25, "rmsprop", 0.001, 128, 8_000),
}
MOMENTUM = 0.9


def read(directory: Path, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The first training images, uint8 (samples, 28, 28), and labels, uint8 (samples,), of MNIST's files."""
    return _idx(directory, "train-images-idx3-ubyte")[:samples], _idx(directory, "train-labels-idx1-ubyte")[:samples]


def take_turns(train_epoch: Callable[[], Any]) -> None:
    """Trains an epoch for each line that comes in, and answers each with its training accuracy."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(f"{float(train_epoch()):.6f}", flush=True)


def arguments() -> tuple[Model, np.ndarray, np.ndarray, list[str]]:
    """Of a contender's command line: the model, its data, and what else was said."""
    directory, name, samples, *rest = sys.argv[1:]
    return MODELS[name], *read(Path(directory), int(samples)), rest


def _idx(directory: Path, name: str) -> np.ndarray:
    path = next(path for path in (directory / name, directory / f"{name}.gz") if path.exists())
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(tuple(shape))
