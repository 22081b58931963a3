"""The lines that containers print, as CloudWatch keeps them: of a training job, a stream a host and start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from launcher.cloud.aws import Aws, unless_missing, without_secrets

GROUP = "/aws/sagemaker/TrainingJobs"
_NAME = re.compile(r".+/(algo-\d+)-(\d+)")
_PAGES = 200  # of 1 MB in one look: a stream that grows faster than it is read ends the look, not the loop


class Stream(NamedTuple):
    """What one host printed from one start on; a host that SageMaker starts again has another."""

    name: str
    host: str
    started: int


class Event(NamedTuple):
    """A line, or several, and when it was printed, in milliseconds since the epoch."""

    time: int
    text: str


class Position(NamedTuple):
    """How far a stream has been read: the time of the last event, and how many of that time.

    CloudWatch's own tokens expire after a day; this does not.
    """

    time: int = 0
    seen: int = 0


def streams(client: Any, job_name: str) -> list[Stream]:
    """The streams of a job, a host's earlier ones first; none where it has not printed yet. Raises what boto3 raises.

    Args:
        client: of CloudWatch Logs.
        job_name: of the training job.
    """
    pages = client.get_paginator("describe_log_streams").paginate(
        logGroupName=GROUP, logStreamNamePrefix=f"{job_name}/algo-"
    )
    # The first job of an account makes the group.
    names = unless_missing(lambda: [one["logStreamName"] for page in pages for one in page["logStreams"]])
    found = [(name, match) for name in names or () if (match := _NAME.fullmatch(name))]
    return sorted((Stream(name, match[1], int(match[2])) for name, match in found), key=lambda one: one.started)


def pages(client: Any, stream: str, start: Position) -> Iterator[tuple[Sequence[Event], Position]]:
    """The events after a position, a page at a time, each with the position behind it. Raises what boto3 raises.

    Args:
        client: of CloudWatch Logs.
        stream: its name; one that is not there has no events.
        start: Position() for the beginning.
    """
    position, known, token = start, start.seen, ""
    for _ in range(_PAGES):
        words = {"logStreamName": stream, "startTime": start.time, **({"nextToken": token} if token else {})}
        answer = unless_missing(partial(client.get_log_events, logGroupName=GROUP, startFromHead=True, **words))
        if answer is None:
            return
        events = []
        for one in answer["events"]:
            event = Event(one["timestamp"], one["message"])
            if known and event.time == start.time:
                known -= 1
                continue
            position = Position(event.time, position.seen + 1 if event.time == position.time else 1)
            events.append(event)
        if events:
            yield events, position
        if answer["nextForwardToken"] == token:  # CloudWatch's sign of the end; an empty page is none
            return
        token = answer["nextForwardToken"]


def last_lines(aws: Aws, group: str, count: int, **wanted: Any) -> list[str]:
    """The last lines of some streams together, without secrets; none where there are none, or they cannot be read.

    Args:
        aws: access to the account.
        group: of the streams.
        count: of lines.
        wanted: which streams: arguments of DescribeLogStreams.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    client = aws.client("logs")
    try:
        found = client.describe_log_streams(logGroupName=group, **wanted)["logStreams"]
        events = [
            event
            for stream in found
            for event in client.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], limit=count, startFromHead=False
            )["events"]
        ]
    except (ClientError, BotoCoreError):  # they explain an error, and must not hide it
        return []
    events.sort(key=lambda event: event["timestamp"])
    lines = [line for event in events for line in event["message"].splitlines()]
    return [without_secrets(line) for line in lines[-count:]]
