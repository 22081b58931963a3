"""Access to AWS: what is made once, and what AWS's answers mean."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from launcher.cloud.aws import Aws, unless_missing, unless_over


def failing(code, message=""):
    def call():
        raise ClientError({"Error": {"Code": code, "Message": message}}, "Describe")

    return call


def test_a_client_is_made_once_for_the_same_words(stack):
    aws = Aws(stack)
    assert aws.client("s3") is aws.client("s3")
    assert aws.client("s3") is not aws.client("s3", attempts=1)
    assert aws.client("s3", attempts=1).meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceNotFound", "Amazon SageMaker can't find it"),
        ("ResourceNotFoundException", ""),
        ("ValidationException", 'Could not find endpoint "arn".'),
        ("ValidationException", "Requested resource not found."),
        ("ValidationError", "Stack with id x does not exist"),
    ],
)
def test_what_is_not_there_is_none(code, message):
    assert unless_missing(failing(code, message)) is None


@pytest.mark.parametrize(("code", "message"), [("ValidationException", "1 error: name"), ("AccessDenied", "not found")])
def test_what_aws_refuses_for_another_reason_is_an_error(code, message):
    with pytest.raises(ClientError):
        unless_missing(failing(code, message))


def test_a_job_that_ended_meanwhile_needs_no_end():
    unless_over(failing("ValidationException", "The job is not running"))
    with pytest.raises(ClientError):
        unless_over(failing("AccessDenied"))
