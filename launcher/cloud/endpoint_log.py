"""What the containers of an endpoint print, as CloudWatch keeps it: a stream an instance and start."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from launcher.cloud.aws import Aws, without_secrets

GROUP = "/aws/sagemaker/Endpoints/"
_STREAMS = 2


def excerpt(aws: Aws, endpoint: str) -> str:
    """What is told of the container of an endpoint that failed."""
    lines = last_lines(aws, endpoint)
    return "\n".join(["its container's last lines:", *lines]) if lines else "its container printed nothing"


def last_lines(aws: Aws, endpoint: str, count: int = 20) -> list[str]:
    """The last lines that the last containers printed; none where there are none, or they cannot be read."""
    client, group = aws.client("logs"), f"{GROUP}{endpoint}"
    try:
        streams = client.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=_STREAMS
        )["logStreams"]
        events = [
            event
            for stream in streams
            for event in client.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], limit=count, startFromHead=False
            )["events"]
        ]
    except (ClientError, BotoCoreError):  # they explain an error, and must not hide it
        return []
    events.sort(key=lambda event: event["timestamp"])
    lines = [line for event in events for line in event["message"].splitlines()]
    return [without_secrets(line) for line in lines[-count:]]
