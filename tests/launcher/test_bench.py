"""The load that `glaunch bench` makes: every answer counted once, errors by their kind."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from launcher import bench
from launcher.bench import Step
from launcher.errors import UserError
from launcher.local.client import InvocationFailed
from launcher.payload import Payload

PAYLOAD = Payload(b"[1, 2]", "application/json", "x")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@pytest.fixture
def serve():
    """`serve(answer)`: the url of a server that calls `answer(handler, number of the request)` for each."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.server.ports.add(self.client_address[1])
                answer(self, len(self.server.bodies))

            def log_message(self, *_):
                pass

        server = Server(("127.0.0.1", 0), Handler)
        server.bodies, server.ports = [], set()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return server, f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(handler, status=200, body=b"{}"):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_every_connection_asks_again_and_again_over_one_connection(serve):
    server, url = serve(lambda handler, _: time.sleep(0.01) or reply(handler, body=b"x" * 100_000))
    steps = list(bench.run(url, PAYLOAD, [1, 4], seconds=0.4))
    assert [step.connections for step in steps] == [1, 4]
    assert all(step.errors == {} for step in steps)
    assert 0 < sum(len(step.latencies) for step in steps) <= len(server.bodies)
    assert set(server.bodies) == {PAYLOAD.body}
    assert len(server.ports) == 1 + 1 + 4  # the first request has one of its own
    for step in steps:
        assert 0.01 <= step.percentile(0.5) <= step.percentile(0.99)
        assert step.throughput == len(step.latencies) / 0.4


def test_errors_are_counted_by_status_and_not_as_answers(serve):
    _, url = serve(lambda handler, number: time.sleep(0.005) or reply(handler, 503 if number % 2 == 0 else 200))
    [step] = bench.run(url, PAYLOAD, [1], seconds=0.4)
    assert set(step.errors) == {"503"}
    assert abs(step.errors["503"] - len(step.latencies)) <= 1


def test_a_connection_that_breaks_is_counted_and_made_again(serve):
    def answer(handler, number):
        reply(handler) if number % 3 else handler.connection.close()
        handler.close_connection = number % 3 == 0

    _, url = serve(answer)
    [step] = bench.run(url, PAYLOAD, [2], seconds=0.5)
    assert set(step.errors) == {"connection"}
    assert step.latencies


def test_an_answer_that_never_comes_is_not_waited_for(serve, monkeypatch):
    monkeypatch.setattr(bench, "_LATE", 0.2)
    closing = threading.Event()
    _, url = serve(lambda handler, number: reply(handler) if number == 1 else closing.wait(20))
    [step] = bench.run(url, PAYLOAD, [3], seconds=0.2)
    closing.set()
    assert step.errors == {"no answer": 3}
    assert (step.throughput, step.percentile(0.5)) == (0, None)


def test_an_endpoint_that_refuses_is_not_measured(serve):
    _, url = serve(lambda handler, _: reply(handler, 400, b'{"error": "not numbers"}'))
    with pytest.raises(InvocationFailed, match=r"not numbers \(HTTP status 400\)"):
        list(bench.run(url, PAYLOAD, [1], seconds=0.2))
    with pytest.raises(InvocationFailed, match=r"no answer from http://127\.0\.0\.1:1/"):
        list(bench.run("http://127.0.0.1:1/", PAYLOAD, [1], seconds=0.2))


class Described:
    """As an `Endpoint` whose model says this of itself."""

    name = "films"

    def __init__(self, **described):
        self._described = described

    @property
    def client(self):
        return contextlib.nullcontext(self)

    def describe(self):
        return self._described


def test_a_model_with_an_example_is_measured_with_it_and_another_with_random_numbers():
    example = bench.sample(Described(shape=[2], example={"user": "196", "k": 10}))
    assert (json.loads(example.body), example.content_type) == ({"user": "196", "k": 10}, "application/json")
    numbers = json.loads(bench.sample(Described(shape=[2, 3], example=None)).body)
    assert len(numbers) == 6
    assert all(0 <= number <= 1 for number in numbers)
    with pytest.raises(UserError, match="films does not say what it takes: give a file"):
        bench.sample(Described(shape=None))


def test_percentiles_are_those_of_the_answers():
    step = Step(1, 2.0, [0.01 * number for number in range(100, 0, -1)])
    assert step.percentile(0.5) == pytest.approx(0.51)
    assert step.percentile(0.99) == pytest.approx(1.0)
    assert step.throughput == 50
