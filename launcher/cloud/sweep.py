"""Everything of a stack that costs money now, and ending it. What does not have the stack's tag is never touched.

Lists are asked of SageMaker itself and each item for its tags: AWS's index of tags is minutes late.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from launcher.cloud import endpoints, prices, removal, tags
from launcher.cloud.aws import Aws, code, readable
from launcher.errors import UserError
from launcher.infra.state import TAG

ENDPOINT, TRAINING, WARM, TUNING = "endpoint", "training job", "warm pool", "tuning job"
TRANSFORM, NOTEBOOK, LEFTOVER = "transform job", "notebook", "leftover"
_RESOURCE = re.compile(r"sagemaker:[^:]*:[^:]*:(endpoint-config|model)/([a-zA-Z0-9-]+)")
_OVER = ("ValidationException", "ResourceNotFound")


@dataclass(frozen=True)
class Item:
    """Something that costs money, or that an endpoint left behind, which does not.

    Attributes:
        kind: `endpoint`, `training job`, `warm pool`, `tuning job`, `transform job`, `notebook` or `leftover`.
        name: at AWS.
        state: SageMaker's word.
        detail: its machines.
        created: when; None of a leftover.
        dollars: US dollars so far, at the price of its machines on demand; None where that is not known.
        expires: when it may go, by its tag.
    """

    kind: str
    name: str
    state: str
    detail: str = ""
    created: datetime | None = None
    dollars: float | None = None
    expires: datetime | None = None

    @property
    def age(self) -> float | None:
        """Seconds since it was made."""
        return None if self.created is None else time.time() - self.created.timestamp()

    @property
    def is_expired(self) -> bool:
        return self.expires is not None and self.expires.timestamp() <= time.time()


def listing(aws: Aws, stack: str) -> list[Item]:
    """What there is of a stack, in the order in which it should go: a tuning job makes training jobs."""
    client = aws.client("sagemaker")
    with readable("what costs money"):
        found = [
            *_tunings(client, stack),
            *_trainings(aws, client, stack),
            *_transforms(aws, client, stack),
            *_endpoints(aws, stack),
            *_notebooks(client, stack),
        ]
        return [*found, *_leftovers(aws, client, stack)]


def running(aws: Aws, stack: str) -> list[Item]:
    """What needs the stack's bucket and role: all but leftovers, and notebooks, which would go with the stack."""
    client = aws.client("sagemaker")
    with readable("what is running"):
        jobs = [*_tunings(client, stack), *_trainings(aws, client, stack), *_transforms(aws, client, stack)]
        return [*jobs, *_endpoints(aws, stack)]


def remove(aws: Aws, item: Item, stack: str, on_step: Callable[[str], object] = lambda _: None) -> None:
    """Stops a job or a notebook, or removes an endpoint with all that belongs to it; one that is over is well.

    Raises:
        UserError: AWS refuses, or it is not the stack's.
        JobFailed: an endpoint was not gone in time.
    """
    from botocore.exceptions import ClientError

    client = aws.client("sagemaker")
    stops: dict[str, Callable[[], object]] = {
        TRAINING: lambda: client.stop_training_job(TrainingJobName=item.name),
        TUNING: lambda: client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=item.name),
        TRANSFORM: lambda: client.stop_transform_job(TransformJobName=item.name),
        NOTEBOOK: lambda: client.stop_notebook_instance(NotebookInstanceName=item.name),
        WARM: lambda: client.update_training_job(
            TrainingJobName=item.name, ResourceConfig={"KeepAlivePeriodInSeconds": 0}
        ),
    }
    if item.kind in (ENDPOINT, LEFTOVER):
        removal.remove(aws, item.name, stack, on_step)
        return
    with readable(f"the {item.kind} {item.name}"):
        try:
            stops[item.kind]()
        except ClientError as error:
            if code(error) not in _OVER or _still(client, item, stack):
                raise


def _still(client: Any, item: Item, stack: str) -> bool:
    found = {TUNING: _tunings, NOTEBOOK: _notebooks}.get(item.kind)
    if found:
        return any(one.name == item.name for one in found(client, stack))
    if item.kind == TRANSFORM:
        return bool(client.describe_transform_job(TransformJobName=item.name)["TransformJobStatus"] == "InProgress")
    described = client.describe_training_job(TrainingJobName=item.name)
    if item.kind == WARM:
        return bool(described.get("WarmPoolStatus", {}).get("Status") == "Available")
    return bool(described["TrainingJobStatus"] == "InProgress")


def _ours(client: Any, stack: str, operation: str, key: str, arn: str, **wanted: str) -> Iterator[dict[str, Any]]:
    """What a list holds that has the stack's tag; `tags` are its tags."""
    for page in client.get_paginator(operation).paginate(**wanted):
        for one in page[key]:
            marks = tags.read(client, one[arn])
            if tags.is_ours(marks, stack):
                yield {**one, "tags": marks}


