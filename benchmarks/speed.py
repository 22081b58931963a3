"""How fast `fit()` trains beside the loops people use: samples a second, and how often ours is the faster.

    pip install -r benchmarks/requirements.txt
    python benchmarks/speed.py --data DIR [--models A,B] [--rounds 5] [--write docs/results/speed.md]

DIR has MNIST's four files. Each contender is a process of its own, all on the same cores. They take turns, an epoch
each, and are stopped while it is another's turn: threads that spin while they wait would disturb it. The first epoch
warms up. A ratio is the median over the rounds of ours against the contender in the same round, so that a busy
machine disturbs both; a contender whose library is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PEERS = Path(__file__).resolve().parent / "peers"
sys.path.insert(0, str(PEERS))

from models import MODELS, Model  # noqa: E402

_PATIENCE = 600  # seconds for the slowest turn


class Contender(NamedTuple):
    """A way to train: the arguments of its program, the module it needs, and its share of the samples of a turn."""

    name: str
    words: tuple[str, ...]
    module: str
    share: float = 1.0


OURS = Contender("ours", ("ours.py",), "mxnet")
PLAIN = Contender("plain Gluon loop", ("plain_gluon.py",), "mxnet", share=0.1)
KERAS = Contender("Keras fit", ("keras_fit.py",), "tensorflow")
TORCH = tuple(
    Contender(
        f"PyTorch {way}, {threads} thread{'s' * (threads > 1)}", ("pytorch.py", way, str(threads)), "torch", share
    )
    for way, share in (("idiomatic", 0.2), ("optimised", 1.0))
    for threads in dict.fromkeys((1, len(os.sched_getaffinity(0))))
)
CONTENDERS = (OURS, PLAIN, *TORCH, KERAS)
TO_REACH = {
    "A": {"plain": 15, "PyTorch optimised": 1.3, "Keras": 3},
    "B": {"PyTorch optimised": 1.0},
    "C": {"PyTorch optimised": 1.4, "Keras": 7},
    "D": {"Keras": 1.0},
    "E": {"Keras": 1.0},
}


class Worker:
    """A contender's process, stopped except in its turns.

    Raises:
        RuntimeError: the process ends, or does not answer in time; what it printed is above.
    """

    def __init__(self, contender: Contender, data: Path, name: str, model: Model):
        self.name, self.samples = contender.name, int(model.samples * contender.share)
        program, *rest = contender.words
        # The contenders choose their threads themselves.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "MKL_", "GOMP_"))}
        self._process = subprocess.Popen(
            [sys.executable, str(PEERS / program), str(data), name, str(self.samples), *rest],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting = self._answer()
        self._process.send_signal(signal.SIGSTOP)

    def train(self) -> tuple[float, float]:
        """Samples a second and the training accuracy of an epoch."""
        self._process.send_signal(signal.SIGCONT)
        started = time.perf_counter()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        accuracy = float(self._answer())
        seconds = time.perf_counter() - started
        self._process.send_signal(signal.SIGSTOP)
        return self.samples / seconds, accuracy

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        answered = select.select([self._process.stdout], [], [], _PATIENCE)[0]
        line = self._process.stdout.readline().strip() if answered else ""
        if not line:
            status = self._process.poll()
            self.close()
            raise RuntimeError(f"{self.name} did not answer in {_PATIENCE} s; its exit status: {status}")
        return line


def main() -> None:
    """Runs the models and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the directory with MNIST's files")
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=0, help="seconds to wait at most, before a turn, for idle cores")
    parser.add_argument("--write", type=Path, help="a file that gets the tables too")
    options = parser.parse_args()
    names = options.models.split(",")
    if not set(names) <= set(MODELS):
        parser.error(f"--models are some of {', '.join(MODELS)}, not {options.models}")
    missing = {contender.module for contender in CONTENDERS if importlib.util.find_spec(contender.module) is None}
    contenders = [contender for contender in CONTENDERS if contender.module not in missing]
    if OURS not in contenders:
        parser.error("mxnet is not installed: run this with the interpreter of `make demo`'s environment")
    sections = [describe(missing)]
    print(sections[0], flush=True)
    for name in names:
        sections.append(measure(name, contenders, options.data, options.rounds, options.idle))
        print(f"\n{sections[-1]}", flush=True)
    if options.write:
        options.write.write_text("\n\n".join(sections) + "\n", "utf-8")


def describe(missing: set[str]) -> str:
    """The machine and the versions, in a sentence or two."""
    versions = []
    for package in ("mxnet", "numpy", "torch", "keras", "tensorflow-cpu"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    cpu = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.processor())
    flags = next((line.split() for line in cpu if line.startswith("flags")), [])
    vectors = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags), "no AVX")
    machine = f"{model} ({vectors}), {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    load = f"load average {os.getloadavg()[0]:.1f} at the start"
    left_out = "".join(f"\nLeft out, because it is not installed: {module}." for module in sorted(missing))
    return f"{machine}, {', '.join(versions)}; {load}.{left_out}"


def measure(name: str, contenders: Sequence[Contender], data: Path, rounds: int, idle: float) -> str:
    """The table of a model."""
    model, workers, speeds, accuracy = MODELS[name], [], {}, {}
    try:
        workers.extend(Worker(contender, data, name, model) for contender in contenders)
        for round_number in range(1 + rounds):
            for worker in workers:
                wait_for_idle(idle)
                speed, accuracy[worker.name] = worker.train()
                if round_number:
                    speeds.setdefault(worker.name, []).append(speed)
    finally:
        for worker in workers:
            worker.close()
    lines = [
        f"**{name}**: {model.title}, batches of {model.batch_size}; ours with {threads_of(workers[0].greeting)}.",
        "",
        "| | samples/s, median | range | ours is faster, times | to reach | accuracy at the end |",
        "|---|---|---|---|---|---|",
    ]
    ratios = {
        other: statistics.median(ours / its for ours, its in zip(speeds[OURS.name], speeds[other])) for other in speeds
    }
    # Of the variants of one library, the fastest is the one to beat.
    fastest = {goal: min((r, n) for n, r in ratios.items() if n.startswith(goal))[1] for goal in goals(name, ratios)}
    for other, found in speeds.items():
        goal = next((TO_REACH[name][goal] for goal, best in fastest.items() if best == other), None)
        ratio = "" if other == OURS.name else f"{ratios[other]:.2f}"
        reached = "" if goal is None else f"{goal:g}, {'reached' if ratios[other] >= goal else '**not reached**'}"
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        lines.append(
            f"| {other} | {statistics.median(found):,.0f} | {spread} | {ratio} | {reached} | {accuracy[other]:.3f} |"
        )
    return "\n".join(lines)


def wait_for_idle(seconds: float) -> None:
    """Waits until nobody else uses the cores, but no longer than this."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = _ticks()
        time.sleep(0.2)
        total, idle = (after - start for after, start in zip(_ticks(), before))
        if idle > 0.9 * total:
            return


def _ticks() -> tuple[int, int]:
    """Of all cores since the machine started: all, and those that were idle."""
    counts = [int(word) for word in Path("/proc/stat").read_text("utf-8").split("\n")[0].split()[1:]]
    return sum(counts), counts[3] + counts[4]


def goals(name: str, ratios: dict[str, float]) -> list[str]:
    """The goals of a model whose contenders are there."""
    return [goal for goal in TO_REACH[name] if any(other.startswith(goal) for other in ratios)]


def threads_of(greeting: str) -> str:
    """`1 thread(s)`, from what `fit` prints first."""
    return next(part for part in greeting.rstrip(".").split(", ") if "thread" in part)


if __name__ == "__main__":
    main()
