"""How fast `glaunch deploy` answers beside AWS's multi-model-server with the same artifact, and beside no server.

    pip install 'gluon-launcher[mms]'    # and Java
    python benchmarks/serving.py MODEL.tar.gz ... [--rounds 5] [--seconds 2] [--idle 0] [--write FILE]

The models are classifiers of this project. Both servers have one worker and run all the time; they take turns, a load
each. A ratio is the median over the rounds of the one against the other in the same round, so that a busy machine
disturbs both. The load comes from this process, on the same cores. The floor is a process that does the same in a loop
and no HTTP: reads the body, calls the net, writes the answer; `plain` in the few lines anyone would write (json, a
hybridized net with static memory), `ours` with the code that the server runs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from floor import bodies, floor
from process_tree import Memory, cpu_seconds, memory, processes_of
from speed import wait_for_idle

from launcher import archive, bench
from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings
from launcher.payload import Payload

SERVERS = {"ours": "glaunch", "MMS": "mms"}
FLOORS = ("plain", "ours")


class Case(NamedTuple):
    """A load: the connections, and the request that each repeats."""

    name: str
    connections: int
    payload: Payload


class Load(NamedTuple):
    """What a load brought: answers a second, milliseconds, and milliseconds of the server's processes an answer."""

    throughput: float
    median: float
    late: float  # the 99th percentile
    cpu: float
    errors: int


def main() -> None:
    """Measures each model and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.tar.gz")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--idle", type=float, default=0, help="seconds to wait at most, before a turn, for idle cores")
    parser.add_argument("--write", type=Path, help="a file that gets the tables too")
    options = parser.parse_args()
    sections = [describe()]
    print(sections[0], flush=True)
    for model in options.models:
        with tempfile.TemporaryDirectory() as home:
            os.environ["GLAUNCH_HOME"] = home
            sections.append(measure(model, Path(home), options.rounds, options.seconds, options.idle))
        print(f"\n{sections[-1]}", flush=True)
    if options.write:
        options.write.write_text("\n\n".join(sections) + "\n", "utf-8")


def cases() -> list[Case]:
    """The loads."""
    payloads = [Payload(body, content_type, "") for content_type, body in bodies().items()]
    return [
        Case("one image, JSON, 1 connection", 1, payloads[0]),
        Case("one image, JSON, 16 connections", 16, payloads[0]),
        Case("100 images, NPY, 1 connection", 1, payloads[1]),
    ]


def measure(model: Path, home: Path, rounds: int, seconds: float, idle: float) -> str:
    """The tables of a model; `home` is a directory of our own."""
    loads: dict[tuple[str, str], list[Load]] = {}
    floors: dict[tuple[str, str], list[float]] = {}
    with contextlib.ExitStack() as stack:
        endpoints, started = {}, {}
        for name, server in SERVERS.items():
            begin = time.perf_counter()
            endpoints[name] = Endpoint.start(model, name, Settings(port=0, server=server))
            stack.callback(endpoints[name].remove)
            stack.callback(endpoints[name].stop)
            with endpoints[name].client as client:
                client.invoke(cases()[0].payload.body, "application/json")
            started[name] = time.perf_counter() - begin
        archive.extract(model, home / "model")
        loops = {name: stack.enter_context(floor(name, home / "model")) for name in FLOORS}
        for number in range(1 + rounds):
            for case in cases():
                for name, endpoint in endpoints.items():
                    wait_for_idle(idle)
                    found = load(endpoint, case, seconds)
                    if number:
                        loads.setdefault((case.name, name), []).append(found)
            for name, run in loops.items():
                wait_for_idle(idle)
                for kind, median in run().items():
                    if number:
                        floors.setdefault((kind, name), []).append(median)
        memories = {name: memory(processes_of(endpoint)) for name, endpoint in endpoints.items()}
    return tables(model.name.partition(".")[0], loads, floors, started, memories)


def load(endpoint: Endpoint, case: Case, seconds: float) -> Load:
    """One turn of a server."""
    tree = processes_of(endpoint)
    before, begin = cpu_seconds(tree), time.perf_counter()
    [step] = bench.run(endpoint.status.url, case.payload, [case.connections], seconds)
    # The CPU time includes the warm-up's, and so must the answers.
    answers = step.throughput * (time.perf_counter() - begin)
    cpu = 1000 * (cpu_seconds(tree) - before) / answers if answers else float("nan")
    median, late = (1000 * (step.percentile(share) or float("nan")) for share in (0.5, 0.99))
    return Load(step.throughput, median, late, cpu, sum(step.errors.values()))


def tables(
    title: str,
    loads: dict[tuple[str, str], list[Load]],
    floors: dict[tuple[str, str], list[float]],
    started: dict[str, float],
    memories: dict[str, Memory],
) -> str:
    """The results in Markdown."""
    lines = [
        f"**{title}**",
        "",
        "| load | server | requests/s | p50, ms | p99, ms | CPU, ms each | errors | ours/MMS: requests/s | p50 | CPU |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in cases():
        found = {name: loads[case.name, name] for name in SERVERS}
        for name, turns in found.items():
            cells = [statistics.median(turn[i] for turn in turns) for i in range(4)]
            line = f"| {case.name} | {name} | {cells[0]:,.0f} | {cells[1]:.2f} | {cells[2]:.2f} | {cells[3]:.2f} "
            line += f"| {sum(turn.errors for turn in turns)} |"
            if name == "ours":
                ratios = [ratio([t[i] for t in turns], [t[i] for t in found["MMS"]]) for i in (0, 1, 3)]
                line += f" {ratios[0]:.1f} | {ratios[1]:.2f} | {ratios[2]:.2f} |"
            else:
                line += " | | |"
            lines.append(line)
    lines += ["", "| at 1 connection, p50 against | of the floor, ms | ours, times | MMS, times |", "|---|---|---|---|"]
    for case in (cases()[0], cases()[2]):
        for name in FLOORS:
            ground = floors[case.payload.content_type, name]
            times = [ratio([turn.median for turn in loads[case.name, server]], ground) for server in SERVERS]
            label = f"{case.name.rpartition(',')[0]}, {name}"
            lines.append(f"| {label} | {statistics.median(ground):.2f} | {times[0]:.2f} | {times[1]:.2f} |")
    lines += ["", "| server | to the first answer, s | RSS, MB | PSS, MB |", "|---|---|---|---|"]
    for name in SERVERS:
        used = memories[name]
        lines.append(f"| {name} | {started[name]:.1f} | {used.resident:.0f} | {used.proportional:.0f} |")
    share = memories["ours"].proportional / memories["MMS"].proportional
    return "\n".join([*lines, f"| ours against MMS | {started['ours'] / started['MMS']:.2f} | | {share:.2f} |"])


def ratio(one: list[float], other: list[float]) -> float:
    """The median over the rounds."""
    return statistics.median(its / others for its, others in zip(one, other))


def describe() -> str:
    """The machine and the versions."""
    names = ("mxnet", "numpy", "uvicorn", "uvloop", "httptools", "orjson", "multi-model-server")
    found = []
    for name in (*names, "sagemaker-mxnet-inference"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    cpu = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.processor())
    machine = f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    return f"{machine}, {', '.join(found)}; load average {os.getloadavg()[0]:.1f} at the start."


if __name__ == "__main__":
    main()
