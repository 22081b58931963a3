"""What the template promises, read from the template: moto ignores half of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from launcher.infra import parameters, stack


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags: `!Ref Bucket` becomes {"Ref": "Bucket"}."""


def _tagged(loader, suffix, node):
    kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    construct = kinds.get(type(node), loader.construct_mapping)
    return {suffix: construct(node, deep=True) if construct != loader.construct_scalar else construct(node)}


Loader.add_multi_constructor("!", _tagged)


@pytest.fixture(scope="module")
def template():
    return yaml.load(stack.TEMPLATE.read_text(), Loader)


@pytest.fixture(scope="module")
def bucket(template):
    return template["Resources"]["Bucket"]["Properties"]


@pytest.fixture(scope="module")
def allowed(template):
    """The statements of the role, by name."""
    policies = template["Resources"]["Role"]["Properties"]["Policies"]
    return {statement["Sid"]: statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]}


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_cfn_lint_finds_nothing_not_even_advice():
    words = [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", str(stack.TEMPLATE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")
    text = stack.TEMPLATE.read_text()
    assert "cfn-lint" not in text, "a rule is switched off in the template"


def test_the_template_may_be_sent_in_one_request():
    assert stack.TEMPLATE.stat().st_size <= 51_200


def test_the_bucket_is_encrypted_and_private(bucket):
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(names, True)
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_the_bucket_refuses_what_does_not_come_by_recent_tls(template):
    policy = template["Resources"]["BucketPolicy"]["Properties"]
    assert policy["Bucket"] == {"Ref": "Bucket"}
    statements = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
    assert statements["OnlyTls"]["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    assert statements["OnlyRecentTls"]["Condition"] == {"NumericLessThan": {"s3:TlsVersion": 1.2}}
    for one in statements.values():
        assert (one["Effect"], one["Principal"], one["Action"]) == ("Deny", "*", "s3:*")
        assert one["Resource"] == [{"GetAtt": "Bucket.Arn"}, {"Sub": "${Bucket.Arn}/*"}]


def test_old_runs_and_broken_uploads_go_and_data_stays(bucket):
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert all(rule["Status"] == "Enabled" for rule in rules.values())
    expired = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expired == {"runs/": {"Ref": "RunDays"}, "endpoints/": {"Ref": "RunDays"}}
    assert rules["broken-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


def test_only_sagemaker_for_this_account_may_be_the_role(template):
    (statement,) = template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_role_has_no_wildcard_in_an_action_and_no_managed_policy(template, allowed):
    assert "ManagedPolicyArns" not in template["Resources"]["Role"]["Properties"]
    actions = [action for one in allowed.values() for action in as_list(one["Action"])]
    assert actions
    assert [action for action in actions if "*" in action or "?" in action] == []
    assert all("NotAction" not in one and "NotResource" not in one for one in allowed.values())
    assert {action.partition(":")[0] for action in actions} == {"s3", "logs", "cloudwatch", "ecr"}


def test_the_role_reaches_its_own_bucket_only(allowed):
    about_s3 = [one for one in allowed.values() if any(action.startswith("s3:") for action in as_list(one["Action"]))]
    reached = [resource for one in about_s3 for resource in as_list(one["Resource"])]
    assert reached == [{"GetAtt": "Bucket.Arn"}, {"Sub": "${Bucket.Arn}/*"}]


def test_the_role_writes_the_logs_of_sagemaker_only(allowed):
    (where,) = as_list(allowed["WriteLogs"]["Resource"])
    assert where["Sub"].endswith(":${AWS::AccountId}:log-group:/aws/sagemaker/*")


def test_every_resource_is_named_except_where_aws_has_no_name_for_it(allowed):
    anywhere = {name for name, one in allowed.items() if one["Resource"] == "*"}
    assert anywhere == {"WriteMetrics", "LogInToRegistry"}
    assert allowed["LogInToRegistry"]["Action"] == "ecr:GetAuthorizationToken"
    assert allowed["WriteMetrics"]["Condition"] == {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}


def test_log_lines_expire_and_the_accounts_log_group_outlives_the_stack(template):
    group = template["Resources"]["TrainingLogGroup"]
    properties = group["Properties"]
    assert properties == {"LogGroupName": parameters.TRAINING_LOGS, "RetentionInDays": {"Ref": "LogDays"}}
    assert group["DeletionPolicy"] == "RetainExceptOnCreate"
    assert tuple(template["Parameters"]["LogDays"]["AllowedValues"]) == parameters.RETENTIONS


def test_the_budget_is_optional_and_tells_somebody(template):
    assert template["Parameters"]["Budget"]["Default"] == 0
    alarm = template["Resources"]["BudgetAlarm"]
    assert alarm["Condition"] == "HasBudget"
    assert alarm["Properties"]["Budget"]["TimeUnit"] == "MONTHLY"
    assert alarm["Properties"]["Budget"]["BudgetLimit"] == {"Amount": {"Ref": "Budget"}, "Unit": "USD"}
    told = [one["Subscribers"] for one in alarm["Properties"]["NotificationsWithSubscribers"]]
    assert told == [[{"SubscriptionType": "EMAIL", "Address": {"Ref": "BudgetEmail"}}]] * 2


def test_the_parameters_are_those_the_code_sets_with_its_defaults(template):
    defaults = {name: str(one["Default"]) for name, one in template["Parameters"].items()}
    assert defaults == {**parameters.DEFAULTS, "TrainingLogs": "make"}
