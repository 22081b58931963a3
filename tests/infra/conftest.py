"""An account of moto's in this process, without anybody's own credentials, and `glaunch` beside it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from launcher import cli
from launcher.cloud import waiting

REGION = "eu-west-1"


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def _environment(tmp_path, monkeypatch):
    """No credentials, no region and no proxy but what a test sets; and no pause between two looks."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "GLAUNCH_PROFILE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)


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
