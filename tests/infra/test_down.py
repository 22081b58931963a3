"""`glaunch infra show` and `down`: what is there, and that it goes only after a yes, with all that is in the bucket."""

from __future__ import annotations

import json

import pytest

from launcher.cloud.aws import Aws
from launcher.config import Config
from launcher.infra import bucket as buckets

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # a resource that moto does not make


@pytest.fixture
def stack(account, run):
    """A stack with an empty bucket."""
    run("infra", "up", "--yes")
    return Config.load("default")


@pytest.fixture
def full(account, stack, monkeypatch):
    """A stack whose bucket has several pages of objects, versions and marks of deletion."""
    monkeypatch.setattr(buckets, "_PAGE", 3)
    s3 = account("s3")
    s3.put_bucket_versioning(Bucket=stack.bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(7):
        s3.put_object(Bucket=stack.bucket, Key=f"runs/{number}", Body=b"x")
    s3.put_object(Bucket=stack.bucket, Key="runs/1", Body=b"another version")
    s3.delete_object(Bucket=stack.bucket, Key="runs/2")
    return stack


def stacks(account):
    return account("cloudformation").describe_stacks()["Stacks"]


def test_show_tells_what_is_there(account, run, stack):
    text = run("infra", "show").stdout
    assert "glaunch in eu-west-1  CREATE_COMPLETE" in text
    assert stack.bucket in text
    shown = json.loads(run("infra", "show", "--json").stdout)
    assert shown["resources"]["Bucket"] == stack.bucket
    assert shown["resources"]["Role"] == stack.role
    assert shown["parameters"]["RunDays"] == "90"


def test_show_without_a_stack_says_how_to_make_one(account, run):
    assert "`glaunch infra up` makes it" in run("infra", "show").stdout
    assert json.loads(run("infra", "show", "--json").stdout)["status"] is None


def test_a_yes_deletes_the_stack_and_forgets_its_names(account, run, stack):
    run("infra", "down", answers="y\n")
    assert stacks(account) == []
    assert account("s3").list_buckets()["Buckets"] == []
    assert account("iam").list_roles()["Roles"] == []
    assert Config.load("default") == Config(region="eu-west-1")


def test_two_yeses_delete_a_full_bucket_with_every_version(account, run, full):
    done = run("infra", "down", answers="y\ny\n")
    assert "9 objects" in done.stderr
    assert full.bucket in done.stderr
    assert stacks(account) == []
    assert account("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize("answers", ["n\n", "y\nn\n"])
def test_a_no_to_either_question_deletes_nothing(account, run, full, answers):
    run("infra", "down", answers=answers, status=130)
    assert len(stacks(account)) == 1
    assert len(account("s3").list_objects_v2(Bucket=full.bucket)["Contents"]) == 6
    assert Config.load("default") == full


def test_where_nobody_can_be_asked_a_full_bucket_needs_a_yes_of_its_own(account, run, full):
    assert "--empty says yes" in run("infra", "down", "--yes", status=2).stderr
    assert len(stacks(account)) == 1
    done = json.loads(run("infra", "down", "--yes", "--empty", "--json").stdout)
    assert (done["deleted"], done["objects"]) == (True, 9)
    assert stacks(account) == []


def test_down_without_a_stack_is_no_error(account, run):
    assert "is not there" in run("infra", "down", "--yes").stdout


def test_other_buckets_and_roles_are_not_touched(account, run, stack, calls):
    account("s3").create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    account("s3").put_object(Bucket="mine", Key="runs/1", Body=b"x")
    Config(region="eu-west-1", bucket="mine", role="mine").save("default")  # the stack decides, not the configuration
    run("infra", "down", "--yes", "--empty")
    assert account("s3").list_objects_v2(Bucket="mine")["KeyCount"] == 1


def test_a_bucket_that_is_gone_already_is_empty(account):
    aws = Aws(Config())
    assert buckets.content(aws, "gone") == buckets.Content()
    buckets.empty(aws, "gone")


def test_a_bucket_of_millions_of_objects_is_not_counted_to_the_end(account, full, monkeypatch):
    monkeypatch.setattr(buckets, "_PAGE", 1)
    counted = buckets.content(Aws(Config()), full.bucket)
    assert (counted.objects, counted.is_all) == (9, True)
    account("s3").put_object(Bucket=full.bucket, Key="runs/10", Body=b"x")
    account("s3").put_object(Bucket=full.bucket, Key="runs/11", Body=b"x")
    counted = buckets.content(Aws(Config()), full.bucket)
    assert (counted.objects, counted.is_all) == (10, False)


def test_an_object_that_cannot_be_deleted_stops_before_the_stack_is(account, run, full, alter):
    alter("DeleteObjects", lambda _: {"Errors": [{"Key": "runs/5", "Code": "AccessDenied", "Message": "legal hold"}]})
    done = run("infra", "down", "--yes", "--empty", status=1)
    assert "runs/5" in done.stderr
    assert "legal hold" in done.stderr
    assert len(stacks(account)) == 1


def test_a_stack_that_cannot_be_deleted_tells_why(account, run, stack, alter, calls):
    def events(_):
        stack_id = next(arguments["StackName"] for _, operation, arguments in calls if operation == "DeleteStack")
        deletion = {"LogicalResourceId": "glaunch", "PhysicalResourceId": stack_id}
        role = {"LogicalResourceId": "Role", "PhysicalResourceId": stack.role}
        return {
            "StackEvents": [
                {**role, "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "a policy is attached"},
                {**deletion, "ResourceStatus": "DELETE_IN_PROGRESS", "ResourceStatusReason": "User Initiated"},
                {**role, "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "of an earlier time"},
            ]
        }

    def failed(found):
        asked = any(operation == "DeleteStack" for _, operation, _ in calls)
        status = "DELETE_FAILED" if asked else "CREATE_COMPLETE"
        return {**found, "Stacks": [{**one, "StackStatus": status} for one in found["Stacks"]]}

    alter("DescribeStacks", failed)
    alter("DescribeStackEvents", events)
    done = run("infra", "down", "--yes", status=1)
    assert "DELETE_FAILED" in done.stderr
    assert "Role: a policy is attached" in done.stderr
    assert Config.load("default") == stack
