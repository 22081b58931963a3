"""The tags of what is made at AWS: whose it is, what it is for, and when it is no longer wanted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from launcher.cloud.aws import unless_missing
from launcher.infra.state import TAG

RUN = "glaunch-run"  # its value is the name of the run that something was made for
ENDPOINT = "glaunch-endpoint"  # on a model and a configuration: the name of their endpoint
EXPIRES = "glaunch-expires"  # when it may go: `2026-01-31T23:59:59Z`
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def read(client: Any, arn: str) -> dict[str, str]:
    """The tags of a resource of SageMaker's; none where it is not there any more. Raises what boto3 raises."""
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    return unless_missing(lambda: {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}) or {}


def is_ours(tags: Mapping[str, str], stack: str) -> bool:
    """Whether what has these tags was made for the stack."""
    return tags.get(TAG) == stack


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_text(moment: datetime) -> str:
    """A time as the value of EXPIRES."""
    return moment.astimezone(timezone.utc).strftime(_TIME)


def as_time(text: str) -> datetime | None:
    """The time that EXPIRES says; None where somebody wrote another thing into it."""
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
