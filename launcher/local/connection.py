"""uvicorn's HTTP/1.1 connection, with an end to every wait: uvicorn's own lets a silent client stay for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PATIENCE = 60.0  # seconds for a request's line and headers, and for a client that does not read its answer


class Connection(HttpToolsProtocol):
    """One client. There are no timers: `close_silent` looks at all connections now and then."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request's headers."""
        super().connection_made(transport)
        self._waits_since: float | None = self.loop.time()
        self._unread = 0
        self._unread_since = 0.0

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        super().on_message_begin()
        self._waits_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The application takes over, and has deadlines of its own."""
        self._waits_since = None
        super().on_headers_complete()

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
