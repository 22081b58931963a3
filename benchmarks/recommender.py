"""The error of `matrix_factorization` on MovieLens 100k's first split, and its speed beside a plain Gluon loop.

    python benchmarks/recommender.py --data DIR [--only NAME ...] [--seeds 1 2 3] [--write docs/results_recommender.md]

DIR has u1.base, u1.test, u.item and u.user. Each row is real `glaunch run`s of several seeds; the error is that after
the last epoch, on all of u1.test. The plain loop is what tutorials show: a DataLoader, a block that is not
hybridized, and a metric that is read every batch. It and `fit` take turns, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import trained

SEEDS = (1, 2, 3)
ROUNDS = 3
BATCH_SIZE, FACTORS = 1000, 20  # of the comparison with the plain loop
ROWS: dict[str, tuple[dict[str, Any], float | None]] = {  # hyperparameters, and the RMSE to reach
    "linear": ({}, 0.915),
    "linear, ratings alone": ({"content": False}, 0.935),
    "linear, l2 regularization": ({"content": False, "bayesian": False, "learning_rate": 0.005}, 0.935),
    "residual": ({"model": "residual"}, 0.935),
    "mlp": ({"model": "mlp"}, 0.935),
    "dssm": ({"model": "dssm"}, None),
}
RANKING = {"implicit": {"feedback": "implicit"}}


def main() -> None:
    """Runs the rows and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=[*ROWS, *RANKING, "speed"])
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--write", type=Path, help="a file that gets the tables too")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)  # this process is the plain loop
    options = parser.parse_args()
    if options.plain:
        print(plain_loop(options.data))
        return
    wanted = options.only or [*ROWS, *RANKING, "speed"]
    lines: list[str] = []
    _say(lines, "| model | to reach | RMSE, median | of each seed | hyperparameters |\n|---|---|---|---|---|")
    for name, (values, goal) in ROWS.items():
        if name in wanted:
            found = [run(options.data, values, seed)["validation:rmse"] for seed in options.seeds]
            reached = "-" if goal is None else f"{goal}, {'reached' if statistics.median(found) <= goal else '**not**'}"
            _say(lines, f"| {name} | {reached} | {_row(found)} | {_words(values)} |")
    for name, values in RANKING.items():
        if name in wanted:
            runs = [run(options.data, values, seed) for seed in options.seeds]
            for metric in ("ndcg", "recall"):
                found = [one[f"validation:{metric}"] for one in runs]
                _say(lines, f"| {name}: {metric}@10 | - | {_row(found)} | {_words(values)} |")
    if "speed" in wanted:
        _say(lines, "\n" + speed(options.data))
    if options.write:
        options.write.write_text("\n".join(lines) + "\n", "utf-8")


def run(data: Path, values: dict[str, Any], seed: int) -> dict[str, float]:
    """The metrics of a run."""
    values = {"split": "u1", "log_interval": 0, "seed": seed, **values}
    return trained.metrics("matrix_factorization", data, values)


def speed(data: Path) -> str:
    """Samples a second of both loops, in turns, with the same model: embeddings and biases, squared error, Adam."""
    same = {"epochs": 3, "factors": FACTORS, "batch_size": BATCH_SIZE, "content": False, "bayesian": False}
    ours, plain = [], []
    for _ in range(ROUNDS):
        ours.append(run(data, {**same, "threads": 1}, 1)["train:samples_per_second"])
        command = [sys.executable, __file__, "--data", str(data), "--plain"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        plain.append(float(done.stdout))
    ratio = statistics.median(one / other for one, other in zip(ours, plain))
    return (
        f"{statistics.median(ours):,.0f} samples/s with `fit`, {statistics.median(plain):,.0f} with the plain loop: "
        f"{ratio:.1f} times as fast (medians of {ROUNDS} rounds; embeddings of {FACTORS}, batches of {BATCH_SIZE})."
    )


def plain_loop(data: Path) -> float:
    """Samples a second of the loop that tutorials show, after a first part of an epoch that warms up."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "entry_points"))
    from gluon_job.compat import mx

    class Net(mx.gluon.Block):
        def __init__(self) -> None:
            super().__init__()
            self.users, self.items = (mx.gluon.nn.Embedding(2000, FACTORS) for _ in range(2))
            self.user_biases, self.item_biases = (mx.gluon.nn.Embedding(2000, 1) for _ in range(2))

        def forward(self, users: Any, items: Any) -> Any:
            product = (self.users(users) * self.items(items)).sum(axis=1)
            return product + self.user_biases(users).reshape((-1,)) + self.item_biases(items).reshape((-1,))

    rows = [tuple(map(float, re.split(r"\s+", line)[:3])) for line in (data / "u1.base").read_text().splitlines()]
    net, loss, metric = Net(), mx.gluon.loss.L2Loss(), mx.metric.RMSE()
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.005})
    started, samples = 0.0, 0
    for i, (users, items, ratings) in enumerate(mx.gluon.data.DataLoader(rows, BATCH_SIZE, shuffle=True)):
        if i == 10:
            started, samples = time.perf_counter(), 0
        with mx.autograd.record():
            scores = net(users, items)
            error = loss(scores, ratings.astype("float32"))
        error.backward()
        trainer.step(len(users))
        metric.update(ratings, scores)
        samples += len(users)
    return samples / (time.perf_counter() - started)


def _say(lines: list[str], text: str) -> None:
    lines.append(text)
    print(text, flush=True)


def _row(found: list[float]) -> str:
    return f"{statistics.median(found):.4f} | " + ", ".join(f"{value:.4f}" for value in found)


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in values.items()) or "the defaults"


if __name__ == "__main__":
    main()
