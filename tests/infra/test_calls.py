"""Every call of AWS that the code makes is allowed by the policy that is documented for it."""

from __future__ import annotations

import pytest
from permissions import actions_of, allowed

from launcher.config import Config
from launcher.infra.policy import ADMINISTRATOR, CALLER

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # a resource that moto does not make


def made(calls):
    return {action for service, operation, _ in calls for action in actions_of(service, operation)}


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
    assert made(calls) - allowed(ADMINISTRATOR) == set()


def test_a_caller_may_look_at_the_stack(account, run, calls):
    run("infra", "up", "--yes")
    calls.clear()
    run("infra", "show")
    assert calls
    assert made(calls) - allowed(CALLER) == set()
