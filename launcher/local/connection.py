"""uvicorn's HTTP/1.1 connection, with an end to every wait: uvicorn's own lets a silent client stay for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from launcher.local.server import Reply, request

_PATH = "/invocations"
_SMALL = 2**16  # bytes of a body
_UNUSUAL = {b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"}
PATIENCE = 60.0  # seconds for a request's line and headers, and for a client that does not read its answer


class _Exchange:
    """A request that goes past ASGI, and its answer, with what uvicorn's protocol asks of one."""

    message_event = SimpleNamespace(set=lambda: None)  # nobody waits for a piece of it

    def __init__(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], keep_alive: bool) -> None:
        self.scope, self.headers, self.keep_alive = scope, headers, keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False


class Connection(HttpToolsProtocol):
    """One client. There are no timers: `close_silent` looks at all connections now and then.

    An invocation of the usual kind, of a small body, goes from here to the application in one call, and its answer is
    written at one stroke. All others, and one whose body does not come at once, take uvicorn's way through ASGI.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request's headers."""
        super().connection_made(transport)
        self._waits_since: float | None = self.loop.time()
        self._unread = 0
        self._unread_since = 0.0
        self._short: _Exchange | None = None  # whose body is not here yet

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        super().on_message_begin()
        self._waits_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The application takes over, and has deadlines of its own."""
        self._waits_since = None
        headers = dict(self.headers)
        if self._is_usual(headers):
            scope: dict[str, Any] = {"method": "POST", "path": _PATH, "raw_path": self.url, "client": self.client}
            self._short = _Exchange(scope, headers, self.parser.should_keep_alive())
            self.cycle = self._short  # type: ignore[assignment]
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        if self._short:
            self._short.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here."""
        if self._short:
            exchange, self._short = self._short, None
            exchange.more_body = False
            asked = request(bytes(exchange.body), exchange.headers)
            self.app.invoke(asked, exchange.scope, partial(self._answer, exchange))
        else:
            super().on_message_complete()

    def shutdown(self) -> None:
        """Ends the connection when it has answered what it was asked."""
        self._take_the_long_way()
        super().shutdown()

    def _is_usual(self, headers: Mapping[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"")
        return (
            self.url == _PATH.encode()
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and length.isdigit()
            and int(length) <= _SMALL
            and _UNUSUAL.isdisjoint(headers)
            and (self.cycle is None or self.cycle.response_complete)  # else it waits for its turn
            and not self.flow.write_paused  # nor does it read its answers
        )

    def _take_the_long_way(self) -> None:
        if self._short:
            begun, self._short, self.cycle = self._short, None, None  # type: ignore[assignment]
            super().on_headers_complete()
            if begun.body:
                super().on_body(bytes(begun.body))

    def _answer(self, exchange: _Exchange, reply: Reply) -> None:
        exchange.response_complete = True
        if self.transport.is_closing():
            return
        headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body))), *reply.headers]
        if not exchange.keep_alive and ("connection", "close") not in headers:
            headers.append(("connection", "close"))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[reply.status] + head.encode("latin-1") + b"\r\n" + reply.body)
        if ("connection", "close") in headers:
            self.transport.close()
        self.on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """The answer to what is no HTTP, as JSON. An answer that has begun is cut off instead."""
        if self.cycle and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        body = json.dumps({"error": msg}).encode()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def close_if_silent(self, now: float) -> None:
        """Closes a connection whose client keeps it waiting; `now` is the loop's time."""
        self._take_the_long_way()
        is_answering = self.cycle and not self.cycle.response_complete  # and may have stopped to read
        if not is_answering and self._waits_since is not None and now - self._waits_since > PATIENCE:
            self.transport.abort()
        unread = self.transport.get_write_buffer_size()
        if unread != self._unread:
            self._unread, self._unread_since = unread, now
        elif unread and now - self._unread_since > PATIENCE:
            self.transport.abort()


def close_silent(connections: Iterable[Any], now: float) -> None:
    """Closes each connection whose client has been silent for too long."""
    for connection in list(connections):
        connection.close_if_silent(now)
