"""How fast several simulated hosts train on this machine beside one, and the constants of `launcher/scaling.py`.

    python benchmarks/scaling.py --data DIR [--rounds 5] [--idle 60] [--write docs/results_scaling.md] [--fit]

DIR has MNIST's four files. Every figure is that of a real `glaunch run`; the jobs take turns, round by round, and each
host has one thread and batches of 100. A ratio is the median over the rounds of the ratio to one host in the same
round, so that a busy machine disturbs both. --fit fits the model to the measurements and writes launcher/scaling.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from speed import describe, wait_for_idle

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from launcher import idx, plan, scaling  # noqa: E402
from launcher.job import Channel, TrainingJob  # noqa: E402

HOSTS = (1, 2, 3, 4)
BATCH = 100  # of each host
SAMPLES = {"mlp": 30_000, "cnn": 4_000}
EPOCHS = {"mlp": 4, "cnn": 3}  # the first warms up
LEARNING_RATE = {"mlp": 0.1, "cnn": 0.01}
TO_REACH = {"mlp": 0.6, "cnn": 1.4}  # two hosts beside one
SMALL_BATCH = 20  # a second one, to tell a step's own time from its samples'
BYTES = (4_000, 100_000, 437_000, 750_000)  # below what the scripts divide among servers
TIMES = 100
SCRIPTS = {"mlp": "mnist_mlp", "cnn": "mnist_cnn"}


class Bench:
    """Runs jobs of `peers/host.py` in a home of their own.

    Args:
        directory: for everything.
        data: MNIST's.
        idle: seconds to wait at most, before each job, for idle cores.
    """

    def __init__(self, directory: Path, data: Path, idle: float) -> None:
        self._directory, self._idle = directory, idle
        self.data = {model: subset(data, directory / model, count) for model, count in SAMPLES.items()}
        shutil.copytree(REPOSITORY / "entry_points", directory / "code")
        shutil.copy(REPOSITORY / "benchmarks" / "peers" / "host.py", directory / "code")

    def train(self, model: str, hosts: int, *, batch: int = BATCH, threads: int = 1, timed: bool = False) -> Any:
        """Samples a second of all hosts together or, timed, the seconds of a step and of its sum."""
        values = {
            "model": model,
            "timed": timed,
            "batch_size_per_host": batch,
            "epochs": EPOCHS[model],
            "learning_rate": LEARNING_RATE[model],
            "threads": threads,
            "log_interval": 0,
        }
        run, log = self._run(hosts, values, self.data[model])
        lines = (Path(run["folder"]) / "metrics.jsonl").read_text("utf-8").splitlines()
        speeds = [m["value"] for m in map(json.loads, lines) if m["name"] == "train:samples_per_second" and m["epoch"]]
        speed = statistics.median(speeds)
        if not timed:
            return speed
        return batch * hosts / speed, float(re.search(r"Sums: (\S+) s each", log)[1])

    def sums(self, hosts: int) -> dict[int, float]:
        """The seconds of a sum over the hosts by the bytes of the array, with the cores otherwise idle."""
        _, log = self._run(hosts, {"bytes": list(BYTES), "times": TIMES}, None)
        return {int(size): float(seconds) for size, seconds in re.findall(r"Sum of (\d+) bytes: (\S+) s", log)}

    def _run(self, hosts: int, values: dict[str, Any], data: Path | None) -> tuple[dict[str, Any], str]:
        wait_for_idle(self._idle)
        words = [word for name, value in values.items() for word in ("-p", f"{name}={json.dumps(value)}")]
        words += ["--data", str(data)] if data else []
        command = [sys.executable, "-m", "launcher", "run", "host.py", "--source-dir", str(self._directory / "code")]
        done = subprocess.run(
            [*command, "--hosts", str(hosts), "--json", *words],
            # One thread a host. The hyperparameter `threads` divides a host's batch among more.
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "GLAUNCH_HOME": str(self._directory / "home"),
                 "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"a job failed:\n{done.stdout}\n{done.stderr}")
        run = json.loads(done.stdout)
        log = Path(run["hosts"]["algo-1"]["log"]).read_text("utf-8")
        shutil.copytree(run["folder"], kept := self._directory / "last", dirs_exist_ok=True)
        shutil.rmtree(run["folder"])
        return {**run, "folder": str(kept)}, log


def subset(data: Path, directory: Path, count: int) -> Path:
    """A directory with the first `count` of MNIST's training samples, and no validation data."""
    from peers.models import read

    images, labels = read(data, count)
    directory.mkdir()
    idx.write(directory / "train-images-idx3-ubyte", images)
    idx.write(directory / "train-labels-idx1-ubyte", labels)
    return directory


