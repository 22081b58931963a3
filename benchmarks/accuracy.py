"""The accuracies that the labs this project comes from published, beside ours: the median of three seeds.

    python benchmarks/accuracy.py --mnist DIR --fashion DIR [--only NAME ...] [--write docs/results/accuracy.md]

Each row is a real `glaunch run` on the full data. A published figure is the accuracy on the training data and on the
test data after the last epoch; what was not published (Fashion-MNIST's learning rates, the schedule) is in the row.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import trained

SEEDS = (1, 2, 3)


class Published(NamedTuple):
    """A published result: accuracies from 0 to 1, None where it was not given."""

    name: str
    entry_point: str
    data: str
    values: dict[str, Any]
    chosen: dict[str, Any]  # not published: our choice
    train: float | None
    validation: float


LENET = {"architecture": "lenet", "epochs": 10}
ROWS = (
    Published(
        "mlp", "mnist_mlp", "mnist", {"epochs": 10, "batch_size": 100, "learning_rate": 0.1},
        {"schedule": "cosine"}, 0.991, 0.9734,
    ),
    Published(
        "mlp fashion", "mnist_mlp", "fashion", {"epochs": 10, "batch_size": 100},
        {"learning_rate": 0.05, "schedule": "cosine"}, 0.8947, 0.8853,
    ),
    Published(
        "lenet", "mnist_cnn", "mnist", {**LENET, "learning_rate": 0.01}, {"schedule": "cosine"}, 0.9964, 0.9905,
    ),
    Published(
        "lenet fashion", "mnist_cnn", "fashion", LENET, {"learning_rate": 0.02, "schedule": "cosine"}, 0.9162, 0.9055,
    ),
    Published(
        "lenet fashion adam", "mnist_cnn", "fashion", {**LENET, "optimizer": "adam"}, {"learning_rate": 0.001},
        0.9043, 0.8862,
    ),
    Published(
        "mlp 16-16 adam", "mnist_mlp", "mnist", {"hidden": [16, 16], "optimizer": "adam", "batch_size": 32},
        {"epochs": 10}, 0.96, 0.95,
    ),
    Published(
        "single adam", "mnist_cnn", "mnist",
        {"architecture": "single", "optimizer": "adam", "batch_size": 128, "epochs": 5}, {"schedule": "cosine"}, None,
        0.9854,
    ),
)  # fmt: skip


def main() -> None:
    """Runs the rows and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--fashion", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=[row.name for row in ROWS])
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time")
    parser.add_argument("--write", type=Path, help="a file that gets the table too")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = [
            (row, [pool.submit(accuracies, row, getattr(options, row.data), seed) for seed in SEEDS]) for row in rows
        ]
        lines = [
            "| model | published train / test | ours, median of 3 | test of each seed | not published, chosen |",
            "|---|---|---|---|---|",
        ]
        print("\n".join(lines), flush=True)
        for row, futures in pending:
            lines.append(line(row, [future.result() for future in futures]))
            print(lines[-1], flush=True)
    if options.write:
        options.write.write_text("\n".join(lines) + "\n", "utf-8")


def accuracies(row: Published, data: Path, seed: int) -> tuple[float, float]:
    """Training and test accuracy of one run."""
    values = {**row.values, **row.chosen, "seed": seed, "log_interval": 0}
    metrics = trained.metrics(row.entry_point, data, values)
    return metrics["train:accuracy"], metrics["validation:accuracy"]


def line(row: Published, results: list[tuple[float, float]]) -> str:
    """The table's line of a row."""
    train, test = (statistics.median(values) for values in zip(*results))
    mark = "" if test >= row.validation else " **below**"
    published = f"{row.train or '-'} / {row.validation}"
    seeds = ", ".join(f"{test:.4f}" for _, test in results)
    chosen = ", ".join(f"{name} {value}" for name, value in row.chosen.items()) or "-"
    return f"| {row.name} | {published} | {train:.4f} / {test:.4f}{mark} | {seeds} | {chosen} |"


if __name__ == "__main__":
    main()
