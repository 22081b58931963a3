"""SageMaker's contract of a serving container over HTTP: the ASGI application of one worker.

GET /ping, POST /invocations, and beside the contract: GET / (a page to try the model), /description and /metrics.
Every error is JSON, `{"error": "one sentence"}`.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launcher.local.batcher import Batcher, ClosedError, OverdueError, QueueFullError
from launcher.local.counters import CONTENT_TYPE, Counters
from launcher.local.model import Answer, Refusal, Request
from launcher.local.rolling_log import RollingLog

BODY_LIMIT = 6 * 2**20  # bytes: SageMaker's for an endpoint
_ARRIVING = 512 * 2**20  # bytes of bodies that are not complete, together
_DRAINED = 2**26  # bytes that are read past the limit, so that the client comes to read why it is refused
_DRAIN_SECONDS = 10.0
_PAGE = Path(__file__).parent / "page"
_JSON = "application/json"
_RETRY = ("retry-after", "1")
_CLOSE = ("connection", "close")
# The page loads nothing from elsewhere, and nothing may make it.
_GUARDS = (
    ("content-security-policy", "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'"),
    ("x-content-type-options", "nosniff"),
)

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Reply(NamedTuple):
    """What is sent: `headers` beside Content-Type and Content-Length."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: Sequence[tuple[str, str]] = ()


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str, *headers: tuple[str, str]) -> None:
        self.reply = Reply(status, json.dumps({"error": sentence}).encode(), _JSON, headers)


class _DisconnectedError(Exception):
    """The client went away before its request was complete."""


class Application:
    """Answers the requests of one worker (ASGI 3, HTTP only)."""

    def __init__(self, batcher: Batcher, counters: Counters, log: RollingLog, limit: float) -> None:
        """What it needs.

        Args:
            batcher: leads to the model.
            counters: of this worker.
            log: gets a line a request.
            limit: seconds that a request's body may take to arrive.
        """
        self._batcher, self._counters, self._log, self._limit = batcher, counters, log, limit
        self._lines: list[str] = []
        self._arriving = 0  # bytes of bodies that are not complete
        self._second, self._clock = 0, ""
        self._routes: dict[str, tuple[str, Callable[[Message, Receive], Awaitable[Reply]]]] = {
            "/ping": ("GET", self._ping),
            "/invocations": ("POST", self._invoke),
            "/description": ("GET", self._describe),
            "/metrics": ("GET", self._count),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            reply = await self._reply(scope, receive)
        except _RefusedError as refusal:
            reply = refusal.reply
        except _DisconnectedError:
            reply = Reply(499, b"")
        headers = [
            (b"content-type", reply.content_type.encode("latin-1")),
            (b"content-length", b"%d" % len(reply.body)),
        ]
        headers += [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
        if reply.status != 499:
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})
        self._note(scope, reply, time.perf_counter() - started)

    def invoke(self, request: Request, scope: Message, send: Callable[[Reply], None]) -> None:
        """POST /invocations whose body is here already, past ASGI: its many small steps take longer than a small net.

        Args:
            request: it.
            scope: its `path`, `raw_path`, `method` and `client`.
            send: called once.
        """
        started = time.perf_counter()

        def conclude(reply: Reply) -> None:
            send(reply)
            self._note(scope, reply, time.perf_counter() - started)

        def answered(future: asyncio.Future[Answer | Exception]) -> None:
            if not future.cancelled():  # the loop is ending
                try:
                    reply = _reply(future.result())
                except _RefusedError as refusal:
                    reply = refusal.reply
                conclude(reply)

        try:
            self._submit(request).add_done_callback(answered)
        except _RefusedError as refusal:
            conclude(refusal.reply)

    def flush(self) -> None:
        """Writes the lines of the access log, and what the other workers are to know. To be called now and then."""
        self._counters.note(self._batcher.batches, self._batcher.waiting)
        if self._lines:
            self._log.write("".join(self._lines).encode())
            self._lines.clear()

    async def _reply(self, scope: Message, receive: Receive) -> Reply:
        path, method = scope["path"], scope["method"]
        allowed, answer = self._routes.get(path, ("GET", self._file))
        if method != allowed and not (method == "HEAD" and allowed == "GET"):
            raise _RefusedError(405, f"{path} takes {allowed}, not {method}", ("allow", allowed))
        return await answer(scope, receive)

    async def _ping(self, _scope: Message, _receive: Receive) -> Reply:
        self._check_ready()
        return Reply(200, b'{"status": "healthy"}')

    async def _describe(self, _scope: Message, _receive: Receive) -> Reply:
        self._check_ready()
        return Reply(200, json.dumps(self._batcher.description).encode())

    async def _count(self, _scope: Message, _receive: Receive) -> Reply:
        self.flush()
        return Reply(200, self._counters.text().encode(), CONTENT_TYPE)

    async def _file(self, scope: Message, _receive: Receive) -> Reply:
        name = scope["path"][1:] or "index.html"
        if _PAGE.is_dir() and name in [path.name for path in _PAGE.iterdir() if path.is_file()]:
            content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            return Reply(200, (_PAGE / name).read_bytes(), content_type, _GUARDS)
        raise _RefusedError(404, f"nothing is at {scope['path']}: this endpoint has /invocations and /ping")

    async def _invoke(self, scope: Message, receive: Receive) -> Reply:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise _RefusedError(415, "the body is compressed: send it as it is", _CLOSE)
        body = await self._body(headers, receive)
        return _reply(await self._submit(request(body, headers)))

    def _submit(self, asked: Request) -> asyncio.Future[Answer | Exception]:
        try:
            return self._batcher.submit(asked)
        except QueueFullError:
            raise _RefusedError(503, "too many requests are waiting: try again in a second", _RETRY) from None
        except ClosedError as error:
            raise _refusal(error) from None

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        length = headers.get(b"content-length", b"0")
        if int(length) > BODY_LIMIT:
            if b"expect" not in headers:  # else it waits to be asked for the body
                await _drain(receive)
            raise _too_large()
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            return body
        try:
            return await asyncio.wait_for(self._rest(message, receive), self._limit)
        except asyncio.TimeoutError:
            raise _RefusedError(408, f"the body did not arrive within {self._limit:g} s", _CLOSE) from None

    async def _rest(self, message: Message, receive: Receive) -> bytes:
        """A body that comes in several pieces."""
        pieces, size = [], 0
        try:
            while message["type"] != "http.disconnect":
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                self._arriving += len(pieces[-1])
                if self._arriving > _ARRIVING:
                    raise _RefusedError(503, "too many bodies are arriving: try again in a second", _RETRY, _CLOSE)
                if size > BODY_LIMIT:
                    pieces.clear()
                    await _drain(receive)
                    raise _too_large()
                if not message.get("more_body", False):
                    return b"".join(pieces)
                message = await receive()
            raise _DisconnectedError
        finally:
            self._arriving -= size

    def _check_ready(self) -> None:
        if self._batcher.is_stuck:
            raise _RefusedError(503, "the script is stuck and is being started anew", _RETRY)
        if self._batcher.description is None:
            raise _RefusedError(503, "the model is being loaded: try again in a second", _RETRY)

    def _note(self, scope: Message, reply: Reply, seconds: float) -> None:
        if scope["path"] == "/invocations":
            self._counters.count(reply.status, seconds)
        now = time.time()
        if now - self._second >= 1:
            self._second, self._clock = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        address, port = scope["client"] or ("-", 0)
        path = scope["raw_path"].decode("latin-1")  # as it came: without line ends
        self._lines.append(
            f"{self._clock}.{int(now % 1 * 1000):03d}Z {address}:{port} {scope['method']} {path} "
            f"{reply.status} {len(reply.body)} B {seconds * 1000:.2f} ms\n"
        )