def main() -> None:
    """Measures, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the directory with MNIST's files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=0, help="seconds to wait at most, before a job, for idle cores")
    parser.add_argument("--write", type=Path, help="a file that gets the tables too")
    parser.add_argument("--fit", action="store_true", help=f"write {scaling.FITTED.name}")
    options = parser.parse_args()
    machine = describe(set())
    with tempfile.TemporaryDirectory(prefix="glaunch-scaling-") as directory:
        bench = Bench(Path(directory), options.data, options.idle)
        speeds, small, divided = measure(bench, options.rounds)
        timed = {(model, n): bench.train(model, n, timed=True) for model in SAMPLES for n in HOSTS[1:]}
        sums = {n: bench.sums(n) for n in HOSTS[1:]}
        nets = {model: net(model, path) for model, path in bench.data.items()}
    fitted = fit(speeds, small, divided, sums, nets, machine)
    tables = [table(model, speeds[model], timed, fitted, nets[model]) for model in speeds]
    text = "\n\n".join([machine, *tables, sums_table(sums, fitted)])
    print(text)
    if options.write:
        options.write.write_text(text + "\n", "utf-8")
    if options.fit:
        scaling.FITTED.write_text(json.dumps(asdict(fitted), indent=1) + "\n", "utf-8")


def measure(bench: Bench, rounds: int) -> tuple[dict[str, dict[int, list[float]]], list[float], list[float]]:
    """By model and number of hosts, the samples a second of each round; of one host the MLP's with SMALL_BATCH, and how
    many times as fast the CNN is with two threads.
    """
    speeds: dict[str, dict[int, list[float]]] = {model: {n: [] for n in HOSTS} for model in SAMPLES}
    small, divided = [], []
    for number in range(rounds):
        for model, found in speeds.items():
            for n in HOSTS:
                found[n].append(bench.train(model, n))
        small.append(bench.train("mlp", 1, batch=SMALL_BATCH))
        divided.append(bench.train("cnn", 1, threads=2) / speeds["cnn"][1][-1])
        print(f"round {number + 1}: {speeds}", file=sys.stderr, flush=True)
    return speeds, small, divided


def net(model: str, data: Path) -> scaling.Net:
    """What the model's net costs."""
    job = TrainingJob(REPOSITORY / "entry_points" / f"{SCRIPTS[model]}.py", channels={"training": Channel(data)})
    return plan.plan(job).net.size


def fit(
    speeds: dict[str, dict[int, list[float]]],
    small: list[float],
    divided: list[float],
    sums: dict[int, dict[int, float]],
    nets: dict[str, scaling.Net],
    machine: str,
) -> scaling.Fit:
    """The constants of the model: S, C, D and K from one host, A and B by least squares from sums on idle hosts."""
    alone = {model: BATCH / statistics.median(found[1]) for model, found in speeds.items()}  # seconds a step
    few = SMALL_BATCH / statistics.median(small)
    sample = (alone["mlp"] - few) / (BATCH - SMALL_BATCH)
    step = max(0.0, few - SMALL_BATCH * sample)
    dense = sample / nets["mlp"].dense
    samples = alone["cnn"] - step
    convolution = (samples / BATCH - dense * nets["cnn"].dense) / nets["cnn"].convolution
    serial = 2 * (alone["cnn"] / statistics.median(divided) - step) / samples - 1
    places = [(n, size, seconds) for n, found in sums.items() for size, seconds in found.items()]
    left = np.array([[1, n * size] for n, size, _ in places])
    (latency, byte), *_ = np.linalg.lstsq(left, np.array([seconds for *_, seconds in places]), rcond=None)
    measured = f"{time.strftime('%Y-%m-%d')}, {machine.rstrip('.')}"
    return scaling.Fit(step, dense, convolution, float(latency), float(byte), max(0.0, serial), measured)


def table(
    model: str,
    speeds: dict[int, list[float]],
    timed: dict[tuple[str, int], tuple[float, float]],
    fitted: scaling.Fit,
    net: scaling.Net,
) -> str:
    """The table of a model."""
    gradient = f"{net.parameters:,} parameters ({net.parameters * 4 / 2**20:.2f} MiB a gradient)"
    lines = [
        f"**{SCRIPTS[model]}**, {gradient}, {BATCH} samples a host and step, one thread a host.",
        "",
        "| hosts | samples/s, median | range | times one host | to reach | push and pull of a step | the model says |",
        "|---|---|---|---|---|---|---|",
    ]
    for n, found in speeds.items():
        ratio = statistics.median(several / one for several, one in zip(found, speeds[1]))
        goal = TO_REACH[model] if n == 2 else None
        reached = "" if goal is None else f"{goal:g}, {'reached' if ratio >= goal else '**not reached**'}"
        share = "" if n == 1 else "{1:.1f} of {0:.1f} ms".format(*(1e3 * seconds for seconds in timed[model, n]))
        predicted = fitted.samples_per_second(net, scaling.this_machine(), n, BATCH * n, threads=1)
        lines.append(
            f"| {n} | {statistics.median(found):,.0f} | {min(found):,.0f} to {max(found):,.0f} | {ratio:.2f} "
            f"| {reached} | {share} | {predicted:,.0f} |"
        )
    return "\n".join(lines)


def sums_table(sums: dict[int, dict[int, float]], fitted: scaling.Fit) -> str:
    """What a sum over hosts that do nothing else takes, measured and by the model."""
    head = "| bytes of an array | " + " | ".join(f"{n} hosts" for n in sums) + " |"
    title = "Milliseconds of a push and pull on hosts that do nothing else, and in brackets what the model says."
    lines = [title, "", head]
    lines.append("|---" * (1 + len(sums)) + "|")
    for size in BYTES:
        said = {n: fitted.latency + fitted.byte * size * n for n in sums}
        cells = [f"{1e3 * found[size]:.2f} ({1e3 * said[n]:.2f})" for n, found in sums.items()]
        lines.append(f"| {size:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
