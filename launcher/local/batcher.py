"""The one thread that calls the model, and the bounded queue in front of it.

MXNet answers wrongly, without an error, when several threads call one hybridized net, and keeps memory for every thread
that ever did: so there is one thread a process. A request goes to an idle model at once; what comes while it is busy
waits, and is answered together, as far as the model can. Nothing waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.local.model import Answer, Model, Request


class QueueFullError(Exception):
    """As many requests wait as may."""


class OverdueError(Exception):
    """A request was not answered within the limit."""


class ClosedError(Exception):
    """The model takes no more requests: its script is stuck, or it could not be loaded."""


class _Pending(NamedTuple):
    request: Request
    future: asyncio.Future[Answer | Exception]
    since: float  # time.monotonic()


class Batcher:
    """Requests in, answers out; all methods are called in the event loop.

    Attributes:
        description: what the model says of itself; None until it is loaded and warm.
        failure: why the model could not be loaded, or "".
        is_stuck: whether one call of the script took longer than the limit. It cannot be ended but with the process.
        settled: set when the model is loaded or could not be.
    """

    def __init__(self, load: Callable[[], Model], *, limit: float, room: int, bytes_room: int) -> None:
        """Starts to load.

        Args:
            load: gives the model; called in the thread that will call the model.
            limit: seconds from a request to its answer.
            room: requests that may wait or be answered at one time.
            bytes_room: bytes that their bodies may have together.
        """
        self.description: dict[str, Any] | None = None
        self.failure = ""
        self.is_stuck = False
        self.settled = asyncio.Event()
        self.batches = 0
        self._load, self._limit, self._room, self._bytes_room = load, limit, room, bytes_room
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Pending] = queue.SimpleQueue()
        self._pending: deque[_Pending] = deque()  # the same and those in work, the oldest first
        self._bytes = 0
        self._busy_since: float | None = None  # written by the thread
        threading.Thread(target=self._work, name="inference", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return len(self._pending)

    def submit(self, request: Request) -> asyncio.Future[Answer | Exception]:
        """The answer to come, which may be an exception: any of the model's, OverdueError or ClosedError.

        Raises:
            QueueFullError: there is no room.
            ClosedError: there will be no answer.
        """
        if self.is_stuck or self.failure:
            raise ClosedError
        if len(self._pending) >= self._room or self._bytes + len(request.body) > self._bytes_room:
            raise QueueFullError
        pending = _Pending(request, self._loop.create_future(), time.monotonic())
        self._bytes += len(request.body)
        self._pending.append(pending)
        self._queue.put(pending)
        return pending.future

    def watch(self) -> None:
        """Refuses what is overdue. To be called now and then: requests have no timers of their own."""
        now = time.monotonic()
        busy_since = self._busy_since
        if busy_since is not None and now - busy_since > self._limit:
            self.is_stuck = True
        for pending in self._pending:
            if now - pending.since <= self._limit:
                break
            _settle(pending, OverdueError())
        if self.is_stuck:
            self._refuse_all()
        self._forget_settled()

    def _work(self) -> None:
        try:
            model = self._load()
            model.warm_up()
            limit, description = model.batch_limit, model.describe()
        except BaseException as error:  # the script's own code: sys.exit() too
            traceback.print_exc()
            self._tell(self._on_failure, str(error) if isinstance(error, UserError) else f"its script raised {error!r}")
            return
        self._tell(self._on_ready, description)
        while True:
            batch = self._next_batch(limit)
            if batch:
                self._busy_since = time.monotonic()
                answers = _answers(model, [pending.request for pending in batch])
                self._busy_since = None
                self._tell(self._deliver, batch, answers)

    def _next_batch(self, limit: int) -> list[_Pending]:
        """What waits, up to the limit and without what nobody waits for any more; blocks while nothing does."""
        batch = [self._queue.get()]
        while len(batch) < limit and not self._queue.empty():
            batch.append(self._queue.get())  # does not block: only this thread takes
        return [pending for pending in batch if not pending.future.done()]

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the interest
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_ready(self, description: dict[str, Any]) -> None:
        self.description = description
        self.settled.set()

    def _on_failure(self, failure: str) -> None:
        self.failure = failure
        self._refuse_all()
        self.settled.set()

    def _deliver(self, batch: Sequence[_Pending], answers: Sequence[Answer | Exception]) -> None:
        self.batches += 1
        for pending, answer in zip(batch, answers):
            _settle(pending, answer)
        self._forget_settled()

    def _refuse_all(self) -> None:
        for pending in self._pending:
            _settle(pending, ClosedError())

    def _forget_settled(self) -> None:
        while self._pending and self._pending[0].future.done():
            self._bytes -= len(self._pending.popleft().request.body)


def _answers(model: Model, requests: list[Request]) -> Sequence[Answer | Exception]:
    try:
        answers = model.answer(requests)
    except BaseException as error:
        return [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(requests)
    if len(answers) != len(requests):
        return [RuntimeError(f"{len(answers)} answers for {len(requests)} requests")] * len(requests)
    return answers


def _settle(pending: _Pending, answer: Answer | Exception) -> None:
    if not pending.future.done():  # it may be overdue, or its client gone
        pending.future.set_result(answer)
