"""Moving files to and from S3: several at once, through a network that is down for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from launcher.cloud import aws

if TYPE_CHECKING:
    from s3transfer.futures import TransferFuture
    from s3transfer.manager import TransferManager

PATIENCE = 300.0  # seconds without a byte until a lost network is an error
PART = 16 * 2**20  # bytes; a file of more parts than S3 takes has larger ones
_PAUSE = 2.0  # seconds until a failed transfer is tried again
_AT_ONCE = 10  # requests
_SUBMITTED = 1000  # files: each that waits for its turn takes some KB of memory


@dataclass(frozen=True)
class Move:
    """One file to be moved: its size in bytes, and the call of a TransferManager that begins with it anew."""

    size: int
    begin: Callable[[TransferManager, list[Any]], TransferFuture]


def move(client: Any, moves: Sequence[Move], on_progress: Callable[[int, int], object]) -> None:
    """Moves all files. What fails for a reason that passes is begun again.

    On any exception, Ctrl-C too, what is under way is given up first; files that were moved stay.

    Args:
        client: of S3.
        moves: what to move.
        on_progress: called with the bytes that have been moved, which never fall, and all of them; from other threads.

    Raises:
        Exception: what boto3 raises, where it does not pass, or nothing has moved for 300 s.
    """
    meter = _Meter(sum(one.size for one in moves), on_progress)
    left = list(moves)
    while left:
        failed, error = _try(client, left[:_SUBMITTED], meter)
        left = failed + left[_SUBMITTED:]
        if error:
            if meter.seconds_still() > PATIENCE:
                raise error
            time.sleep(_PAUSE)


def _try(client: Any, moves: Sequence[Move], meter: _Meter) -> tuple[list[Move], Exception | None]:
    """Moves files until one fails; those that are left, and of what. Raises what will not pass."""
    from s3transfer.exceptions import RetriesExceededError
    from s3transfer.manager import TransferConfig, TransferManager

    settings = TransferConfig(multipart_threshold=2 * PART, multipart_chunksize=PART, max_request_concurrency=_AT_ONCE)
    begun: list[tuple[Move, TransferFuture]] = []
    try:
        with TransferManager(client, settings) as manager:
            begun += [(one, one.begin(manager, [meter.subscriber(one)])) for one in moves]
            for _, future in begun:
                future.result()
    except RetriesExceededError as error:  # of a download that broke off
        return _unfinished(begun), cast(Exception, error.last_exception)
    except Exception as error:
        if not aws.is_passing(error):
            raise
        return _unfinished(begun), error
    return [], None


def _unfinished(begun: Sequence[tuple[Move, TransferFuture]]) -> list[Move]:
    left = []
    for one, future in begun:
        try:
            future.result()
        except Exception:  # failed, or cancelled
            left.append(one)
    return left


class _Meter:
    """Counts bytes that are moved, in many threads."""

    def __init__(self, total: int, report: Callable[[int, int], object]) -> None:
        self._total, self._report = total, report
        self._lock = threading.Lock()
        self._counted: dict[int, int] = {}  # bytes, by the identity of the Move
        self._done, self._furthest, self._moved_at = 0, 0, time.monotonic()

    def subscriber(self, one: Move) -> _Subscriber:
        """For a transfer of that file from its beginning."""
        with self._lock:
            self._done -= self._counted.get(id(one), 0)
            self._counted[id(one)] = 0
        return _Subscriber(lambda size: self._count(id(one), size))

    def _count(self, key: int, size: int) -> None:
        with self._lock:
            self._counted[key] += size
            self._done += size
            if self._done > self._furthest:
                self._furthest, self._moved_at = self._done, time.monotonic()
                self._report(self._done, self._total)

    def seconds_still(self) -> float:
        return time.monotonic() - self._moved_at


class _Subscriber:
    """What s3transfer tells of one file; the bytes are negative when it sends a part once more."""

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        self._count(bytes_transferred)
