"""The policies for people: well formed, narrow, and enough for every call that is made."""

from __future__ import annotations

import json
import re

import pytest
from botocore.loaders import Loader as ServiceLoader

from launcher.config import Config
from launcher.infra.policy import ADMINISTRATOR, CALLER, policy

CONFIG = Config(region="eu-west-1", stack="digits", bucket="digits-bucket-1", role="digits-Role-1")
WHO = [CALLER, ADMINISTRATOR]
# IAM's names of actions that are not the names of calls, or not of the same service.
NOT_CALLS = {
    "iam:PassRole", "s3:ListBucket", "s3:ListBucketVersions", "s3:DeleteObjectVersion", "s3:GetEncryptionConfiguration",
    "s3:PutEncryptionConfiguration", "s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock",
    "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:ListBucketMultipartUploads",
    "s3:GetAccelerateConfiguration", "s3:GetAnalyticsConfiguration", "s3:GetBucketCORS",
    "s3:GetBucketObjectLockConfiguration", "s3:GetIntelligentTieringConfiguration", "s3:GetInventoryConfiguration",
    "s3:GetMetricsConfiguration", "s3:GetReplicationConfiguration",
    "s3:ListMultipartUploadParts", "s3:ListTagsForResource", "s3:TagResource", "s3:UntagResource",
    "sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync", "budgets:ViewBudget", "budgets:ModifyBudget",
    "cloudformation:TagResource", "cloudformation:UntagResource",
}  # fmt: skip
SERVICES = {"tag": "resourcegroupstaggingapi", "servicequotas": "service-quotas"}


def statements(who, config=CONFIG):
    return policy(who, config)["Statement"]


def actions(who):
    return [action for one in statements(who) for action in one["Action"]]


@pytest.mark.parametrize("who", WHO)
def test_a_policy_is_short_enough_for_iam_and_names_each_statement_once(who):
    assert len(json.dumps(policy(who, CONFIG), separators=(",", ":"))) <= 6144
    names = [one["Sid"] for one in statements(who)]
    assert len(names) == len(set(names))
    assert all(name.isalnum() for name in names)


@pytest.mark.parametrize("who", WHO)
def test_no_action_has_a_wildcard_or_is_allowed_twice_in_one_statement(who):
    assert [action for action in actions(who) if not re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", action)] == []
    assert all(len(one["Action"]) == len(set(one["Action"])) for one in statements(who))


@pytest.mark.parametrize("who", WHO)
def test_every_action_exists(who):
    loader, operations = ServiceLoader(), {}
    for action in set(actions(who)) - NOT_CALLS:
        service, name = action.split(":")
        if service not in operations:
            model = loader.load_service_model(SERVICES.get(service, service), "service-2")
            operations[service] = model["operations"]
        assert name in operations[service], action


@pytest.mark.parametrize("who", WHO)
def test_the_names_of_the_stack_are_put_in_and_no_account(who):
    text = json.dumps(policy(who, CONFIG))
    assert "$" not in text
    assert "digits" in text
    assert "eu-west-1" in text
    assert re.search(r"\d{12}", text) is None


def test_before_the_stack_is_there_the_names_are_patterns():
    text = json.dumps(policy(CALLER, Config()))
    assert "arn:aws:s3:::glaunch-bucket-*/*" in text
    assert "role/glaunch-Role-*" in text
    assert "arn:aws:sagemaker:*:*:*" in text


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_other_partitions_have_their_own_arns(region, partition):
    text = json.dumps(policy(CALLER, Config(region=region)))
    assert f"arn:{partition}:s3:::" in text
    assert "arn:aws:" not in text


def test_a_caller_makes_tagged_things_only_and_changes_tagged_things_only():
    changing = re.compile(r"sagemaker:(Create|Update|Delete|Stop|Invoke)")
    for one in statements(CALLER):
        if any(changing.match(action) for action in one["Action"]):
            tags = one["Condition"]["StringEquals"]
            assert tags in ({"aws:RequestTag/glaunch": "digits"}, {"aws:ResourceTag/glaunch": "digits"})


def test_a_caller_gives_the_role_to_sagemaker_only():
    (given,) = [one for one in statements(CALLER) if "iam:PassRole" in one["Action"]]
    assert given["Resource"] == "arn:aws:iam::*:role/digits-Role-1"
    assert given["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_what_reaches_everything_only_looks():
    for who in WHO:
        for one in statements(who):
            if one["Resource"] == "*":
                assert [
                    action for action in one["Action"] if not re.search(":(List|Describe|Get|Search)", action)
                ] == []


def test_the_policies_are_printed_without_asking_aws(glaunch):
    glaunch("config", "set", "stack", "digits")
    caller, administrator = (json.loads(glaunch("infra", "policy", *words).stdout) for words in ([], ["--admin"]))
    assert caller == policy(CALLER, Config(stack="digits"))
    assert administrator == policy(ADMINISTRATOR, Config(stack="digits"))
