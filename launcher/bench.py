"""Load on an endpoint: requests over a number of connections, each sent when the last one was answered."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

from launcher.errors import UserError
from launcher.local.client import JSON, Client
from launcher.local.endpoint import Endpoint
from launcher.payload import Payload

STEPS = (1, 4, 16, 64)  # connections
_WARM_UP = 0.2  # of a step's seconds, before its own
_LATE = 65.0  # seconds after which an answer is not waited for


@dataclass
class Step:
    """What a number of connections brought.

    Attributes:
        connections: at the same time.
        seconds: the time measured.
        latencies: seconds of each good answer.
        errors: how often by what: an HTTP status, `connection` or `no answer`.
    """

    connections: int
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def throughput(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float | None:
        """The latency, in seconds, that so great a share of the good answers did not exceed."""
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(url: str, payload: Payload, steps: Sequence[int] = STEPS, seconds: float = 3.0) -> Iterator[Step]:
    """Measures an endpoint, a step after the other.

    Args:
        url: of the endpoint, with a slash at its end.
        payload: every request.
        steps: numbers of connections.
        seconds: of each step.

    Raises:
        InvocationFailed: a first request was not answered well.
    """
    with Client(url) as client:
        client.invoke(payload.body, payload.content_type)
    for connections in steps:
        yield uvloop.run(_step(url, payload, connections, seconds))


def sample(endpoint: Endpoint) -> Payload:
    """The model's example or one random sample, as JSON; UserError when the model does not say what it takes."""
    with endpoint.client as client:
        described = client.describe()
    shape, example = described.get("shape"), described.get("example")
    if example is not None:
        return Payload(json.dumps(example).encode(), JSON, "the model's example")
    if shape is None:
        raise UserError(f"{endpoint.name} does not say what it takes: give a file")
    numbers = random.Random(0)  # noqa: S311
    values = [round(numbers.random(), 3) for _ in range(math.prod(shape))]
    return Payload(json.dumps(values).encode(), JSON, "a random sample")


async def _step(url: str, payload: Payload, connections: int, seconds: float) -> Step:
    place = urlsplit(url)
    request = (
        f"POST /invocations HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: {payload.content_type}\r\n"
        f"Accept: application/json\r\nContent-Length: {len(payload.body)}\r\n\r\n"
    ).encode() + payload.body
    load = _Load(place.hostname or "", place.port or 80, request, Step(connections))
    senders = [asyncio.ensure_future(load.send(seconds)) for _ in range(connections)]
    done, late = await asyncio.wait(senders, timeout=seconds * (1 + _WARM_UP) + _LATE)
    for sender in late:
        sender.cancel()
    for sender in done:
        sender.result()
    load.step.errors.update(["no answer"] * len(late))
    return load.step


class _Load:
    def __init__(self, host: str, port: int, request: bytes, step: Step) -> None:
        self._host, self._port, self._request, self.step = host, port, request, step

    async def send(self, seconds: float) -> None:
        """One connection's part."""
        begin = time.perf_counter() + seconds * _WARM_UP
        end = begin + seconds
        self.step.seconds = seconds
        answers: _Answers | None = None
        while (sent := time.perf_counter()) < end:
            try:
                if answers is None or answers.transport.is_closing():
                    loop = asyncio.get_running_loop()
                    _, answers = await loop.create_connection(_Answers, self._host, self._port)
                status = await answers.ask(self._request)
            except (OSError, ValueError):
                status, answers = "connection", None
                await asyncio.sleep(0.01)  # a dead endpoint is not to be called without end
            now = time.perf_counter()
            if begin <= now < end:
                if status == "200":
                    self.step.latencies.append(now - sent)
                else:
                    self.step.errors[status] += 1
        if answers is not None:
            answers.transport.close()


class _Answers(asyncio.Protocol):
    """The client's side of a connection: reads no more of an answer than when it ends."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._received = b""
        self._answer: asyncio.Future[str] | None = None

    def ask(self, request: bytes) -> asyncio.Future[str]:
        """The HTTP status of the answer to come; OSError when the connection breaks first."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or self._answer is None or self._answer.done():
            return
        fields = dict(line.partition(b":")[::2] for line in head.lower().split(b"\r\n")[1:])
        if len(body) >= int(fields.get(b"content-length", b"0")):
            self._received = b""
            if b"close" in fields.get(b"connection", b""):
                self.transport.close()
            self._answer.set_result(head[9:12].decode())

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(str(error)))
