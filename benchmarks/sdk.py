"""What the SDK's `fit` adds to `glaunch run` of the same script, and how long `deploy` takes until the first answer.

    pip install 'gluon-launcher[aws]'
    python benchmarks/sdk.py [--rounds 7] [--write FILE]

Each measurement is a process of its own; `glaunch run` and `fit` take turns. Of the program with `fit` the time to
import the SDK is subtracted, which it measures itself; making the session is counted. The deployed model is an
`mnist_mlp` of the sample digits, which MXNet must load.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

SCRIPT = """
import os
with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w") as file:
    file.write("1")
"""
COMMON = """
import time
begun = time.perf_counter()
from sagemaker.mxnet import MXNet, MXNetModel
from launcher.sdk_session import ProcessLocalSession
imported = time.perf_counter() - begun, time.process_time()
image = {"role": "any", "framework_version": "1.9.0", "py_version": "py38", "sagemaker_session": ProcessLocalSession()}
"""
FIT = """
MXNet("train.py", instance_count=1, instance_type="local", **image).fit({"training": "file://data"})
print("MEASURED", *imported)
"""
DEPLOY = """
import sys
begun = time.perf_counter()
model = MXNetModel("file://" + sys.argv[1], entry_point="mnist_mlp.py", source_dir=sys.argv[2], **image)
predictor = model.deploy(1, "local")
deployed = time.perf_counter() - begun
predictor.predict([[[0.0] * 28] * 28])
print("MEASURED", deployed, time.perf_counter() - begun)
predictor.delete_endpoint()
"""


class Round(NamedTuple):
    """Seconds: of `glaunch run`, of a program with `fit`, of its import, of `deploy`, and until the first answer.

    Of the first two also those of a processor, of all their processes.
    """

    run: float
    run_cpu: float
    fit: float
    fit_cpu: float
    imported: float
    deployed: float
    answered: float


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", type=Path, help="a file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        os.environ |= {"GLAUNCH_HOME": str(place / "home"), "SAGEMAKER_SUPPRESS_V2_WARNING": "1"}
        text = report(measure(place, options.rounds))
    print(text)
    if options.write:
        options.write.write_text(text, "utf-8")


def measure(place: Path, rounds: int) -> list[Round]:
    """So many rounds; one before them warms the caches and is left out."""
    (place / "train.py").write_text(SCRIPT, "utf-8")
    (place / "data").mkdir()
    (place / "data" / "sample").write_text("1", "utf-8")
    (place / "fit.py").write_text(COMMON + FIT, "utf-8")
    (place / "deploy.py").write_text(COMMON + DEPLOY, "utf-8")
    timed(place, "-m", "launcher", "run", "mnist_mlp", "-p", "epochs=1", "--name", "digits")
    [model] = place.glob("home/runs/digits-*/model.tar.gz")
    return [one_round(place, model) for _ in range(rounds + 1)][1:]


def one_round(place: Path, model: Path) -> Round:
    """One turn of each."""
    from launcher import library

    run, run_cpu, _ = timed(place, "-m", "launcher", "run", "train.py", "--channel", "training=data")
    fit, fit_cpu, [imported, imported_cpu] = timed(place, "fit.py")
    _, _, [deployed, answered] = timed(place, "deploy.py", str(model), str(library.directory()))
    return Round(run, run_cpu, fit - imported, fit_cpu - imported_cpu, imported, deployed, answered)


def timed(place: Path, *words: str) -> tuple[float, float, list[float]]:
    """The seconds that a program of Python's takes, those of a processor, and what it measured itself."""
    begun, used = time.perf_counter(), processor_seconds()
    done = subprocess.run([sys.executable, *words], cwd=place, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{words}: {done.stdout}\n{done.stderr}")
    told = done.stdout.partition("MEASURED")[2].partition("\n")[0]
    return seconds, processor_seconds() - used, [float(word) for word in told.split()]


def processor_seconds() -> float:
    """Of all processes that this one, and those it started, have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(rounds: list[Round]) -> str:
    """The table in Markdown, and what it was made on."""
    added, answered = [one.fit - one.run for one in rounds], [one.answered for one in rounds]
    added_cpu = [one.fit_cpu - one.run_cpu for one in rounds]
    ratio = statistics.median(one.fit / one.run for one in rounds)
    rows = [
        ("`glaunch run train.py`", [one.run for one in rounds], ""),
        ("the same with `fit`, without the import of the SDK", [one.fit for one in rounds], f"{ratio:.2f} times"),
        ("what `fit` adds", added, verdict(added, 1.5)),
        ("the same in seconds of a processor", added_cpu, ""),
        ("the import of the SDK", [one.imported for one in rounds], ""),
        ("`deploy`", [one.deployed for one in rounds], ""),
        ("`deploy` and the first answer", answered, verdict(answered, 5)),
    ]
    lines = ["| | median, s | least | most | |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} | {note} |"
        for name, values, note in rows
    ]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("sagemaker", "boto3", "mxnet"))
    where = f"{len(rounds)} rounds on {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the end; "
    return "\n".join([*lines, "", f"{where}Python {platform.python_version()}, {versions}.", ""])


def verdict(values: list[float], limit: float) -> str:
    """Whether the median is below what is to be reached."""
    reached = statistics.median(values) < limit
    return f"to reach: below {limit:g}: {'reached' if reached else '**not reached**'}"


if __name__ == "__main__":
    main()
