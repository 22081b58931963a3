"""Makes a training job, once.

SageMaker takes a name once. So an answer that was lost is not asked for again blindly: the job is looked up by its
name, which was decided before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launcher.cloud import description
from launcher.cloud.aws import Aws, code, is_passing, readable
from launcher.cloud.waiting import wait_for
from launcher.errors import JobFailed, UserError

PATIENCE = 180.0  # seconds in which AWS must have said whether there is a job


def create(request: Mapping[str, Any], aws: Aws) -> None:
    """Makes the training job of a request; returns when AWS has it.

    A network that is down, or AWS asking for patience, is waited out.

    Raises:
        UserError: AWS refuses it; there is no job.
        JobFailed: AWS has not said in time whether there is one.
    """
    from botocore.exceptions import ClientError

    client = aws.client("sagemaker", attempts=1)
    name, was_sent = request["TrainingJobName"], False

    def attempt() -> bool:
        nonlocal was_sent
        if was_sent and _is_there(client, request):
            return True
        was_sent = True
        try:
            client.create_training_job(**request)
        except ClientError as error:
            if code(error) != "ResourceInUse" or not _is_there(client, request):
                raise
        return True

    with readable("the training job"):
        try:
            wait_for(attempt, PATIENCE)
        except Exception as error:
            if not is_passing(error):
                raise
            raise JobFailed(
                f"AWS did not say in {PATIENCE:g} s whether it made the training job: "
                f"`glaunch show {name}` asks again; `glaunch stop {name}` stops it if it was made"
            ) from None


def _is_there(client: Any, request: Mapping[str, Any]) -> bool:
    """Whether the job of a request was made; UserError where another one has its name."""
    found = description.describe(client, request["TrainingJobName"])
    if found is None:
        return False
    if found.get("HyperParameters") != request["HyperParameters"] or found.get("RoleArn") != request["RoleArn"]:
        raise UserError(f"there is another training job {request['TrainingJobName']} already: run this one again")
    return True
