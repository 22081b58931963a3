"""The CloudFormation stack: what is there, what would change, changing it, deleting it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.cloud.aws import Aws, readable, without_secrets
from launcher.cloud.waiting import wait_for
from launcher.errors import JobFailed, UserError
from launcher.infra import state as states
from launcher.infra.state import PREFIX, PROPOSED, TAG, State

TEMPLATE = Path(__file__).parent / "stack.yaml"
_UNUSABLE = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
_UNDONE = {"DELETE_COMPLETE": "what was made is removed", "UPDATE_ROLLBACK_COMPLETE": "it is as it was before"}
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_PROPOSING, _CHANGING = 120.0, 900.0  # seconds until the wait is given up


@dataclass(frozen=True)
class Change:
    """What would happen to one resource.

    Attributes:
        action: `Add`, `Modify` or `Remove`.
        resource: its name in the template.
        kind: `AWS::S3::Bucket`.
        replaced: whether it is made anew, and the old one let go.
    """

    action: str
    resource: str
    kind: str
    replaced: bool


@dataclass(frozen=True)
class Proposal:
    """A change set that can be executed or discarded; `is_first` where the stack is not there yet."""

    name: str
    stack_id: str
    changes: tuple[Change, ...]
    is_first: bool


class Stack:
    """One stack in one region. Its methods raise UserError as `launcher.cloud.aws.readable` does."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.name = name
        self.region = aws.region
        self._client = aws.client("cloudformation")

    def state(self) -> State | None:
        """What is there now, or None."""
        with readable(f"the stack {self.name}"):
            return states.read(self._client, self.name)

    def propose(self, state: State | None, parameters: Mapping[str, str]) -> Proposal | None:
        """A change set towards the template with all its parameters (`launcher.infra.parameters`); None for no change.

        Raises:
            UserError: the stack is not ours, is being changed, or failed when it was made; AWS refuses the change set.
        """
        if state:
            self._check_usable(state)
        is_first = state is None or state.status == PROPOSED
        name = f"{PREFIX}{secrets.token_hex(6)}"
        with readable(f"a change set for the stack {self.name}"):
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=name,
                ChangeSetType="CREATE" if is_first else "UPDATE",
                TemplateBody=TEMPLATE.read_text("utf-8"),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
                Tags=[{"Key": TAG, "Value": self.name}],
                OnStackFailure="DELETE" if is_first else "ROLLBACK",
                ClientToken=name,
            )
        proposal = Proposal(name, made["StackId"], (), is_first)
        try:
            return self._read(proposal)
        except BaseException:
            self.discard(proposal)
            raise

    def execute(self, proposal: Proposal) -> State:
        """Makes the changes, and waits until they are made.

        Raises:
            JobFailed: they could not be made, and were rolled back; or not in 15 minutes, and are being rolled back.
        """
        from botocore.exceptions import ClientError

        with readable(f"changing the stack {self.name}"):
            try:
                self._client.execute_change_set(
                    StackName=proposal.stack_id, ChangeSetName=proposal.name, ClientRequestToken=proposal.name
                )
            except ClientError:
                self.discard(proposal)
                raise
            try:
                status = self._settled(proposal.stack_id)
            except TimeoutError:
                self._roll_back(proposal)
                raise JobFailed(
                    f"the stack {self.name} was not ready in {_CHANGING:.0f} s and is being rolled back: "
                    "see `glaunch infra show`"
                ) from None
            if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                began = "CREATE_IN_PROGRESS" if proposal.is_first else "UPDATE_IN_PROGRESS"
                reason = states.why(self._client, proposal.stack_id, began)
                undone = _UNDONE.get(status, f"it is left in the state {status}")
                raise JobFailed(f"the stack {self.name} could not be changed, and {undone}. {reason}")
        state = self.state()
        assert state is not None
        return state

    def discard(self, proposal: Proposal) -> None:
        """Removes a change set that will not be executed, and the empty stack that came with a first one."""
        with readable(f"discarding a change set of the stack {self.name}"):
            self._client.delete_change_set(StackName=proposal.stack_id, ChangeSetName=proposal.name)
            if proposal.is_first:
                self._client.delete_stack(StackName=proposal.stack_id)

    def delete(self, state: State) -> None:
        """Deletes the stack and what is in it, and waits until it is gone. Its bucket must be empty.

        Raises:
            UserError: the stack is not ours, or is being changed.
            JobFailed: something in it could not be deleted, or not in 15 minutes.
        """
        self.check(state)
        with readable(f"deleting the stack {self.name}"):
            self._client.delete_stack(StackName=state.stack_id, ClientRequestToken=f"{PREFIX}{secrets.token_hex(6)}")
            try:
                status = self._settled(state.stack_id)
            except TimeoutError:
                raise JobFailed(
                    f"the stack {self.name} was not deleted in {_CHANGING:.0f} s; it may still be: "
                    "see `glaunch infra show`"
                ) from None
            if status != "DELETE_COMPLETE":
                reason = states.why(self._client, state.stack_id, "DELETE_IN_PROGRESS")
                raise JobFailed(
                    f"the stack {self.name} could not be deleted ({status}). {reason}. "
                    "Put it right, and run `glaunch infra down` again"
                )

    def check(self, state: State) -> None:
        """Raises UserError where the stack was made by somebody else, or is being changed."""
        if not state.is_ours:
            raise UserError(
                f"the stack {self.name} in {self.region} was not made by glaunch (no tag {TAG}={self.name}): "
                "choose another name with `glaunch config set stack NAME`"
            )
        if state.is_changing:
            raise UserError(f"the stack {self.name} is being changed ({state.status}): try again in some minutes")

    def _check_usable(self, state: State) -> None:
        self.check(state)
        if state.status in _UNUSABLE:
            raise UserError(
                f"the stack {self.name} failed ({state.status}) and cannot be changed: "
                "run `glaunch infra down`, then `glaunch infra up`"
            )
        if state.status == "UPDATE_ROLLBACK_FAILED":
            with readable(f"the stack {self.name}"):
                reason = states.why(self._client, state.stack_id, "UPDATE_IN_PROGRESS")
            raise UserError(
                f"the stack {self.name} is stuck ({state.status}). {reason}. "
                f"Put it right and run `aws cloudformation continue-update-rollback --stack-name {self.name}`"
            )

    def _read(self, proposal: Proposal) -> Proposal | None:
        def look() -> Any:
            found = self._client.describe_change_set(StackName=proposal.stack_id, ChangeSetName=proposal.name)
            return found if found["Status"] in ("CREATE_COMPLETE", "FAILED") else None

        with readable(f"the change set of the stack {self.name}"):
            try:
                found = wait_for(look, _PROPOSING)
            except TimeoutError:
                raise UserError(f"AWS did not work out the changes in {_PROPOSING:.0f} s: try again") from None
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            if any(words in reason for words in _NOTHING_TO_DO):
                self.discard(proposal)
                return None
            raise UserError(f"AWS refuses to change the stack {self.name}: {without_secrets(reason)}")
        changes = tuple(_change(one["ResourceChange"]) for one in found.get("Changes", []))
        return Proposal(proposal.name, proposal.stack_id, changes, proposal.is_first)

    def _settled(self, stack_id: str) -> str:
        def look() -> str | None:
            status: str = self._client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            return None if status.endswith("_IN_PROGRESS") else status

        return wait_for(look, _CHANGING)

    def _roll_back(self, proposal: Proposal) -> None:
        if proposal.is_first:
            self._client.delete_stack(StackName=proposal.stack_id)
        else:
            self._client.cancel_update_stack(StackName=proposal.stack_id)


def _change(one: Mapping[str, Any]) -> Change:
    replaced = one.get("Replacement", "False") in ("True", "Conditional")
    return Change(one["Action"], one["LogicalResourceId"], one["ResourceType"], replaced)
