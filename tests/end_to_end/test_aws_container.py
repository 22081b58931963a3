"""The entry points in AWS's own container code, `sagemaker-mxnet-training`, which runs without Docker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest

ENTRY_POINTS = Path(__file__).resolve().parents[2] / "entry_points"
ARTIFACT = {"model-symbol.json", "model-0000.params", "model-shapes.json"}

SUMS = """
import os
from gluon_job import cluster, contract

def train(hosts, current_host, hyperparameters):
    group = cluster.Cluster(hosts, current_host)
    sums = [group.sum("x", [group.index + 1])[0] for _ in range(hyperparameters["steps"])]
    print("sums of", current_host, set(sums), flush=True)
    return sums

def save(sums, model_dir):
    open(os.path.join(model_dir, "sums"), "w").close()

if __name__ == "__main__":
    contract.main(train, save)
"""


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A data set in the layout of MNIST: two classes that a line separates."""
    folder = tmp_path / "digits"
    folder.mkdir()
    for prefix, count in (("train", 40), ("t10k", 20)):
        labels = [number % 2 for number in range(count)]
        for kind, sizes, content in (
            ("labels-idx1-ubyte", (count,), bytes(labels)),
            ("images-idx3-ubyte", (count, 28, 28), b"".join(bytes([200 * label]) * 784 for label in labels)),
        ):
            header = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
            (folder / f"{prefix}-{kind}").write_bytes(header + content)
    return folder


def two_hosts() -> list[str]:
    """Names that resolve, as the names of SageMaker's hosts do: both mean this machine."""
    name = socket.gethostname()
    try:
        socket.gethostbyname(name)
    except OSError:
        pytest.skip(f"this machine's own name, {name}, does not resolve: there is no second host's name to try")
    return ["localhost", name]


def opt_ml(base: Path, host: str, hosts: list[str], program: str, hyperparameters: dict, data: Path) -> Path:
    """The directory that SageMaker makes on a host as /opt/ml."""
    for name in ("input/config", "input/data", "model", "output/data"):
        (base / name).mkdir(parents=True)
    shutil.copytree(ENTRY_POINTS, base / "code", ignore=shutil.ignore_patterns("__pycache__"))
    (base / "code" / "sums.py").write_text(SUMS)
    (base / "input" / "data" / "training").symlink_to(data)
    values = {
        **hyperparameters,
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": "job",
        "sagemaker_parameter_server_enabled": True,
        "sagemaker_program": program,
        "sagemaker_region": "us-east-1",
        "sagemaker_submit_directory": str(base / "code"),
    }
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    config = {
        "hyperparameters": {name: json.dumps(value) for name, value in values.items()},
        "resourceconfig": {"current_host": host, "hosts": hosts, "network_interface_name": "lo"},
        "inputdataconfig": {"training": channel},
    }
    for name, content in config.items():
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
    return base


def run_containers(python: str, bases: list[Path]) -> list[str]:
    """What the containers' main processes print, when all have ended well; a container's end is that of the others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SM_", "DMLC_"))}
    # The image starts `python`, and has an interface of its own: here it is the loopback's.
    path = os.path.dirname(python) + os.pathsep + os.environ["PATH"]
    variables = {**inherited, "PATH": path, "DMLC_NODE_HOST": "127.0.0.1"}
    mains = []
    try:
        for base in bases:
            with (base / "log").open("wb") as log:
                mains.append(
                    subprocess.Popen(
                        [python, "-c", "from sagemaker_mxnet_container import training; training.main()"],
                        env={**variables, "SAGEMAKER_BASE_DIR": str(base)},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        statuses = [main.wait(timeout=120) for main in mains]
    finally:
        for main in mains:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(main.pid, signal.SIGKILL)
            main.wait()
    logs = [(base / "log").read_text() for base in bases]
    assert statuses == [0] * len(bases), "\n".join(logs)
    return logs


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("count", [1, 2])
def test_the_main_job_runs_in_awss_container_and_the_first_host_saves(aws_python, tmp_path, digits, count):
    hosts = two_hosts()[:count]
    values = {"epochs": 2, "batch_size": 10, "_ps_port": free_port()}
    bases = [opt_ml(tmp_path / f"{n}", host, hosts, "mnist_mlp.py", values, digits) for n, host in enumerate(hosts)]
    logs = run_containers(aws_python, bases)
    assert "[Epoch 1] Validation: accuracy=1.000000" in logs[0]
    assert {path.name for path in (bases[0] / "model").iterdir()} >= ARTIFACT
    for base in bases[1:]:
        assert list((base / "model").iterdir()) == []


def test_awss_container_goes_on_from_the_checkpoints_that_it_finds(aws_python, tmp_path, digits, monkeypatch):
    monkeypatch.setenv("GLAUNCH_CHECKPOINT_EVERY", "1")
    values = {"epochs": 2, "batch_size": 10}
    first = opt_ml(tmp_path / "first", "localhost", ["localhost"], "mnist_mlp.py", values, digits)
    run_containers(aws_python, [first])
    second = opt_ml(tmp_path / "second", "localhost", ["localhost"], "mnist_mlp.py", {**values, "epochs": 3}, digits)
    shutil.copytree(first / "checkpoints", second / "checkpoints")
    (log,) = run_containers(aws_python, [second])
    assert "Resumed after epoch 1" in log
    assert "[Epoch 1] Training" not in log
    assert "[Epoch 2] Training" in log


def test_two_hosts_sum_through_the_parameter_server_of_awss_container(aws_python, tmp_path, digits):
    hosts = two_hosts()
    values = {"steps": 20, "_ps_port": free_port()}
    bases = [opt_ml(tmp_path / f"{n}", host, hosts, "sums.py", values, digits) for n, host in enumerate(hosts)]
    logs = run_containers(aws_python, bases)
    for host, log in zip(hosts, logs):
        assert f"sums of {host} {{3.0}}" in log
    assert [path.name for base in bases for path in (base / "model").iterdir()] == ["sums"]
