"""Waits end: with what was looked for, with the deadline, or with what will not pass."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from launcher.cloud.waiting import wait_for


def refused(code, status=400):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Describe")


def looks(*found):
    """A look that gives one of these after the other; an exception is raised."""
    left = iter(found)

    def look():
        one = next(left)
        if isinstance(one, Exception):
            raise one
        return one

    return look


def test_it_looks_until_there_is_something():
    assert wait_for(looks(None, None, 0), deadline=30, pause=0) == 0


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://x"),
        ReadTimeoutError(endpoint_url="https://x"),
        refused("Throttling"),
        refused("InternalFailure", status=500),
    ],
)
def test_what_passes_is_waited_out(error):
    assert wait_for(looks(error, error, "ready"), deadline=30, pause=0) == "ready"


@pytest.mark.parametrize("error", [refused("AccessDenied"), refused("ExpiredToken"), NoCredentialsError()])
def test_what_does_not_pass_ends_the_wait(error):
    with pytest.raises(type(error)):
        wait_for(looks(error, "ready"), deadline=30, pause=0)


def test_the_deadline_ends_the_wait():
    with pytest.raises(TimeoutError):
        wait_for(lambda: None, deadline=0.05, pause=0.01)


def test_a_network_that_stays_down_is_told_as_such_at_the_deadline():
    def look():
        raise EndpointConnectionError(endpoint_url="https://x")

    with pytest.raises(EndpointConnectionError):
        wait_for(look, deadline=0.05, pause=0.01)