def request(body: bytes, headers: Mapping[bytes, bytes]) -> Request:
    """An invocation from its body and its headers, whose names are in small letters."""
    content_type, accept = headers.get(b"content-type", b""), headers.get(b"accept", b"")
    return Request(body, content_type.decode("latin-1"), accept.decode("latin-1"))


def _reply(answer: Answer | Exception) -> Reply:
    if isinstance(answer, Exception):
        raise _refusal(answer)
    if "\r" in answer.content_type or "\n" in answer.content_type or not answer.content_type.isascii():
        raise _RefusedError(500, "the script answered with a content type that is none")
    return Reply(200, answer.body, answer.content_type)


def _refusal(error: Exception) -> _RefusedError:
    """What a request is told when the model did not answer it."""
    if isinstance(error, Refusal):
        return _RefusedError(error.status, str(error))
    if isinstance(error, OverdueError):
        return _RefusedError(504, "the script did not answer within the limit of an invocation", _CLOSE)
    if isinstance(error, ClosedError):
        return _RefusedError(503, "the script is stuck and is being started anew: try again", _RETRY, _CLOSE)
    return _RefusedError(500, f"the script raised {type(error).__name__}: {error}".partition("\n")[0])


def _too_large() -> _RefusedError:
    return _RefusedError(413, f"the body is larger than {BODY_LIMIT:,} bytes", _CLOSE)


async def _drain(receive: Receive) -> None:
    """Reads a body that is refused, up to a point: a client that is still sending would not see the answer."""
    size, until = 0, time.monotonic() + _DRAIN_SECONDS
    while size < _DRAINED and (left := until - time.monotonic()) > 0:
        try:
            message = await asyncio.wait_for(receive(), left)
        except asyncio.TimeoutError:
            return
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
