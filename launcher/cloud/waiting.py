"""Waiting for AWS: with a deadline, and through what passes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from launcher.cloud import aws

_T = TypeVar("_T")


def wait_for(look: Callable[[], _T | None], deadline: float, pause: float = 2.0) -> _T:
    """What `look()` gives as soon as it gives something other than None.

    A network that is down, or AWS asking for patience, is waited out.

    Args:
        look: one call of AWS; it may raise what boto3 raises.
        deadline: seconds.
        pause: seconds between two looks.

    Raises:
        TimeoutError: the deadline has passed.
        Exception: what `look` raises, where it will not pass, or has not by the deadline.
    """
    until = time.monotonic() + deadline
    while True:
        try:
            found = look()
        except Exception as error:
            if not aws.is_passing(error) or time.monotonic() > until:
                raise
            found = None
        if found is not None:
            return found
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(pause)
