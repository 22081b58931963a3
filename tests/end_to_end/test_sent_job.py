"""What is sent to SageMaker, the package and the request, in AWS's own container code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aws_container
import boto3
import pytest
from botocore.client import BaseClient
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from launcher.cloud import estimator
from launcher.cloud.estimator import Names, Places
from launcher.cloud.package import pack
from launcher.cloud.settings import Settings
from launcher.job import Checkpoints, TrainingJob

BUCKET, REGION = "a-bucket", "eu-west-1"

# It knows nothing of programs, SM_* variables or arguments: SageMaker called its functions, up to MXNet 1.3.
OLDER = """
import os
import mxnet as mx
import helper

def train(channel_input_dirs, hyperparameters, hosts, current_host, num_gpus, **kwargs):
    store = mx.kv.create("dist_sync" if len(hosts) > 1 else "local")
    store.init("x", mx.nd.zeros(1))
    store.push("x", mx.nd.ones(1))
    total = mx.nd.zeros(1)
    store.pull("x", total)
    values = {name: value for name, value in hyperparameters.items() if not name.startswith("_")}
    print("values", sorted(values.items()), flush=True)
    print("total", total.asscalar(), "of", current_host, helper.NAME, sorted(channel_input_dirs), flush=True)
    print("every", os.environ["GLAUNCH_CHECKPOINT_EVERY"], "mine", os.environ["MINE"], flush=True)
    return total

def save(total, model_dir):
    with open(os.path.join(model_dir, "total"), "w") as file:
        file.write(str(total.asscalar()))
"""
VALUES = {"epochs": 3, "rate": 0.001, "hidden": [16, 16], "augment": False, "name": "mlp", "seed": None}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "models"
    folder.mkdir(parents=True)
    (folder / "older.py").write_text(OLDER)
    (folder / "helper.py").write_text("NAME = 'helped'\n")
    return folder / "older.py"


@pytest.fixture
def s3(monkeypatch) -> Iterator[BaseClient]:
    """S3 of a server of moto's, which AWS_ENDPOINT_URL names, with a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        client = boto3.Session(region_name=REGION).client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client
    finally:
        moto_api_backend.reset()  # the server's accounts are this process's
        server.stop()


def opt_ml(base: Path, host: str, hosts: list[str], request: dict) -> Path:
    """What SageMaker makes on a host for a request; the container itself fetches the code."""
    for name in ("input/config", "input/data", "model", "output/data"):
        (base / name).mkdir(parents=True)
    aws_container.write_config(base, host, hosts, request["HyperParameters"], [])
    return base


@pytest.mark.parametrize("count", [1, 2])
def test_a_script_of_the_older_kind_runs_in_awss_container_as_it_is_sent(aws_python, tmp_path, s3, older, count):
    hosts = aws_container.two_hosts()[:count]
    job = TrainingJob(
        older,
        older.parents[1],
        hyperparameters={**VALUES, "_ps_port": aws_container.free_port()},
        hosts=count,
        environment={"MINE": "1"},
        checkpoints=Checkpoints(every="2 epochs"),
    )
    package = pack(job, tmp_path)
    s3.upload_file(str(package.path), BUCKET, package.key)
    places = Places(f"s3://{BUCKET}/{package.key}", package.program, {}, f"s3://{BUCKET}/runs")
    names = Names("a-job", "arn:aws:iam::123456789012:role/a-role", "glaunch", REGION)
    request = estimator.training_request(job, Settings(), places, names)
    bases = [opt_ml(tmp_path / f"{number}", host, hosts, request) for number, host in enumerate(hosts)]
    logs = aws_container.run_containers(aws_python, bases, **request["Environment"])
    for host, log in zip(hosts, logs):
        assert f"values {sorted(VALUES.items())}" in log  # with their types
        assert f"total {count}.0 of {host} helped []" in log
        assert "every 2 epochs mine 1" in log
    assert (bases[0] / "model" / "total").read_text() == f"{count}.0"
    assert [list((base / "model").iterdir()) for base in bases[1:]] == [[]] * (count - 1)
