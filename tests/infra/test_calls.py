"""Every call of AWS that the code makes is allowed by the policy that is documented for it."""

from __future__ import annotations

import pytest

from launcher.config import Config
from launcher.infra.policy import ADMINISTRATOR, CALLER, policy

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # a resource that moto does not make

# Calls whose action has another name.
ACTIONS = {
    ("s3", "ListObjectVersions"): "s3:ListBucketVersions",
    ("s3", "DeleteObjects"): "s3:DeleteObjectVersion",
}


def actions(who):
    return {action for one in policy(who, Config())["Statement"] for action in one["Action"]}


def made(calls):
    return {ACTIONS.get((service, operation), f"{service}:{operation}") for service, operation, _ in calls}


def test_an_administrator_may_do_what_up_show_and_down_do(account, run, calls):
    run("infra", "up", "--yes")
    bucket = Config.load("default").bucket
    account("s3").put_object(Bucket=bucket, Key="runs/1", Body=b"x")
    calls.clear()
    for words in (
        ["up", "--run-days", 5, "--yes"],
        ["up", "--yes"],
        ["show"],
        ["down", "--yes", "--empty"],
        ["up", "--yes"],
    ):
        run("infra", *words)
    account("cloudformation").create_change_set(
        StackName="left", ChangeSetName="glaunch-1", ChangeSetType="CREATE", TemplateBody='{"Resources": {}}'
    )
    run("config", "set", "stack", "left")
    run("infra", "show")
    assert {"CreateChangeSet", "ListChangeSets", "DeleteObjects", "DeleteStack"} <= {call[1] for call in calls}
    assert made(calls) - actions(ADMINISTRATOR) == set()


def test_a_caller_may_look_at_the_stack(account, run, calls):
    run("infra", "up", "--yes")
    calls.clear()
    run("infra", "show")
    assert calls
    assert made(calls) - actions(CALLER) == set()
