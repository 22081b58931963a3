"""What is there of a stack, and why a change of it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launcher.cloud.aws import unless_missing, without_secrets

TAG = "glaunch"  # on everything this project makes; its value is the stack's name
PREFIX = "glaunch-"  # of the names of our change sets
PROPOSED = "REVIEW_IN_PROGRESS"  # a change set that nobody has executed; there is nothing in the stack


@dataclass(frozen=True)
class State:
    """What is there.

    Attributes:
        stack_id: its ARN.
        status: CloudFormation's word.
        parameters: their values, as text.
        resources: the names AWS gave, by the names in the template.
        is_ours: whether it has our tag, or was only proposed, and by us.
    """

    stack_id: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    is_ours: bool = False

    @property
    def is_changing(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != PROPOSED


def read(client: Any, name: str) -> State | None:
    """The state of a stack, or None where there is no such stack. Raises what boto3 raises."""
    found = unless_missing(lambda: client.describe_stacks(StackName=name)["Stacks"][0])
    if found is None:
        return None
    resources = {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for page in client.get_paginator("list_stack_resources").paginate(StackName=name)
        for one in page["StackResourceSummaries"]
        if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
    }
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return State(
        found["StackId"],
        found["StackStatus"],
        {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])},
        resources,
        tags.get(TAG) == name or (found["StackStatus"] == PROPOSED and _is_proposed_by_us(client, name)),
    )


def _is_proposed_by_us(client: Any, name: str) -> bool:
    """A stack has its tags only when a change set of it has been executed."""
    found = client.list_change_sets(StackName=name)["Summaries"]
    return all(one["ChangeSetName"].startswith(PREFIX) for one in found)


def why(client: Any, stack_id: str, began_with: str) -> str:
    """The first resource that failed in the last change, and AWS's reason: `Bucket: ...`.

    Args:
        client: of CloudFormation.
        stack_id: the stack's ARN, which still works when it is gone.
        began_with: the status the change began with: `UPDATE_IN_PROGRESS`.
    """
    first = "AWS gives no reason"
    for event in client.describe_stack_events(StackName=stack_id)["StackEvents"]:  # the latest first
        if event["PhysicalResourceId"] == stack_id:
            if event["ResourceStatus"] == began_with:
                break
        elif event["ResourceStatus"].endswith("_FAILED"):
            reason = event.get("ResourceStatusReason", "")
            if "cancelled" not in reason:  # because another one had failed
                first = f"{event['LogicalResourceId']}: {without_secrets(reason)}"
    return first
