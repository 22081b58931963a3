"""The scheduler and the servers, without the package mxnet for as long as they can."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.local import parameter_server

IMAGE = Path(parameter_server.__file__).parent / "image"
WORKER = """
import sys
import mxnet as mx

store = mx.kv.create("dist_sync")
if sys.argv[1] == "updates":
    store.set_optimizer(mx.optimizer.SGD(learning_rate=0.5))
store.init(3, mx.nd.ones(2))
store.push(3, 3 * mx.nd.ones(2))
array = mx.nd.zeros(2)
store.pull(3, out=array)
print(array.asnumpy().tolist())
"""


@pytest.fixture
def play(tmp_path):
    """`play(role, command, port)`: a process with that role in a job of one host, ended with the test."""
    started = []

    def start(role, command, port):
        variables = parameter_server.variables(["algo-1"], "algo-1", role, port)
        log = (tmp_path / role).open("w")
        environment = {**os.environ, "PYTHONPATH": str(IMAGE), "PYTHONVERBOSE": "1", **variables}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("asked", "told", "imported"), [("sums", "[3.0, 3.0]", False), ("updates", "[-0.5, -0.5]", True)]
)
def test_a_server_sums_and_imports_mxnet_only_for_an_optimizer(play, tmp_path, asked, told, imported):
    port = parameter_server.free_port()
    served = [play(role, parameter_server.SERVE, port) for role in ("scheduler", "server")]
    worker = play("worker", [sys.executable, "-c", WORKER, asked], port)
    assert worker.communicate(timeout=100)[0].strip() == told
    for process in served:
        assert process.wait(30) == 0
    assert "import 'mxnet'" in (tmp_path / "worker").read_text()  # this is how an import looks
    assert "import 'mxnet'" not in (tmp_path / "scheduler").read_text()
    assert ("import 'mxnet'" in (tmp_path / "server").read_text()) == imported
