"""A batch transform on SageMaker: made once, waited for, fetched, and nothing of it left."""

from __future__ import annotations

import functools
import json
import time

import pytest
from botocore import exceptions as boto
from botocore.client import BaseClient
from endpoint_models import ECHO, pack
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import EmptyResult
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from launcher.cloud import attention, prices, transforms
from launcher.cloud.endpoint_requests import Names
from launcher.cloud.hosting import Hosting
from launcher.cloud.transforms import Order
from launcher.local.transform import Batching

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/glaunch-Role-1X2Y3Z"
BUCKET = "glaunch-bucket-1x2y3z"
MODEL = f"s3://{BUCKET}/models/0123/model.tar.gz"
SOURCE = f"s3://{BUCKET}/data/0123/"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No price list, which moto has not; no pause between two looks."""
    monkeypatch.setattr(prices._List, "find", lambda *_arguments, **_words: None)
    monkeypatch.setattr(attention, "PAUSE", 0.01)
    monkeypatch.setenv("SAGEMAKER_SUPPRESS_V2_WARNING", "1")


class Backend:
    """moto's transform jobs are born finished, answer nothing and cannot be stopped: here they work.

    Attributes:
        answers: what the job will leave, by name.
        steps: called before one look each; after the last one the job has ended as `ends` says.
    """

    def __init__(self, monkeypatch, account):
        self.answers, self.ends, self.reason, self.steps, self.stopped = {}, "Completed", "", [], []
        create, describe = SageMakerModelBackend.create_transform_job, SageMakerModelBackend.describe_transform_job

        def begin(backend, **words):
            made = create(backend, **words)
            made.transform_job_status = "InProgress"
            return made

        def look(backend, transform_job_name):
            job = backend.transform_jobs.get(transform_job_name)
            if job and job.transform_job_status == "InProgress":
                if self.steps:
                    self.steps.pop(0)()
                else:
                    self.end(job, account("s3"))
            return describe(backend, transform_job_name)

        def stop(response):
            name = json.loads(response.body)["TransformJobName"]
            self.stopped.append(name)
            self.jobs[name].transform_job_status = "Stopped"
            return EmptyResult()

        monkeypatch.setattr(SageMakerModelBackend, "create_transform_job", begin)
        monkeypatch.setattr(SageMakerModelBackend, "describe_transform_job", look)
        monkeypatch.setattr(SageMakerResponse, "stop_transform_job", stop, raising=False)

    def end(self, job, s3):
        job.transform_job_status, job.failure_reason = self.ends, self.reason
        bucket, _, prefix = job.transform_output["S3OutputPath"].removeprefix("s3://").partition("/")
        for name, text in self.answers.items():
            s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}.out", Body=text.encode())

    @property
    def jobs(self):
        return sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].transform_jobs

    @property
    def models(self):
        return sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION]._models


@pytest.fixture
def backend(stack, account, monkeypatch):
    return Backend(monkeypatch, account)


@pytest.fixture
def model(tmp_path):
    return pack(tmp_path, "digits", serve=ECHO)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "input"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "sub" / "b.csv").write_text("3,4\n")
    return folder


def made(calls, operation="CreateTransformJob"):
    return [arguments for _, name, arguments in calls if name == operation]


@functools.lru_cache(maxsize=1)
def sdk_session():
    import boto3
    from sagemaker import Session

    return Session(boto3.Session(), default_bucket=BUCKET)


@pytest.mark.parametrize(
    ("batching", "words"),
    [
        (Batching("text/csv", split="Line"), {"strategy": "MultiRecord", "assemble_with": "Line", "split": "Line"}),
        (Batching("image/png", limit=20), {"strategy": "MultiRecord", "assemble_with": "None", "split": "None"}),
        (
            Batching("text/csv", "text/csv", "Line", several=1),
            {"strategy": "SingleRecord", "assemble_with": "Line", "split": "Line"},
        ),
    ],
)
def test_a_job_is_sent_as_the_sdk_sends_it(backend, calls, batching, words):
    from sagemaker.transformer import Transformer

    names = Names("digits-transform", "digits-transform-1", ROLE, "glaunch", REGION, BUCKET, "digits-1")
    order = Order(names, Hosting(instance_type="ml.m5.large", instances=2), batching, SOURCE, MODEL, "serve.py")
    ours = transforms.request(order)
    Transformer(
        "digits-transform-1",
        2,
        "ml.m5.large",
        strategy=words["strategy"],
        assemble_with=words["assemble_with"],
        output_path=order.output,
        accept=batching.accept,
        max_payload=batching.limit,
        sagemaker_session=sdk_session(),
    ).transform(
        SOURCE,
        content_type=batching.content_type,
        split_type=words["split"],
        job_name="digits-transform-1",
        wait=False,
        logs=False,
    )
    [theirs] = made(calls)
    assert ours.pop("Tags") == [{"Key": "glaunch", "Value": "glaunch"}, {"Key": "glaunch-run", "Value": "digits-1"}]
    assert {key: value for key, value in theirs.items() if value is not None} == ours


def test_files_are_sent_transformed_fetched_and_nothing_is_left(run, backend, model, files, calls, tmp_path, account):
    backend.answers = {"a.csv": "[1]", "sub/b.csv": "[2]"}
    seen = []
    backend.steps = [lambda: seen.extend(backend.models)] * 2
    out = tmp_path / "out"
    done = run("transform", model, files, "--on", "aws", "--split", "Line", "--output", out, "--tag", "team=vision")
    [job] = made(calls)
    name = job["TransformJobName"]
    assert seen == [name, name]
    assert name.startswith("digits-transform-")
    assert job["TransformResources"] == {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    assert {"Key": "team", "Value": "vision"} in job["Tags"]
    assert (out / "a.csv.out").read_text() == "[1]"
    assert (out / "sub" / "b.csv.out").read_text() == "[2]"
    assert dict(backend.models) == {}
    assert backend.stopped == []
    [container] = [one["PrimaryContainer"] for one in made(calls, "CreateModel")]
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "serve.py"
    bucket, _, prefix = (
        job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://").partition("/")
    )
    keys = {one["Key"] for one in account("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]}
    assert keys == {f"{prefix}a.csv", f"{prefix}sub/b.csv"}
    assert "1 x ml.m5.large in eu-west-1" in done.stderr
    assert "2 files in" in done.stdout


def test_files_in_s3_are_transformed_there(run, backend, model, account, calls, tmp_path):
    account("s3").put_object(Bucket=BUCKET, Key="data/mine/a.csv", Body=b"1")
    backend.answers = {"a.csv": "[1]"}
    source = f"s3://{BUCKET}/data/mine/"
    words = ["transform", model, source, "--on", "aws", "--output", tmp_path / "out", "--json"]
    assert "give --content-type" in run(*words, status=2).stderr
    told = json.loads(run(*words, "--content-type", "text/csv").stdout)
    assert told == [{"file": "a.csv", "output": str(tmp_path / "out" / "a.csv.out"), "error": None}]
    assert made(calls)[0]["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == source
    assert (
        "there is nothing at"
        in run(*words[:2], f"s3://{BUCKET}/none/", *words[3:], "--content-type", "x/y", status=2).stderr
    )


def test_a_file_that_failed_is_named_and_the_others_are_fetched(run, backend, model, files, tmp_path, account):
    backend.ends, backend.reason, backend.answers = "Failed", "ClientError: See job logs", {"a.csv": "[1]"}
    backend.steps = [lambda: print_lines(account("logs"), next(iter(backend.jobs)))]
    failed = run("transform", model, files, "--on", "aws", "--output", tmp_path / "out", status=1)
    assert "1 of 2 files failed; the other 1 are in" in failed.stderr
    assert "sub/b.csv: ClientError: See job logs" in failed.stderr
    assert "ValueError: no such shape" in failed.stderr
    assert (tmp_path / "out" / "a.csv.out").exists()
    assert dict(backend.models) == {}


def print_lines(logs, name):
    group, stream = transforms._GROUP, f"{name}/i-0a1b2c/data-log"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    event = {"timestamp": time.time_ns() // 1_000_000, "message": "ValueError: no such shape"}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])


def test_a_job_that_left_nothing_failed_with_its_reason(run, backend, model, files, tmp_path):
    backend.ends, backend.reason = "Failed", "AlgorithmError: the container of 123456789012 did not start"
    failed = run("transform", model, files, "--on", "aws", "--output", tmp_path / "out", status=1)
    assert "is Failed: AlgorithmError: the container of ************ did not start" in failed.stderr
    assert dict(backend.models) == {}


def test_ctrl_c_stops_the_job_and_removes_its_model(run, backend, model, files):
    def interrupt():
        raise KeyboardInterrupt

    backend.steps = [interrupt, lambda: None]
    run("transform", model, files, "--on", "aws", status=130)
    assert backend.stopped == [*backend.jobs]
    assert dict(backend.models) == {}


def test_one_that_takes_too_long_is_stopped(run, backend, model, files):
    backend.steps = [lambda: None] * 100
    failed = run("transform", model, files, "--on", "aws", "--max-run", 0.02, status=1)
    assert "took longer than 0.02 s, and is stopped" in failed.stderr
    assert backend.stopped == [*backend.jobs]
    assert dict(backend.models) == {}


def test_a_job_that_aws_refuses_leaves_no_model(run, backend, model, files, refuse):
    refuse("CreateTransformJob", "ResourceLimitExceeded", "The account-level limit is 0 instances")
    assert "limit is 0 instances" in run("transform", model, files, "--on", "aws", status=2).stderr
    assert dict(backend.models) == {}


@pytest.mark.parametrize("operation", ["CreateModel", "CreateTransformJob"])
def test_an_answer_that_was_lost_makes_nothing_twice(run, backend, model, files, monkeypatch, tmp_path, operation):
    call, sent = BaseClient._make_api_call, []

    def lose(client, name, arguments):
        answer = call(client, name, arguments)
        if name == operation:
            sent.append(arguments)
            raise boto.ReadTimeoutError(endpoint_url="https://api.sagemaker")
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", lose)
    backend.answers = {"a.csv": "[1]", "sub/b.csv": "[2]"}
    run("transform", model, files, "--on", "aws", "--output", tmp_path / "out")
    assert len(sent) == 1
    assert dict(backend.models) == {}


def test_a_lost_network_is_waited_out(run, backend, model, files, refuse, tmp_path):
    backend.answers = {"a.csv": "[1]", "sub/b.csv": "[2]"}
    lost = boto.EndpointConnectionError(endpoint_url="https://api.sagemaker")
    refuse("DescribeTransformJob", lost, times=2)
    done = run("transform", model, files, "--on", "aws", "--output", tmp_path / "out")
    assert done.stderr.count("AWS cannot be reached") == 1
    assert (tmp_path / "out" / "a.csv.out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "Line", "--batch", "5"], "--batch 5: SageMaker sends one record a request"),
        (["--instance-type", "ml.c5.large"], "SageMaker transforms on no ml.c5.large; ml.m5.large is one"),
        (["--max-run", "0"], "--max-run: more than 0 seconds"),
        (["--tag", "glaunch=x"], "tags: 'glaunch'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(run, backend, model, files, calls, words, message):
    assert message in run("transform", model, files, "--on", "aws", *words, status=2).stderr
    assert calls == []


def test_what_nobody_could_clean_up_is_found_by_sweep(run, backend, model, files, refuse):
    refuse("DescribeTransformJob", "AccessDeniedException", "not you", times=1)
    refused = run("transform", model, files, "--on", "aws", status=2)
    assert f"Its answers will be at s3://{BUCKET}/runs/digits-transform-" in refused.stderr
    [name] = backend.jobs
    backend.steps = [lambda: None] * 100
    listed = json.loads(run("sweep", "--json").stdout)
    assert {(one["kind"], one["name"]) for one in listed} == {
        ("transform job", name),
        ("leftover", "digits-transform"),
    }
    run("sweep", "--yes")
    assert backend.stopped == [name]
    assert dict(backend.models) == {}
