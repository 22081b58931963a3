"""The lines that the hosts of a training job print, as CloudWatch keeps them: a stream a host and start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from launcher.cloud.aws import code

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
    from botocore.exceptions import ClientError

    pages = client.get_paginator("describe_log_streams").paginate(
        logGroupName=GROUP, logStreamNamePrefix=f"{job_name}/algo-"
    )
    try:
        names = [one["logStreamName"] for page in pages for one in page["logStreams"]]
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":  # the first job of an account makes the group
            raise
        return []
    found = [(name, match) for name in names if (match := _NAME.fullmatch(name))]
    return sorted((Stream(name, match[1], int(match[2])) for name, match in found), key=lambda one: one.started)


def pages(client: Any, stream: str, start: Position) -> Iterator[tuple[Sequence[Event], Position]]:
    """The events after a position, a page at a time, each with the position behind it. Raises what boto3 raises.

    Args:
        client: of CloudWatch Logs.
        stream: its name; one that is not there has no events.
        start: Position() for the beginning.
    """
    from botocore.exceptions import ClientError

    position, known, token = start, start.seen, ""
    for _ in range(_PAGES):
        words = {"nextToken": token} if token else {}
        try:
            answer = client.get_log_events(
                logGroupName=GROUP, logStreamName=stream, startTime=start.time, startFromHead=True, **words
            )
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
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
