"""`glaunch infra up`: the changes are shown, made after a yes, and what fails is rolled back."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import EndpointConnectionError

from launcher.config import Config, path_of

OURS = {"Key": "glaunch", "Value": "glaunch"}
BODY = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # a resource that moto does not make


def stacks(account):
    return account("cloudformation").describe_stacks()["Stacks"]


def test_a_yes_makes_the_stack_tagged_and_remembers_its_names(account, run):
    done = run("infra", "up", answers="y\n")
    assert re.search(r"\+ Bucket +AWS::S3::Bucket", done.stdout)
    assert re.search(r"\+ Role +AWS::IAM::Role", done.stdout)
    (stack,) = stacks(account)
    assert (stack["StackName"], stack["StackStatus"], stack["Tags"]) == ("glaunch", "CREATE_COMPLETE", [OURS])
    config = Config.load("default")
    assert account("s3").list_buckets()["Buckets"][0]["Name"] == config.bucket
    assert account("iam").list_roles()["Roles"][0]["RoleName"] == config.role
    assert config.region == "eu-west-1"
    group = account("logs").describe_log_groups()["logGroups"][0]
    assert (group["logGroupName"], group["retentionInDays"]) == ("/aws/sagemaker/TrainingJobs", 30)


def test_a_no_leaves_nothing_behind(account, run):
    run("infra", "up", answers="n\n", status=130)
    assert stacks(account) == []
    assert account("s3").list_buckets()["Buckets"] == []
    assert not path_of("default").exists()


def test_where_nobody_can_be_asked_the_changes_are_shown_and_not_made(account, run):
    done = run("infra", "up", status=2)
    assert "+ Bucket" in done.stdout
    assert "--yes says yes" in done.stderr
    assert stacks(account) == []


def test_a_second_up_changes_nothing(account, run, calls):
    run("infra", "up", "--yes")
    calls.clear()
    done = json.loads(run("infra", "up", "--json").stdout)  # without a yes: there is nothing to ask
    assert done["changes"] == []
    assert done["status"] == "CREATE_COMPLETE"
    made = [operation for _, operation, _ in calls]
    assert "DeleteChangeSet" in made
    assert "ExecuteChangeSet" not in made
    assert "DeleteStack" not in made


def test_parameters_given_once_are_kept(account, run):
    run("infra", "up", "--yes", "--budget", 50, "--budget-email", "me@example.org", "--run-days", 7)
    run("infra", "up", "--yes", "--log-days", 14)
    (stack,) = stacks(account)
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert values == {
        "Budget": "50",
        "BudgetEmail": "me@example.org",
        "RunDays": "7",
        "LogDays": "14",
        "TrainingLogs": "make",
    }


def test_a_log_group_that_the_account_has_is_left_alone(account, run):
    account("logs").create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    done = json.loads(run("infra", "up", "--yes", "--json").stdout)
    assert done["parameters"]["TrainingLogs"] == "leave"
    assert "TrainingLogGroup" not in done["resources"]
    assert "retentionInDays" not in account("logs").describe_log_groups()["logGroups"][0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--budget", 50], "--budget-email"),
        (["--log-days", 8], "CloudWatch knows 1, 3, 5, 7, 14"),
        (["--run-days", 0], "0 is not in the range"),
        (["--profile", "../x"], "letters, digits"),
    ],
)
def test_values_that_aws_would_refuse_are_refused_before_anything_is_proposed(account, run, calls, words, told):
    assert told in run("infra", "up", "--yes", *words, status=2).stderr
    assert [operation for _, operation, _ in calls if operation == "CreateChangeSet"] == []


def test_a_stack_of_somebody_else_is_not_touched(account, run, calls):
    account("cloudformation").create_stack(StackName="glaunch", TemplateBody=BODY)
    calls.clear()
    for words in (["up", "--yes"], ["down", "--yes", "--empty"]):
        assert "was not made by glaunch" in run("infra", *words, status=2).stderr
    assert [operation for _, operation, _ in calls if not re.match("Describe|List", operation)] == []
    assert "(not made by glaunch)" in run("infra", "show").stdout


def test_a_proposal_of_somebody_else_is_not_touched(account, run):
    account("cloudformation").create_change_set(
        StackName="glaunch", ChangeSetName="theirs", ChangeSetType="CREATE", TemplateBody=BODY
    )
    assert "was not made by glaunch" in run("infra", "up", "--yes", status=2).stderr
    assert [stack["StackStatus"] for stack in stacks(account)] == ["REVIEW_IN_PROGRESS"]


def test_a_proposal_that_was_left_behind_is_no_obstacle(account, run, calls):
    account("cloudformation").create_change_set(
        StackName="glaunch", ChangeSetName="glaunch-1", ChangeSetType="CREATE", TemplateBody=BODY
    )
    run("infra", "up", answers="n\n", status=130)  # moto would make the stack of the first proposal
    (made,) = [arguments for _, operation, arguments in calls if operation == "CreateChangeSet"][1:]
    assert made["ChangeSetType"] == "CREATE"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("ROLLBACK_COMPLETE", "run `glaunch infra down`"),
        ("DELETE_FAILED", "run `glaunch infra down`"),
        ("UPDATE_IN_PROGRESS", "try again in some minutes"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ],
)
def test_a_stack_in_a_bad_state_is_not_changed(account, run, alter, calls, status, told):
    run("infra", "up", "--yes")
    calls.clear()
    alter("DescribeStacks", with_status(status))
    done = run("infra", "up", "--yes", status=2)
    assert status in done.stderr
    assert told in done.stderr
    assert [operation for _, operation, _ in calls if operation == "CreateChangeSet"] == []


def test_a_first_change_that_fails_tells_aws_reason_and_that_all_is_removed(account, run, alter, calls):
    def events(_):
        def event(resource, status, reason=""):
            name = stack_id if resource == "glaunch" else "x"
            return {
                "LogicalResourceId": resource,
                "PhysicalResourceId": name,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }

        stack_id = next(arguments["StackName"] for _, operation, arguments in calls if operation == "ExecuteChangeSet")
        return {
            "StackEvents": [
                event("glaunch", "DELETE_IN_PROGRESS"),
                event("Role", "CREATE_FAILED", "Resource creation cancelled"),
                event("Bucket", "CREATE_FAILED", "Resource of account 123456789012: too many buckets"),
                event("glaunch", "CREATE_IN_PROGRESS", "User Initiated"),
                event("Bucket", "DELETE_FAILED", "of an earlier time"),
            ]
        }

    def settle(found):
        executed = any(operation == "ExecuteChangeSet" for _, operation, _ in calls)
        return with_status("DELETE_COMPLETE")(found) if executed else found

    alter("DescribeStacks", settle)
    alter("DescribeStackEvents", events)
    done = run("infra", "up", "--yes", status=1)
    assert "what was made is removed" in done.stderr
    assert "Bucket: Resource of account ************: too many buckets" in done.stderr
    made = next(arguments for _, operation, arguments in calls if operation == "CreateChangeSet")
    assert made["OnStackFailure"] == "DELETE"
    assert not path_of("default").exists()


def test_a_stack_that_takes_too_long_is_removed_again(account, run, alter, calls, monkeypatch):
    monkeypatch.setattr("launcher.infra.stack._CHANGING", 0.0)
    alter("DescribeStacks", with_status("CREATE_IN_PROGRESS"))
    assert "is being rolled back" in run("infra", "up", "--yes", status=1).stderr
    assert calls[-1][1] == "DeleteStack"


def test_a_change_that_takes_too_long_is_cancelled(account, run, alter, refuse, monkeypatch):
    run("infra", "up", "--yes")
    monkeypatch.setattr("launcher.infra.stack._CHANGING", 0.0)
    looks = iter(["CREATE_COMPLETE"])

    def in_progress(found):
        return with_status(next(looks, "UPDATE_IN_PROGRESS"))(found)

    alter("DescribeStacks", in_progress)
    refuse("CancelUpdateStack", "ValidationError", "cancelled, as far as moto can")
    assert "as far as moto can" in run("infra", "up", "--yes", "--run-days", 5, status=2).stderr


def test_a_wait_survives_a_network_that_is_down_for_a_while(account, run, refuse):
    down = EndpointConnectionError(endpoint_url="https://cloudformation.eu-west-1.amazonaws.com")
    refuse("DescribeChangeSet", down, times=5)
    run("infra", "up", "--yes")
    assert stacks(account)[0]["StackStatus"] == "CREATE_COMPLETE"


def test_an_interrupted_wait_tells_that_aws_goes_on(account, run, alter, calls):
    def interrupted(found):
        if any(operation == "ExecuteChangeSet" for _, operation, _ in calls):
            raise KeyboardInterrupt
        return found

    alter("DescribeStacks", interrupted)
    assert "AWS goes on with the stack glaunch" in run("infra", "up", "--yes", status=130).stderr


def test_a_change_set_that_aws_refuses_is_removed_with_its_empty_stack(account, run, alter):
    def failed(found):
        return {**found, "Status": "FAILED", "StatusReason": "Template error in account 123456789012"}

    alter("DescribeChangeSet", failed)
    done = run("infra", "up", "--yes", status=2)
    assert "Template error in account ************" in done.stderr
    assert stacks(account) == []


def with_status(status):
    def change(found):
        return {**found, "Stacks": [{**one, "StackStatus": status} for one in found["Stacks"]]}

    return change
