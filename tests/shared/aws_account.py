"""An account of moto's in this process, without anybody's own credentials, and `glaunch` beside it.

Fixtures: a conftest.py imports those that its tests use.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import NamedTuple

import boto3
import botocore.session
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from moto import mock_aws

from launcher import cli
from launcher.cloud import waiting
from launcher.config import Config

REGION = "eu-west-1"

# The descriptions of AWS's services, read once a process: they are most of what a client costs.
_loader = create_loader()


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """No credentials, no region and no proxy but what a test sets; and no pause between two looks at AWS."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "GLAUNCH_PROFILE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(botocore.session, "create_loader", lambda _: _loader)
    # Of that module alone: what else sleeps in a test is another thread's, or another process's.
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: None))


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def account(credentials, monkeypatch) -> Iterator[Callable[[str], object]]:
    """`account(service)`: a plain client of an empty account, with a region."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield boto3.client


@pytest.fixture
def stack(account) -> Config:
    """A bucket and a role in the account, and the configuration that names them, saved as the default profile."""
    config = Config(region=REGION, bucket="glaunch-bucket-1x2y3z", role="glaunch-Role-1X2Y3Z")
    account("s3").create_bucket(Bucket=config.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account("iam").create_role(RoleName=config.role, AssumeRolePolicyDocument=document)
    config.save("default")
    return config


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Done]:
    """`run(*words, status=0, answers=None)`: the command in this process; answers are what a person types."""

    def call(*words: object, status: int = 0, answers: str | None = None) -> Done:
        stdin = io.StringIO(answers or "")
        stdin.isatty = lambda: answers is not None
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "argv", ["glaunch", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        done = Done(*capsys.readouterr())
        assert end.value.code == status, done
        return done

    return call


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, str, dict]]:
    """Every call of AWS, as (service, operation, arguments), in order."""
    made: list[tuple[str, str, dict]] = []
    call = BaseClient._make_api_call

    def record(self, operation, arguments):
        made.append((self.meta.service_model.service_name, operation, arguments))
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return made


@pytest.fixture
def refuse(monkeypatch) -> Callable[..., None]:
    """`refuse("ExecuteChangeSet", "AccessDenied", "message")`: AWS answers that call with that error.

    An exception instead of the error's code is raised; `times` is how often, for ever by default.
    """
    refused: dict[str, list] = {}
    call = BaseClient._make_api_call

    def answer(self, operation, arguments):
        if refused.get(operation):
            error, times = refused[operation]
            refused[operation] = [error, times - 1] if times > 1 else None
            raise error
        return call(self, operation, arguments)

    def add(operation: str, error: str | Exception, message: str = "", times: int = 1_000_000) -> None:
        if isinstance(error, str):
            error = ClientError({"Error": {"Code": error, "Message": message}}, operation)
        refused[operation] = [error, times]

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return add


@pytest.fixture
def alter(monkeypatch) -> Callable[..., None]:
    """`alter("DescribeStacks", function)`: what AWS answers to that call goes through the function."""
    altered: dict[str, Callable] = {}
    call = BaseClient._make_api_call

    def answer(self, operation, arguments):
        found = call(self, operation, arguments)
        return altered[operation](found) if operation in altered else found

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return altered.__setitem__
