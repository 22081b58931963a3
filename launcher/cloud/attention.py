"""Looking at something that goes on at AWS until it is over, for hours if it must, through what passes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from launcher.cloud.aws import Aws, is_expired, is_passing, readable
from launcher.errors import UserError

_T = TypeVar("_T")

PAUSE = 10.0  # seconds between two looks
_LONGEST_PAUSE = 60.0
_PATIENCE = 900.0  # seconds that AWS may be out of reach, or the credentials be expired


def attend(
    what: str,
    look: Callable[[Aws], _T | None],
    access: Callable[[], Aws],
    *,
    deadline: float,
    on_note: Callable[[str], object] = lambda _: None,
) -> _T:
    """What `look` gives as soon as it gives something other than None.

    Throttling, a lost network and expired credentials are told once, and waited out for a quarter of an hour.

    Args:
        what: is looked at, for the messages.
        look: some calls of AWS; it may raise what boto3 raises.
        access: gives access to AWS, with new credentials where there are any.
        deadline: seconds.
        on_note: told what stands against looking.

    Raises:
        TimeoutError: the deadline has passed.
        UserError: AWS cannot be asked any more.
    """
    until, aws = time.monotonic() + deadline, access()
    lost, told = 0.0, ""
    while True:
        try:
            found = look(aws)
            lost, told = 0.0, ""
        except Exception as error:
            found, reason, lost = None, _sentence(what, error), lost or time.monotonic()
            if not (is_passing(error) or is_expired(error)) or time.monotonic() - lost > _PATIENCE:
                raise UserError(reason) from None
            if reason != told:
                told = reason
                on_note(f"{reason}. It goes on there; trying again for {_PATIENCE / 60:.0f} min")
            aws = access() if is_expired(error) else aws
        if found is not None:
            return found
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(min(_LONGEST_PAUSE, PAUSE + (time.monotonic() - lost) / 4) if lost else PAUSE)


def _sentence(what: str, error: Exception) -> str:
    """An error of AWS's as a person can use it. Raises the error where it is none of AWS's."""
    try:
        with readable(what):
            raise error
    except UserError as told:
        return str(told)
