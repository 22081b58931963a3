"""Calling endpoints on SageMaker: answers, the model's own errors, and answers that come later."""

from __future__ import annotations

import json

import pytest
from endpoint_models import ECHO, pack
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sagemaker.models import sagemaker_backends
from moto.sagemakerruntime.models import sagemakerruntime_backends

REGION = "eu-west-1"


@pytest.fixture
def deploy(run, stack, tmp_path):
    """`deploy(*words)`: an endpoint `e`."""
    model = pack(tmp_path, "echo", serve=ECHO)
    return lambda *words: run("deploy", model, "--on", "aws", "--name", "e", "--no-check", *words)


@pytest.fixture
def question(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}')
    return tmp_path / "x.json"


def test_an_answer_is_printed_as_that_of_an_endpoint_here(run, deploy, question, calls):
    deploy()
    answer = {"predictions": [{"class": 7, "label": "seven", "probability": 0.98}]}
    backend = sagemakerruntime_backends[DEFAULT_ACCOUNT_ID][REGION]
    backend.results_queue = [(json.dumps(answer), "application/json", "AllTraffic", "")]
    assert run("predict", "e", question, "--on", "aws").stdout == f"{question}: seven (0.9800)\n"
    [asked] = [words for _, operation, words in calls if operation == "InvokeEndpoint"]
    assert (asked["EndpointName"], asked["Body"], asked["ContentType"]) == ("e", b'{"a": 1}', "application/json")
    [told] = json.loads(run("predict", "e", question, "--on", "aws", "--json").stdout)
    assert told["answer"] == answer


def test_the_model_s_own_error_is_told(run, deploy, question, refuse):
    from botocore.exceptions import ClientError

    deploy()
    content = {
        "Error": {"Code": "ModelError", "Message": "Received client error (400) from primary with message ..."},
        "OriginalStatusCode": 400,
        "OriginalMessage": '{"error": "expected 784 numbers, got 1"}',
    }
    refuse("InvokeEndpoint", ClientError(content, "InvokeEndpoint"))
    failed = run("predict", "e", question, "--on", "aws", status=1)
    assert "e: expected 784 numbers, got 1 (HTTP status 400)" in failed.stderr


def test_an_endpoint_that_is_not_ready_says_so(run, deploy, question, refuse):
    deploy()
    refuse("InvokeEndpoint", "ModelNotReadyException", "not yet")
    assert "cannot answer now (ModelNotReadyException)" in run("predict", "e", question, "--on", "aws", status=1).stderr


def test_one_that_is_not_there_or_does_not_serve_is_named(run, deploy, stack, question):
    missing = run("predict", "e", question, "--on", "aws", status=2)
    assert "no endpoint e in eu-west-1: `glaunch endpoints --on aws`" in missing.stderr
    deploy()
    made = sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].endpoints["e"]
    made.endpoint_status, made.failure_reason = "Failed", "out of memory"
    assert "endpoint e is Failed: out of memory" in run("predict", "e", question, "--on", "aws", status=2).stderr


@pytest.fixture
def answered(alter, account, stack):
    """`answered(place, body)`: the asynchronous endpoint's answer, or its failure, is there some looks later."""

    def install(place, body):
        folder = f"s3://{stack.bucket}/endpoints/e"

        def answer(found):
            account("s3").put_object(Bucket=stack.bucket, Key=f"endpoints/e/{place}/1", Body=body)
            return {**found, "OutputLocation": f"{folder}/output/1", "FailureLocation": f"{folder}/failure/1"}

        alter("InvokeEndpointAsync", answer)

    return install


def test_an_asynchronous_answer_is_waited_for(run, deploy, question, answered, calls, account, stack):
    deploy("--async")
    answered("output", b'{"got": {"a": 1}}')
    assert run("predict", "e", question, "--on", "aws").stdout == f'{question}: {{"got": {{"a": 1}}}}\n'
    [asked] = [words for _, operation, words in calls if operation == "InvokeEndpointAsync"]
    key = asked["InputLocation"].removeprefix(f"s3://{stack.bucket}/")
    assert key.startswith("endpoints/e/input/")
    assert account("s3").get_object(Bucket=stack.bucket, Key=key)["Body"].read() == b'{"a": 1}'


def test_an_asynchronous_failure_is_told(run, deploy, question, answered):
    deploy("--async")
    answered("failure", b'{"error": "expected 784 numbers"}')
    assert "e: expected 784 numbers" in run("predict", "e", question, "--on", "aws", status=1).stderr
