"""A plan for SageMaker: what would be sent, asked for and paid, by looking alone."""

from __future__ import annotations

import json
import re

import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from launcher import idx
from launcher.cloud import jobs, plan
from launcher.cloud.aws import Aws
from launcher.cloud.settings import Settings
from launcher.cloud.store import Store
from launcher.config import Config
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob

LOOKS = ("Get", "List", "Describe", "Head")


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "one.csv").write_text("1,2\n")
    (directory / "two.csv").write_text("3,4\n")
    return directory


@pytest.fixture
def job(script, data):
    def make(**words):
        return TrainingJob(script("print(1)\n"), channels={"training": Channel(data)}, **words)

    return make


@pytest.fixture
def allowed(monkeypatch):
    """`allowed(number)`: the instances of each type that an account may have in training jobs; moto has no quotas."""
    call = BaseClient._make_api_call
    values = {"value": 8.0}

    def answer(self, operation, arguments):
        if operation != "ListServiceQuotas":
            return call(self, operation, arguments)
        return {"Quotas": [{"QuotaName": "ml.c5.xlarge for training job usage", "Value": values["value"]}]}

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return lambda value: values.update(value=float(value))


def test_a_plan_only_looks_and_has_the_request_that_would_be_sent(stack, allowed, calls, job, tmp_path):
    wanted, settings = job(hosts=2, hyperparameters={"rate": 0.5}), Settings(tags={"team": "red"})
    found = plan.plan(wanted, settings, stack)
    assert (found.problems, found.region) == ([], "eu-west-1")
    assert {operation for _, operation, _ in calls} >= {"HeadBucket", "GetRole", "ListServiceQuotas", "GetProducts"}
    assert [operation for _, operation, _ in calls if not operation.startswith(LOOKS)] == []
    name = found.request["TrainingJobName"]
    assert re.fullmatch(rf"{wanted.name}-\d{{4}}(-\d\d){{5}}-\d{{3}}", name)
    aws = Aws(stack)
    assert found.request == jobs.prepare(wanted, settings, stack, aws, job_name=name, directory=tmp_path).request


def test_a_plan_tells_what_is_there_already(stack, allowed, account, job, data):
    wanted = job()
    before = plan.plan(wanted, Settings(), stack)
    assert (before.code.missing_files, before.code.missing_bytes) == (before.code.files, before.code.bytes)
    training = before.data["training"]
    assert (training.files, training.bytes, training.missing_files, training.missing_bytes) == (2, 8, 2, 8)
    account("s3").put_object(Bucket=stack.bucket, Key=before.code.uri.split("/", 3)[3], Body=b"")
    (data / "two.csv").rename(data.parent / "two.csv")
    Store(Aws(stack), stack.bucket).upload(data)  # another tree: its digest is another
    (data.parent / "two.csv").rename(data / "two.csv")
    key = training.uri.split("/", 3)[3] + "one.csv"
    account("s3").put_object(Bucket=stack.bucket, Key=key, Body=(data / "one.csv").read_bytes())
    after = plan.plan(wanted, Settings(), stack)
    assert after.code.missing_files == 0
    assert (after.data["training"].missing_files, after.data["training"].missing_bytes) == (1, 4)


def test_without_credentials_the_rest_is_told(monkeypatch, job, calls):
    config = Config(region="eu-west-1", bucket="a-bucket", role="a-role")
    found = plan.plan(job(hosts=3), Settings(instance_type="ml.m5.xlarge"), config)
    assert [operation for _, operation, _ in calls] == ["GetCallerIdentity"]
    assert found.unchecked == ["no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE"]
    assert found.problems == []
    assert found.request["ResourceConfig"]["InstanceCount"] == 3
    assert found.request["RoleArn"] == "arn:aws:iam::000000000000:role/a-role"
    assert found.data["training"].uri.startswith("s3://a-bucket/data/")
    assert (found.data["training"].files, found.data["training"].missing_files) == (2, None)
    assert found.cost.price.date == "2023-12"
    assert found.cost.most == pytest.approx(3 * (0.257 + 30 * 0.154 / 672) * (86_400 + 120) / 3600)
    assert [(quota.needed, quota.value) for quota in found.quotas] == [(3, None)]