def _tunings(client: Any, stack: str) -> Iterator[Item]:
    prefix = "HyperParameterTuningJob"
    jobs = _ours(
        client,
        stack,
        "list_hyper_parameter_tuning_jobs",
        f"{prefix}Summaries",
        f"{prefix}Arn",
        StatusEquals="InProgress",
    )
    for one in jobs:
        at_once = one.get("ResourceLimits", {}).get("MaxParallelTrainingJobs")
        detail = f"up to {at_once} jobs at once" if at_once else ""
        yield Item(TUNING, one[f"{prefix}Name"], one[f"{prefix}Status"], detail, one["CreationTime"])


def _trainings(aws: Aws, client: Any, stack: str) -> Iterator[Item]:
    for kind, wanted in ((TRAINING, {"StatusEquals": "InProgress"}), (WARM, {"WarmPoolStatusEquals": "Available"})):
        jobs = _ours(client, stack, "list_training_jobs", "TrainingJobSummaries", "TrainingJobArn", **wanted)
        for one in jobs:
            warm = one.get("WarmPoolStatus", {}).get("Status")
            if kind == WARM and warm != "Available":
                continue
            job = client.describe_training_job(TrainingJobName=one["TrainingJobName"])
            machines = job["ResourceConfig"]
            since = job.get("TrainingEndTime") if kind == WARM else job.get("TrainingStartTime")
            dollars = _dollars(prices.training, aws, machines, since)
            state = warm if kind == WARM else one["TrainingJobStatus"]
            yield Item(kind, one["TrainingJobName"], str(state), _machines(machines), one["CreationTime"], dollars)


def _transforms(aws: Aws, client: Any, stack: str) -> Iterator[Item]:
    jobs = _ours(
        client, stack, "list_transform_jobs", "TransformJobSummaries", "TransformJobArn", StatusEquals="InProgress"
    )
    for one in jobs:
        job = client.describe_transform_job(TransformJobName=one["TransformJobName"])
        machines = job["TransformResources"]
        dollars = _dollars(prices.transform, aws, machines, job.get("TransformStartTime"))
        name, state = one["TransformJobName"], one["TransformJobStatus"]
        yield Item(TRANSFORM, name, state, _machines(machines), one["CreationTime"], dollars)


def _endpoints(aws: Aws, stack: str) -> Iterator[Item]:
    for one in endpoints.list_all(aws, stack):
        machines = f"{one.instances} x {one.instance_type}" if one.instance_type else one.kind
        dollars = one.dollars(aws)
        yield Item(ENDPOINT, one.name, one.state, machines, one.created, dollars, one.expires)


def _notebooks(client: Any, stack: str) -> Iterator[Item]:
    found = _ours(client, stack, "list_notebook_instances", "NotebookInstances", "NotebookInstanceArn")
    for one in found:
        if one["NotebookInstanceStatus"] in ("Pending", "InService", "Updating"):
            yield Item(
                NOTEBOOK,
                one["NotebookInstanceName"],
                one["NotebookInstanceStatus"],
                one.get("InstanceType", ""),
                one.get("CreationTime"),
            )


def _leftovers(aws: Aws, client: Any, stack: str) -> Iterator[Item]:
    """Configurations and models of endpoints that are gone, by the endpoint's name."""
    pages = (
        aws.client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(
            TagFilters=[{"Key": TAG, "Values": [stack]}, {"Key": tags.ENDPOINT}],
            ResourceTypeFilters=["sagemaker:endpoint-config", "sagemaker:model"],
        )
    )
    parts: dict[str, int] = {}
    for one in (one for page in pages for one in page["ResourceTagMappingList"]):
        if _RESOURCE.search(str(one["ResourceARN"])):
            name = {tag["Key"]: tag["Value"] for tag in one["Tags"]}[tags.ENDPOINT]
            parts[name] = parts.get(name, 0) + 1
    for name in parts:
        if endpoints.describe(client, name) is None:
            left = removal.parts(aws, name, stack)  # the index is late
            count = len(left.configs) + len(left.models)
            if count:
                yield Item(LEFTOVER, name, "no endpoint", f"{count} configurations and models")


def _machines(config: dict[str, Any]) -> str:
    return f"{config['InstanceCount']} x {config['InstanceType']}"


def _dollars(
    price: Callable[..., prices.Price], aws: Aws, config: dict[str, Any], since: datetime | None
) -> float | None:
    """What machines have cost since then; nothing before they were there."""
    if since is None:
        return 0.0
    per_hour = price(config["InstanceType"], aws.region, aws).per_hour
    hours = max(0.0, time.time() - since.timestamp()) / 3600
    return None if per_hour is None else per_hour * int(config["InstanceCount"]) * hours


def require_idle(aws: Aws, stack: str) -> None:
    """Raises UserError where something goes on that needs the stack's bucket and role."""
    found = running(aws, stack)
    if found:
        names = ", ".join(f"the {one.kind} {one.name}" for one in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise UserError(
            f"the stack {stack} is in use: {names}{more}. `glaunch sweep` lists and ends them; nothing was changed"
        )
