"""What the containers of an endpoint print, as CloudWatch keeps it: a stream an instance and start."""

from __future__ import annotations

from launcher.cloud import cloudwatch
from launcher.cloud.aws import Aws

GROUP = "/aws/sagemaker/Endpoints/"
_STREAMS = 2


def excerpt(aws: Aws, endpoint: str) -> str:
    """What is told of the container of an endpoint that failed."""
    lines = last_lines(aws, endpoint)
    return "\n".join(["its container's last lines:", *lines]) if lines else "its container printed nothing"


def last_lines(aws: Aws, endpoint: str, count: int = 20) -> list[str]:
    """The last lines that the last containers printed; none where there are none, or they cannot be read."""
    latest = {"orderBy": "LastEventTime", "descending": True, "limit": _STREAMS}
    return cloudwatch.last_lines(aws, f"{GROUP}{endpoint}", count, **latest)
