"""What AWS, the network and the credentials do wrong: one clear line, its exit status, no traceback, no secret."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto

from launcher.cloud import aws
from launcher.config import Config
from launcher.errors import UserError

DENIED = (
    "User: arn:aws:iam::123456789012:user/me (AIDAEXAMPLE1234567890) is not authorized to perform: "
    "cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:eu-west-1:123456789012:stack/glaunch/*"
)


@pytest.mark.parametrize("verb", [["up", "--yes"], ["show"], ["down", "--yes"]])
@pytest.mark.parametrize(
    ("error", "message", "told"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "have expired: run `aws sso login`"),
        ("InvalidClientTokenId", "The security token is invalid", "AWS does not know these credentials"),
        ("AccessDenied", DENIED, "`glaunch infra policy` prints what is needed"),
        ("Throttling", "Rate exceeded", "try again in a minute"),
        ("InternalFailure", "Oops", "AWS refused DescribeStacks (InternalFailure): Oops"),
    ],
)
def test_what_aws_refuses_is_one_line_without_account_or_key(account, run, refuse, verb, error, message, told):
    refuse("DescribeStacks", error, message)
    done = run("infra", *verb, status=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "123456789012" not in done.stderr
    assert "AIDAEXAMPLE" not in done.stderr


def test_a_denied_change_names_the_call_and_leaves_no_proposal(account, run, refuse):
    refuse("ExecuteChangeSet", "AccessDenied", DENIED)
    assert "AWS denies ExecuteChangeSet" in run("infra", "up", "--yes", status=2).stderr
    assert account("cloudformation").describe_stacks()["Stacks"] == []


def test_without_credentials_it_says_where_to_get_them(run):
    run("config", "set", "region", "eu-west-1")
    assert "no AWS credentials: run `aws configure`" in run("infra", "show", status=2).stderr


def test_without_boto3_it_says_what_to_install_and_still_prints_policies(glaunch, tmp_path):
    for name in ("boto3", "botocore"):
        (tmp_path / "absent" / name).mkdir(parents=True)
        (tmp_path / "absent" / name / "__init__.py").write_text("raise ModuleNotFoundError('absent')")
    for verb in (["show"], ["up"], ["down"]):
        done = glaunch("infra", *verb, status=2, PYTHONPATH=str(tmp_path / "absent"))
        assert "pip install 'gluon-launcher[aws]'" in done.stderr
    glaunch("infra", "policy", PYTHONPATH=str(tmp_path / "absent"))


def test_without_a_region_it_says_how_to_set_one(run, credentials):
    assert "`glaunch config set region eu-west-1`" in run("infra", "show", status=2).stderr


def test_a_profile_that_the_aws_tools_do_not_know_is_named(run):
    run("config", "set", "aws_profile", "nobody")
    done = run("infra", "show", status=2)
    assert "(nobody)" in done.stderr
    assert "aws configure --profile" in done.stderr


def test_a_network_that_is_down_is_told(run, credentials, refuse):
    run("config", "set", "region", "eu-west-1")
    refuse(
        "DescribeStacks", boto.EndpointConnectionError(endpoint_url="https://cloudformation.eu-west-1.amazonaws.com")
    )
    assert "AWS cannot be reached" in run("infra", "show", status=2).stderr


def test_the_region_may_come_from_either_variable(account, run, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert "in eu-west-3" in run("infra", "show").stdout


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (boto.UnauthorizedSSOTokenError(), "have expired"),
        (boto.TokenRetrievalError(provider="sso", error_msg="expired"), "have expired"),
        (boto.CredentialRetrievalError(provider="process", error_msg="x"), "have expired"),
        (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "no AWS credentials"),
        (boto.ReadTimeoutError(endpoint_url="https://x"), "cannot be reached"),
        (boto.ParamValidationError(report="account 123456789012"), "account ************"),
    ],
)
def test_what_goes_wrong_on_this_side_is_told(error, told):
    with pytest.raises(UserError, match=r"it: |AWS") as found, aws.readable("it"):
        raise error
    assert told in str(found.value)


def test_a_client_gives_up_waiting(account):
    settings = aws.Aws(Config()).client("s3").meta.config
    assert (settings.connect_timeout, settings.read_timeout) == (10, 60)
    assert settings.retries == {"mode": "standard", "total_max_attempts": 5}


def test_only_numbers_as_long_as_an_account_are_blacked_out():
    text = "job 1234567890123 of 123456789012 with ASIAABCDEFGHIJKLMNOP"
    assert aws.without_secrets(text) == f"job 1234567890123 of {'*' * 12} with {'*' * 20}"