def test_the_places_are_the_same_with_and_without_aws(stack, allowed, refuse, job):
    online = plan.plan(job(), Settings(), stack)
    refuse("GetCallerIdentity", EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com"))
    offline = plan.plan(job(), Settings(), stack)
    assert "cannot be reached" in offline.unchecked[0]
    assert offline.data["training"].uri == online.data["training"].uri
    assert offline.code.uri == online.code.uri


def test_all_that_is_wrong_is_told_at_once(account, allowed, job):
    config = Config(region="eu-west-1", bucket="no-such-bucket-here", role="no-such-role")
    allowed(1)
    found = plan.plan(job(hosts=2), Settings(), config)
    told = "\n".join(found.problems)
    assert "there is no bucket no-such-bucket-here" in told
    assert "there is no role no-such-role" in told
    assert "ml.c5.xlarge for training job usage: 1 at once, and the job needs 2" in told
    assert len(found.problems) == 3


def test_a_machine_that_does_not_exist_is_told_once(stack, allowed, job):
    found = plan.plan(job(), Settings(instance_type="ml.c5.xlarg"), stack)
    assert len(found.problems) == 1
    assert "did you mean ml.c5.xlarge" in found.problems[0]
    assert found.cost.most is None


def test_a_request_that_aws_would_refuse_is_told(stack, allowed, job):
    found = plan.plan(job(hyperparameters={"text": "x" * 3000}), Settings(), stack)
    assert ["hyperparameters" in message for message in found.problems] == [True]


def test_what_may_not_be_looked_at_is_said(stack, refuse, job):
    for operation in ("GetProducts", "ListServiceQuotas"):
        refuse(operation, "AccessDeniedException", "not authorized")
    found = plan.plan(job(), Settings(), stack)
    assert found.problems == []
    assert [message.split(":")[0] for message in found.unchecked] == ["prices", "quotas"]


def test_a_limit_shortens_the_job_or_refuses_it(stack, allowed, job):
    found = plan.plan(job(), Settings(max_cost=1), stack)
    seconds = found.request["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert found.cost.most <= 1
    assert 3 * 3600 < seconds < 5 * 3600
    with pytest.raises(UserError, match="could cost"):
        plan.plan(job(max_run=86_400), Settings(max_cost=1), stack)


def test_what_is_in_s3_stays_there(stack, allowed, account, script):
    account("s3").put_object(Bucket=stack.bucket, Key="data/mine/a.csv", Body=b"1")
    account("s3").put_object(Bucket=stack.bucket, Key="runs/old/checkpoints/0001/done", Body=b"1")
    uri = f"s3://{stack.bucket}/data/mine"
    start = Checkpoints(source=f"s3://{stack.bucket}/runs/old/checkpoints")
    wanted = TrainingJob(script("print(1)\n"), channels={"training": Channel(uri)}, checkpoints=start)
    found = plan.plan(wanted, Settings(), stack)
    assert found.problems == []
    assert (found.data["training"].uri, found.data["training"].files) == (uri, None)
    assert found.request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == uri
    assert found.checkpoints.uri == start.source


def test_the_command_tells_it_to_people(stack, allowed, run, data, tmp_path):
    np = pytest.importorskip("numpy")
    images = tmp_path / "images"
    images.mkdir()
    idx.write(images / "train-images-idx3-ubyte", np.ones((50, 6, 5), np.uint8))
    idx.write(images / "train-labels-idx1-ubyte", np.ones(50, np.uint8))
    told = run("plan", "mnist_mlp", "--data", images, "--hosts", 2, "-p", "epochs=3", "--on", "aws", "--spot").stdout
    for words in (
        "2 x ml.c5.xlarge, spot, in eu-west-1",
        "mxnet-training:1.9.0-cpu-py38",
        "2 files, 1.5 KiB, to send, FullyReplicated",
        "epochs=3",
        "at most 24.0 h, 48.0 h with its waits; its training about",
        "less on spot machines",
        "reckoned as 1.2 times EC2's price, rounded up, 2026-11",
        "ml.c5n.xlarge",
        "sends it",
    ):
        assert words in told
    assert "this machine" not in told
    assert "amazonaws.com" not in told


def test_the_command_tells_it_to_scripts(stack, allowed, run, script, data):
    words = ("plan", script("print(1)\n"), "--data", data, "--on", "aws", "--max-run", 60)
    content = json.loads(run(*words, "--json").stdout)
    assert content["request"]["StoppingCondition"] == {"MaxRuntimeInSeconds": 60}
    assert content["data"]["training"]["missing_bytes"] == 8
    assert content["cost"]["most"] > 0
    assert content["cost"]["price"]["source"]
    assert content["quotas"] == [{"name": "ml.c5.xlarge for training job usage", "needed": 1, "value": 8.0}]


def test_a_plan_that_would_be_refused_ends_as_wrong_use(stack, allowed, run, script, data):
    allowed(0)
    words = ("plan", script("print(1)\n"), "--data", data, "--on", "aws")
    assert "0 at once, and the job needs 1" in run(*words, status=2).stdout
    assert json.loads(run(*words, "--json", status=2).stdout)["problems"]


def test_data_in_s3_have_no_plan_for_this_machine(stack, run, script):
    words = ("plan", script("print(1)\n"), "--channel", "training=s3://some-bucket/data")
    assert "--on aws" in run(*words, status=2).stderr
