"""Makes a training job, or another thing, once.

SageMaker takes a name once. So an answer that was lost is not asked for again blindly: the job is looked up by its
name, which was decided before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launcher.cloud import description
from launcher.cloud.aws import Aws, code, is_passing, readable
from launcher.cloud.waiting import wait_for
from launcher.errors import JobFailed, UserError

PATIENCE = 180.0  # seconds in which AWS must have said whether there is a job


def create(request: Mapping[str, Any], aws: Aws) -> None:
    """Makes the training job of a request; returns when AWS has it.

    Raises:
        UserError: AWS refuses it; there is no job.
        JobFailed: AWS has not said in time whether there is one.
    """
    client, name = aws.client("sagemaker", attempts=1), request["TrainingJobName"]
    with readable("the training job"):
        once(
            lambda: client.create_training_job(**request),
            lambda: _is_there(client, request),
            f"the training job: `glaunch show {name}` asks again; `glaunch stop {name}` stops it if it was made",
        )


def once(call: Callable[[], object], is_made: Callable[[], bool], what: str = "") -> None:
    """Makes a thing once: where an answer was lost, it is looked for before it is asked for again.

    A network that is down, or AWS asking for patience, is waited out.

    Args:
        call: makes it, with one attempt (see `Aws.client`).
        is_made: whether it is there.
        what: was to be made, with what to do where AWS has not said in time whether it was; "" lets the error through.

    Raises:
        Exception: what the calls raise.
        JobFailed: AWS has not said in time whether it was made.
    """
    from botocore.exceptions import ClientError

    was_sent = False

    def attempt() -> bool:
        nonlocal was_sent
        if was_sent and is_made():
            return True
        was_sent = True
        try:
            call()
        except ClientError as error:
            is_taken = code(error) == "ResourceInUse" or "already exist" in str(error).lower()
            if not is_taken or not is_made():
                raise
        return True

    try:
        wait_for(attempt, PATIENCE)
    except Exception as error:
        if not what or not is_passing(error):
            raise
        raise JobFailed(f"AWS did not say in {PATIENCE:g} s whether it made {what}") from None


def _is_there(client: Any, request: Mapping[str, Any]) -> bool:
    """Whether the job of a request was made; UserError where another one has its name."""
    found = description.describe(client, request["TrainingJobName"])
    if found is None:
        return False
    if found.get("HyperParameters") != request["HyperParameters"] or found.get("RoleArn") != request["RoleArn"]:
        raise UserError(f"there is another training job {request['TrainingJobName']} already: run this one again")
    return True
