"""The one thread that calls the model, and the bounded queue in front of it.

MXNet answers wrongly, without an error, when several threads call one hybridized net, and keeps memory for every thread
that ever did: so there is one thread a process. A request goes to an idle model at once; what comes while it is busy
waits, and is answered together, as far as the model can. Nothing waits for a batch to fill.

What takes a moment is answered in the event loop itself, if no code but ours is called for it: waking another thread,
and taking turns with it, takes longer than a small net. The two never call the model at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
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


_MOMENT = 0.004  # seconds that the event loop may be kept from its connections
_FORGETTING = 0.9  # of a slow call, with each one after it


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
        batches: calls of the model.
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
        self._limit, self._room, self._bytes_room = limit, room, bytes_room
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Pending] = deque()  # the oldest first
        self._batch: list[_Pending] = []  # what the thread works on
        self._is_due = False  # whether the next batch is about to be sent
        self._bytes = 0
        self._busy_since: float | None = None
        self._batches: queue.SimpleQueue[list[_Pending]] = queue.SimpleQueue()
        self._model: Model | None = None
        self._pace = math.inf  # seconds a byte of requests, of the slower ones of the last calls
        threading.Thread(target=self._work, args=[load], name="inference", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Requests that wait or are being answered."""
        return len(self._waiting) + len(self._batch)

    def submit(self, request: Request) -> asyncio.Future[Answer | Exception]:
        """The answer to come, which may be an exception: any of the model's, OverdueError or ClosedError.

        Raises:
            QueueFullError: there is no room.
            ClosedError: there will be no answer.
        """
        if self.is_stuck or self.failure:
            raise ClosedError
        if self.waiting >= self._room or self._bytes + len(request.body) > self._bytes_room:
            raise QueueFullError
        pending = _Pending(request, self._loop.create_future(), time.monotonic())
        self._bytes += len(request.body)
        self._waiting.append(pending)
        self._send_soon()
        return pending.future

    def watch(self) -> None:
        """Refuses what is overdue. To be called now and then: requests have no timers of their own."""
        now = time.monotonic()
        while self._waiting and now - self._waiting[0].since > self._limit:
            self._settle(self._waiting.popleft(), OverdueError())
        for pending in self._batch:
            if now - pending.since > self._limit and not pending.future.done():
                pending.future.set_result(OverdueError())
        if self._busy_since is not None and now - self._busy_since > self._limit:
            self.is_stuck = True
            self._refuse_all()

    def _work(self, load: Callable[[], Model]) -> None:
        """The thread."""
        try:
            model = load()
            model.warm_up()
            description = model.describe()
        except BaseException as error:  # the script's own code: sys.exit() too
            traceback.print_exc()
            self._tell(self._on_failure, str(error) if isinstance(error, UserError) else f"its script raised {error!r}")
            return
        self._tell(self._on_ready, model, description)
        while True:
            batch = self._batches.get()
            self._tell(self._deliver, batch, *_timed_answers(model, batch))

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the interest
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_ready(self, model: Model, description: dict[str, Any]) -> None:
        self._model, self.description = model, description
        self.settled.set()
        self._send_soon()

    def _on_failure(self, failure: str) -> None:
        self.failure = failure
        self._refuse_all()
        self.settled.set()

    def _send_soon(self) -> None:
        """Sends the next batch when the loop has seen to what has arrived at the same time."""
        if self._busy_since is None and self._model is not None and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_due = False
        assert self._model is not None
        while self._waiting and len(self._batch) < self._model.batch_limit:
            pending = self._waiting.popleft()
            if pending.future.done():  # its client is gone
                self._bytes -= len(pending.request.body)
            else:
                self._batch.append(pending)
        if not self._batch:
            return
        self._busy_since = time.monotonic()
        if self._model.is_ours and self._pace * _size(self._batch) < _MOMENT:
            self._deliver(self._batch, *_timed_answers(self._model, self._batch))
        else:
            self._batches.put(self._batch)

    def _deliver(self, batch: Sequence[_Pending], answers: Sequence[Answer | Exception], seconds: float) -> None:
        self._pace = max(seconds / _size(batch), self._pace * _FORGETTING if self.batches else 0.0)
        if self.is_stuck:  # it was not, after all, but nobody waits any more
            return
        self.batches += 1
        self._batch, self._busy_since = [], None
        for pending, answer in zip(batch, answers):
            self._settle(pending, answer)
        self._send_soon()

    def _refuse_all(self) -> None:
        while self._waiting:
            self._settle(self._waiting.popleft(), ClosedError())

    def _settle(self, pending: _Pending, answer: Answer | Exception) -> None:
        self._bytes -= len(pending.request.body)
        if not pending.future.done():  # its client may be gone
            pending.future.set_result(answer)


def _size(batch: Sequence[_Pending]) -> int:
    """Bytes."""
    return sum(len(pending.request.body) for pending in batch) or 1


def _timed_answers(model: Model, batch: Sequence[_Pending]) -> tuple[Sequence[Answer | Exception], float]:
    """The answers, and the seconds that they took."""
    begin = time.perf_counter()
    answers = _answers(model, [pending.request for pending in batch])
    return answers, time.perf_counter() - begin


def _answers(model: Model, requests: list[Request]) -> Sequence[Answer | Exception]:
    try:
        answers = model.answer(requests)
    except BaseException as error:
        return [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(requests)
    if len(answers) != len(requests):
        return [RuntimeError(f"{len(answers)} answers for {len(requests)} requests")] * len(requests)
    return answers
