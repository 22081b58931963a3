"""The jobs of a stack at AWS, whoever sent them and from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from launcher import home
from launcher.cloud import description
from launcher.cloud.aws import Aws, readable
from launcher.run import Run, Status
from launcher.tables import Row

LIMIT = 100  # SageMaker keeps its records for ever


class Listed(NamedTuple):
    """One job.

    Attributes:
        name: of the job, and of its run where there is one.
        status: as that of a run.
        hosts: how many.
        instance_type: of each.
    """

    name: str
    status: Status
    hosts: int
    instance_type: str


def jobs(aws: Aws, stack: str) -> tuple[list[Listed], bool]:
    """The latest jobs with the tag of a stack, the latest first; and whether there are more.

    A job appears some seconds after it was sent.

    Raises:
        UserError: AWS cannot be asked, or denies it.
    """
    from launcher.infra.state import TAG

    wanted = {
        "Resource": "TrainingJob",
        "SearchExpression": {"Filters": [{"Name": f"Tags.{TAG}", "Operator": "Equals", "Value": stack}]},
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
    }
    found: list[Listed] = []
    with readable(f"the jobs in {aws.region}"):
        for page in aws.client("sagemaker").get_paginator("search").paginate(**wanted):
            found += [_listed(one["TrainingJob"]) for one in page["Results"]]
            if len(found) > LIMIT:
                break
    found.sort(key=lambda one: one.status.created, reverse=True)
    return found[:LIMIT], len(found) > LIMIT


def row(job: Listed) -> Row:
    """The job as a line of a table."""
    return Row(job.name, job.status, f"{job.hosts} x {job.instance_type}")


def as_object(job: Listed, region: str) -> dict[str, Any]:
    """What a script may want to know about a job."""
    status = job.status
    here = Run(home.runs_directory() / job.name)
    return {
        "name": job.name,
        "state": status.state,
        "reason": status.reason,
        "phase": status.phases[-1]["name"] if status.phases else None,
        "created": status.created,
        "started": status.started,
        "ended": status.ended,
        "seconds": status.seconds,
        "metrics": dict(status.metrics),
        "region": region,
        "hosts": job.hosts,
        "instance_type": job.instance_type,
        "folder": str(here.folder) if here.is_remote else None,
    }


def _listed(job: Mapping[str, Any]) -> Listed:
    resources = job["ResourceConfig"]
    return Listed(
        job["TrainingJobName"],
        description.status(job),
        resources.get("InstanceCount", 1),
        resources.get("InstanceType", ""),
    )
