"""The entry points in AWS's own container code, `sagemaker-mxnet-training`, which runs without Docker."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import aws_container
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
    aws_container.write_config(
        base, host, hosts, {name: json.dumps(value) for name, value in values.items()}, ["training"]
    )
    return base


@pytest.mark.parametrize("count", [1, 2])
def test_the_main_job_runs_in_awss_container_and_the_first_host_saves(aws_python, tmp_path, digits, count):
    hosts = aws_container.two_hosts()[:count]
    values = {"epochs": 2, "batch_size": 10, "_ps_port": aws_container.free_port()}
    bases = [opt_ml(tmp_path / f"{n}", host, hosts, "mnist_mlp.py", values, digits) for n, host in enumerate(hosts)]
    logs = aws_container.run_containers(aws_python, bases)
    assert "[Epoch 1] Validation: accuracy=1.000000" in logs[0]
    assert {path.name for path in (bases[0] / "model").iterdir()} >= ARTIFACT
    for base in bases[1:]:
        assert list((base / "model").iterdir()) == []


def test_awss_container_goes_on_from_the_checkpoints_that_it_finds(aws_python, tmp_path, digits, monkeypatch):
    monkeypatch.setenv("GLAUNCH_CHECKPOINT_EVERY", "1")
    values = {"epochs": 2, "batch_size": 10}
    first = opt_ml(tmp_path / "first", "localhost", ["localhost"], "mnist_mlp.py", values, digits)
    aws_container.run_containers(aws_python, [first])
    second = opt_ml(tmp_path / "second", "localhost", ["localhost"], "mnist_mlp.py", {**values, "epochs": 3}, digits)
    shutil.copytree(first / "checkpoints", second / "checkpoints")
    (log,) = aws_container.run_containers(aws_python, [second])
    assert "Resumed after epoch 1" in log
    assert "[Epoch 1] Training" not in log
    assert "[Epoch 2] Training" in log


def test_two_hosts_sum_through_the_parameter_server_of_awss_container(aws_python, tmp_path, digits):
    hosts = aws_container.two_hosts()
    values = {"steps": 20, "_ps_port": aws_container.free_port()}
    bases = [opt_ml(tmp_path / f"{n}", host, hosts, "sums.py", values, digits) for n, host in enumerate(hosts)]
    logs = aws_container.run_containers(aws_python, bases)
    for host, log in zip(hosts, logs):
        assert f"sums of {host} {{3.0}}" in log
    assert [path.name for base in bases for path in (base / "model").iterdir()] == ["sums"]
