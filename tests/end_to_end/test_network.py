"""Hosts that are machines: no supervisor sees both, and the network between them may be gone.

A host is a network namespace with a link to a bridge, and in it a process namespace that ends with its main process, as
a container does. Scheduler and servers are a plain import of MXNet, as AWS's container starts them: they notice
nothing, and end with their host. It is the workers that must end by themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ENTRY_POINTS = Path(__file__).resolve().parents[2] / "entry_points"
HOSTS = ["algo-1", "algo-2"]

MAIN = """
import os, subprocess, sys

def play(role, *arguments):
    # The worker asks for heartbeats; the others are told nothing of them.
    heard = {name: value for name, value in os.environ.items() if role == "worker" or not name.startswith("PS_")}
    return subprocess.Popen([sys.executable, *arguments], env={**heard, "DMLC_ROLE": role})

if os.environ["DMLC_PS_ROOT_URI"] == os.environ["DMLC_NODE_HOST"]:
    play("scheduler", "-c", "import gluon_job.compat")
play("server", "-c", "import gluon_job.compat")
sys.exit(play("worker", sys.argv[1]).wait() % 256)
"""
TRAIN = """
from gluon_job import cluster, contract, watchdog

def train(hosts, current_host):
    group = cluster.Cluster(hosts, current_host)
    for step in range(10**9):
        watchdog.current().step()
        assert group.sum("x", [1.0])[0] == len(hosts)
        if step == 5:
            print("training", flush=True)

if __name__ == "__main__":
    contract.main(train, lambda net, model_dir: None)
"""


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30, check=True).stdout


class Machine:
    """A host: its namespace, the outer end of its link, its address, and its main process."""

    def __init__(self, token: str, number: int, directory: Path) -> None:
        self.name, self.namespace, self.link = HOSTS[number], f"gl{token}{number}", f"glv{token}{number}"
        self.address = f"10.77.0.{number + 1}"
        self.directory = directory / self.name
        self.main: subprocess.Popen[bytes] | None = None

    def connect(self, bridge: str) -> None:
        ip("netns", "add", self.namespace)
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        ip("link", "set", self.link, "master", bridge, "up")
        ip("-n", self.namespace, "link", "set", "lo", "up")
        ip("-n", self.namespace, "addr", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self.namespace, "link", "set", "eth0", "up")

    def start(self, scheduler: str) -> None:
        self.directory.mkdir()
        (self.directory / "main.py").write_text(MAIN)
        (self.directory / "train.py").write_text(TRAIN)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DMLC_", "PS_", "SM_"))}
        variables = {
            "PYTHONPATH": str(ENTRY_POINTS),
            "SM_HOSTS": json.dumps(HOSTS),
            "SM_CURRENT_HOST": self.name,
            "SM_OUTPUT_DIR": str(self.directory / "output"),
            "SM_MODEL_DIR": str(self.directory / "model"),
            "DMLC_NUM_WORKER": "2",
            "DMLC_NUM_SERVER": "2",
            "DMLC_PS_ROOT_URI": scheduler,
            "DMLC_PS_ROOT_PORT": "8000",
            "DMLC_NODE_HOST": self.address,
            "GLAUNCH_START_SECONDS": "90",
            "GLAUNCH_STALL_SECONDS": "15",
            "PS_HEARTBEAT_INTERVAL": "1",
            "PS_HEARTBEAT_TIMEOUT": "4",
        }
        with (self.directory / "log").open("wb") as log:
            self.main = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.namespace, "unshare", "--pid", "--fork", "--kill-child"),
                    *(sys.executable, "main.py", "train.py"),
                ],
                cwd=self.directory,
                env={**inherited, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        return (self.directory / "log").read_text("utf-8", "replace")

    def failure(self) -> str:
        return (self.directory / "output" / "failure").read_text().strip()

    def processes(self) -> str:
        return ip("netns", "pids", self.namespace)

    def remove(self) -> None:
        if self.main is not None:
            self.main.kill()
            self.main.wait()
        for words in (["link", "del", self.link], ["netns", "del", self.namespace]):
            with contextlib.suppress(subprocess.SubprocessError):
                ip(*words)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machine]]:
    """Two hosts that train together."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("unshare")):
        pytest.skip("hosts as network namespaces need root, and `ip` (Debian's iproute2): a cut link cannot be tried")
    token = secrets.token_hex(3)
    bridge = f"glb{token}"
    hosts = [Machine(token, number, tmp_path) for number in range(len(HOSTS))]
    try:
        try:
            ip("link", "add", bridge, "type", "bridge")
            ip("link", "set", bridge, "up")
            for host in hosts:
                host.connect(bridge)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine forbids network namespaces ({error.stderr.strip()}): a cut link cannot be tried")
        for host in hosts:
            host.start(hosts[0].address)
        until = time.monotonic() + 100
        while not all("training\n" in host.log() for host in hosts):
            assert time.monotonic() < until, "\n".join(host.log() for host in hosts)
            time.sleep(0.1)
        yield hosts
    finally:
        for host in hosts:
            host.remove()
        with contextlib.suppress(subprocess.SubprocessError):
            ip("link", "del", bridge)


SILENCE = "hears nothing of the scheduler any more: its host or the network is gone"


def assert_it_ends_by_itself(host: Machine, reason: str) -> None:
    assert host.main is not None
    assert host.main.wait(timeout=60) == 97, host.log()
    assert host.failure() == f"Stalled: {host.name} {reason}"
    assert host.failure() in host.log()
    assert host.processes() == ""


def test_hosts_between_which_the_link_is_cut_end_on_both_sides(machines):
    first, second = machines
    ip("link", "set", second.link, "down")
    assert_it_ends_by_itself(second, SILENCE)
    assert_it_ends_by_itself(first, "took no further step in 15 s")  # its own scheduler is alive


def test_a_host_ends_when_that_of_the_scheduler_was_killed(machines):
    first, second = machines
    first.main.kill()
    assert_it_ends_by_itself(second, SILENCE)
    assert first.processes() == ""
