"""The whole way on AWS as a user would type it, against moto's server: from an empty account to an empty account.

moto keeps requests and runs nothing. What SageMaker would do, this test does: it runs the job that was sent, and
leaves its log lines and its model where SageMaker leaves them.
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_api._internal.models import moto_api_backend
from moto.sagemaker.models import FakeTrainingJob, sagemaker_backends
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[str]:
    """The URL of an empty account, which the environment names; a job in it is in progress when it is born."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "GLAUNCH_PROFILE":
            monkeypatch.delenv(name)
    one = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    one.start()
    url = "http://{}:{}".format(*one.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": REGION,
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    make = FakeTrainingJob.__init__

    def born(self, *words, **values):
        make(self, *words, **values)
        self.training_job_status, self.secondary_status, self.training_end_time = "InProgress", "Starting", None

    monkeypatch.setattr(FakeTrainingJob, "__init__", born)
    try:
        yield url
    finally:
        moto_api_backend.reset()  # the server's accounts are this process's
        one.stop()


class SageMaker(threading.Thread):
    """Ends the first job that is sent as a local run of the same script ended: its lines, its model."""

    def __init__(self, lines: list[str], model: bytes) -> None:
        super().__init__(daemon=True)
        self.lines, self.model = lines, model
        self.request: dict = {}

    def run(self) -> None:
        jobs = sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].training_jobs
        until = time.monotonic() + 120
        while not jobs and time.monotonic() < until:
            time.sleep(0.1)
        [name] = jobs
        self.request = boto3.client("sagemaker").describe_training_job(TrainingJobName=name)
        time.sleep(1)
        jobs[name].secondary_status = "Training"
        logs = boto3.client("logs")
        for host in ("algo-1", "algo-2"):
            stream = {"logGroupName": GROUP, "logStreamName": f"{name}/{host}-1700000000"}
            logs.create_log_stream(**stream)
            now = int(time.time() * 1000)
            events = [{"timestamp": now + n, "message": line} for n, line in enumerate(self.lines)]
            logs.put_log_events(**stream, logEvents=events)
        bucket, _, prefix = self.request["OutputDataConfig"]["S3OutputPath"][5:].partition("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{name}/output/model.tar.gz", Body=self.model)
        jobs[name].secondary_status = "Completed"
        jobs[name].training_end_time = datetime.now(timezone.utc)
        jobs[name].training_job_status = "Completed"


def answer_with(url: str, body: str) -> None:
    """What moto's endpoints answer from now on."""
    content = {"results": [{"Body": body, "ContentType": "application/json"}], "region": REGION}
    request = urllib.request.Request(
        f"{url}/moto-api/static/sagemaker/endpoint-results",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=20).close()


def what_is_left() -> dict[str, list]:
    """Everything in the account that could cost something, or that somebody would have to clear away."""
    sagemaker, tagging = boto3.client("sagemaker"), boto3.client("resourcegroupstaggingapi")
    jobs = [one["TrainingJobName"] for one in sagemaker.list_training_jobs()["TrainingJobSummaries"]]
    tagged = [one["ResourceARN"] for one in tagging.get_resources()["ResourceTagMappingList"]]
    return {
        "stacks": boto3.client("cloudformation").describe_stacks()["Stacks"],
        "buckets": boto3.client("s3").list_buckets()["Buckets"],
        "roles": boto3.client("iam").list_roles()["Roles"],
        "endpoints": sagemaker.list_endpoints()["Endpoints"],
        "configurations": sagemaker.list_endpoint_configs()["EndpointConfigs"],
        "models": sagemaker.list_models()["Models"],
        # AWS keeps the record of a job for ever; it costs nothing.
        "tagged": [arn for arn in tagged if not any(arn.endswith(f"/{job}") for job in jobs)],
    }


@pytest.mark.timeout(600)
def test_from_an_empty_account_to_an_empty_account(server, glaunch, tmp_path):
    local = json.loads(glaunch("run", "mnist_mlp", "-p", "epochs=1", "--json").stdout)
    run_folder = Path(local["folder"])
    sagemaker = SageMaker(
        (run_folder / "logs" / "algo-1.log").read_text().splitlines(), Path(local["model"]).read_bytes()
    )

    glaunch("config", "set", "region", REGION)
    glaunch("infra", "up", "--yes")
    assert glaunch("doctor").returncode == 0

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a")
    uri = json.loads(glaunch("upload", tmp_path / "notes", "--json").stdout)["uri"]
    assert json.loads(glaunch("upload", tmp_path / "notes", "--json").stdout)["sent_files"] == 0

    words = [
        "mnist_mlp",
        "-p",
        "epochs=1",
        "--hosts",
        2,
        "--data",
        "mnist-sample",
        "--channel",
        f"notes={uri}",
        "--on",
        "aws",
    ]
    plan = json.loads(glaunch("plan", *words, "--json").stdout)
    assert what_is_left()["tagged"]  # the stack's own
    assert not boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]

    sagemaker.start()
    done = glaunch("run", *words, "--max-cost", 5, "--json")
    run = json.loads(done.stdout)
    name = run["name"]
    assert run["state"] == "Completed"
    assert run["metrics"] == local["metrics"]
    assert sagemaker.request["ResourceConfig"]["InstanceCount"] == 2
    assert sagemaker.request["ResourceConfig"] == plan["request"]["ResourceConfig"]
    assert {one["ChannelName"] for one in sagemaker.request["InputDataConfig"]} == {"training", "notes"}

    assert json.loads(glaunch("show", name, "--json").stdout)["state"] == "Completed"
    assert [one["name"] for one in json.loads(glaunch("ls", "--on", "aws", "--json").stdout)] == [name]
    assert glaunch("logs", name, "--host", "algo-2").stdout.splitlines() == sagemaker.lines
    glaunch("fetch", name)
    assert Path(json.loads(glaunch("show", name, "--json").stdout)["model"]).read_bytes() == sagemaker.model

    glaunch("deploy", name, "--on", "aws", "--name", "digits", "--expires", "2h")
    [endpoint] = json.loads(glaunch("endpoints", "--on", "aws", "--json").stdout)
    assert (endpoint["name"], endpoint["state"]) == ("digits", "InService")
    answer_with(server, '{"predictions": [{"class": 7, "label": "7", "probability": 1.0, "probabilities": [1.0]}]}')
    (tmp_path / "image.json").write_text(json.dumps([0.0] * 784))
    predicted = json.loads(glaunch("predict", "digits", tmp_path / "image.json", "--on", "aws", "--json").stdout)
    assert predicted[0]["answer"]["predictions"][0]["label"] == "7"

    refused = glaunch("infra", "down", "--yes", "--empty", status=2)
    assert "digits" in refused.stderr or "sweep" in refused.stderr
    assert [one["name"] for one in json.loads(glaunch("sweep", "--json").stdout)] == ["digits"]
    glaunch("sweep", "--expired", "--yes")
    assert boto3.client("sagemaker").list_endpoints()["Endpoints"]  # it has two hours still
    glaunch("sweep", "--yes")
    assert glaunch("sweep").returncode == 0
    glaunch("infra", "down", "--yes", "--empty")
    assert {kind: found for kind, found in what_is_left().items() if found} == {}
