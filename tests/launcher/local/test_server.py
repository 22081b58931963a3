"""SageMaker's contract over real connections: one worker's server, with a model made for it, in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import socket
import threading
import time

import pytest
import uvicorn
import uvloop

from launcher.local import connection, counters, server
from launcher.local.batcher import Batcher
from launcher.local.counters import Counters
from launcher.local.model import Answer, Refusal
from launcher.local.rolling_log import RollingLog
from launcher.local.server import BODY_LIMIT, Application
from launcher.local.worker import configuration

JSON = {"Content-Type": "application/json"}


class Model:
    """Echoes; some bodies have another meaning."""

    batch_limit = 16
    is_ours = False

    def __init__(self):
        self.gate = threading.Event()
        self.batches = []

    def answer(self, requests):
        self.batches.append(len(requests))
        return [self.answer_one(request) for request in requests]

    def answer_one(self, request):
        if request.body == b"wait":
            self.gate.wait(30)
        if request.body == b"raise":
            return ValueError("the net is\nnot there")
        if request.body == b"break the header":
            return Answer(b"1", "text/plain\r\nx: y")
        if request.content_type.startswith("application/pdf"):
            return Refusal(415, "no PDF.")
        return Answer(request.body or b"nothing", f"{request.content_type}|{request.accept}")

    def warm_up(self):
        pass

    def describe(self):
        return {"kind": "script", "labels": None, "shape": None}


class Serving:
    """A server in a thread of its own."""

    def __init__(self, folder, model, *, load=lambda: None, limit=30.0, room=100):
        self.model, self.log = model, folder / "access.log"
        self._load, self._limit, self._room = load, limit, room
        counters.create(folder / "counters", 2)
        self._counters = Counters(folder / "counters", 0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self._listener.getsockname()[1]
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._started.wait(20)

    async def _serve(self):
        def load():
            self._load()
            return self.model

        batcher = Batcher(load, limit=self._limit, room=self._room, bytes_room=10**9)
        self.application = Application(batcher, self._counters, RollingLog(self.log), self._limit)
        self.server = uvicorn.Server(configuration(self.application))
        watch = asyncio.create_task(self._watch(batcher))
        await self.server.serve([self._listener])
        watch.cancel()
        self.application.flush()

    async def _watch(self, batcher):
        while True:
            batcher.watch()
            self.application.flush()
            connection.close_silent(self.server.server_state.connections, asyncio.get_running_loop().time())
            if self.server.started:
                self._started.set()
            await asyncio.sleep(0.02)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of one answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request(method, path, body, headers or {}, encode_chunked=False)
            response = client.getresponse()
            return response.status, response.headers, response.read()
        finally:
            client.close()

    def invoke(self, body, headers=None):
        return self.ask("POST", "/invocations", body, headers or JSON)

    def raw(self, sent):
        """Everything that is answered to these bytes until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(sent)
            received = b""
            while chunk := client.recv(65536):
                received += chunk
            return received

    def stop(self):
        self.model.gate.set()
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def serving(tmp_path):
    """`serving(model=None, limit=30.0, room=100)`: a running server, stopped at the end."""
    started = []

    def start(model=None, **how):
        folder = tmp_path / f"serving-{len(started)}"
        folder.mkdir()
        started.append(Serving(folder, model or Model(), **how))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def sentence(answer):
    """The sentence of an error, which is all that its JSON body holds."""
    content = json.loads(answer[2])
    assert answer[1]["Content-Type"] == "application/json"
    assert list(content) == ["error"]
    assert "\n" not in content["error"]
    return content["error"]


def test_an_invocation_reaches_the_model_with_its_headers_and_comes_back(serving):
    headers = {"Content-Type": "text/csv; charset=utf-8", "Accept": "text/csv"}
    status, answered, body = serving().invoke(b"1,2", headers)
    assert (status, body) == (200, b"1,2")
    assert answered["Content-Type"] == "text/csv; charset=utf-8|text/csv"
    assert answered["Content-Length"] == "3"


def test_headers_that_are_missing_are_empty(serving):
    client = http.client.HTTPConnection("127.0.0.1", serving().port, timeout=20)
    client.putrequest("POST", "/invocations", skip_accept_encoding=True)
    client.putheader("Content-Length", "0")
    client.endheaders()
    response = client.getresponse()
    assert (response.read(), response.headers["Content-Type"]) == (b"nothing", "|")
    client.close()


def test_ping_is_healthy_only_when_the_model_is_loaded(serving):
    gate = threading.Event()
    one = serving(load=lambda: gate.wait(20))
    answer = one.ask("GET", "/ping")
    assert answer[0] == 503
    assert answer[1]["Retry-After"] == "1"
    assert "being loaded" in sentence(answer)
    assert one.ask("GET", "/description")[0] == 503
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        early = pool.submit(one.invoke, b"early")
        time.sleep(0.1)
        gate.set()
        assert early.result()[2] == b"early"
    assert one.ask("GET", "/ping")[0] == 200


def test_ping_is_answered_while_the_model_is_busy(serving):
    one = serving()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(one.invoke, b"wait")
        while not one.model.batches:
            time.sleep(0.01)
        assert one.ask("GET", "/ping")[0] == 200
        one.model.gate.set()
        assert busy.result()[0] == 200


def test_the_description_is_what_the_model_says(serving):
    assert json.loads(serving().ask("GET", "/description")[2])["kind"] == "script"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/invocations", "POST"),
        ("PUT", "/invocations", "POST"),
        ("POST", "/ping", "GET"),
        ("DELETE", "/", "GET"),
        ("OPTIONS", "/metrics", "GET"),
    ],
)
def test_another_method_is_refused_with_the_one_that_is_allowed(serving, method, path, allowed):
    one = serving()
    answer = one.ask(method, path, b"12345")
    assert answer[0] == 405
    assert answer[1]["Allow"] == allowed
    assert method in sentence(answer)
    assert one.model.batches == []


def test_head_has_no_body(serving):
    status, headers, body = serving().ask("HEAD", "/ping")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/nothing", "/../server.py", "/..%2fserver.py", "/%2e%2e/server.py", "//etc/passwd"])
def test_nothing_else_is_there(serving, path):
    answer = serving().ask("GET", path)
    assert answer[0] == 404
    assert "/invocations" in sentence(answer)


def test_the_page_and_its_files_are_served_and_nothing_beside_them(serving, tmp_path, monkeypatch):
    one = serving()
    (tmp_path / "page").mkdir()
    (tmp_path / "secret").write_text("x")
    monkeypatch.setattr(server, "_PAGE", tmp_path / "page")
    assert one.ask("GET", "/")[0] == 404
    (tmp_path / "page" / "index.html").write_text("<title>ä</title>", "utf-8")
    (tmp_path / "page" / "pad.js").write_text("1")
    status, headers, body = one.ask("GET", "/")
    assert (status, headers["Content-Type"], body.decode()) == (200, "text/html", "<title>ä</title>")
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "javascript" in one.ask("GET", "/pad.js")[1]["Content-Type"]
    assert one.ask("GET", "/../secret")[0] == 404


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_refused(serving):
    one = serving()
    assert one.invoke(b"x" * BODY_LIMIT)[0] == 200
    answer = one.invoke(b"x" * (BODY_LIMIT + 1))
    assert answer[0] == 413
    assert answer[1]["Connection"] == "close"
    assert "6,291,456 bytes" in sentence(answer)


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413), (3 * BODY_LIMIT, 413)])
def test_the_limit_holds_for_chunked_bodies_too(serving, size, status):
    one = serving()
    pieces = (b"x" * min(2**20, size - start) for start in range(0, size, 2**20))
    client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=20)
    client.request("POST", "/invocations", pieces, JSON, encode_chunked=True)
    response = client.getresponse()
    assert response.status == status
    assert len(response.read()) == (
        size if status == 200 else len(b'{"error": "the body is larger than 6,291,456 bytes"}')
    )
    client.close()


def test_a_client_that_asks_before_it_sends_is_told_at_once(serving):
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    answer = serving().raw(head % (BODY_LIMIT + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_asks_before_it_sends_is_asked_to_go_on(serving):
    one = serving()
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert client.recv(1000).endswith(b"abc") or client.recv(1000) == b"abc"


def test_the_models_refusal_is_its_status_and_sentence(serving):
    answer = serving().invoke(b"1", {"Content-Type": "application/pdf"})
    assert (answer[0], sentence(answer)) == (415, "no PDF.")


def test_a_compressed_body_is_refused(serving):
    answer = serving().invoke(b"\x1f\x8b", {**JSON, "Content-Encoding": "gzip"})
    assert answer[0] == 415
    assert "compressed" in sentence(answer)


def test_an_exception_of_the_script_is_named_in_one_line(serving):
    answer = serving().invoke(b"raise")
    assert (answer[0], sentence(answer)) == (500, "the script raised ValueError: the net is")


def test_a_content_type_that_would_break_the_header_is_not_sent(serving):
    answer = serving().invoke(b"break the header")
    assert answer[0] == 500
    assert "content type" in sentence(answer)


def test_a_full_queue_is_503_with_retry_after_and_the_others_are_answered(serving):
    one = serving(room=3)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        first = pool.submit(one.invoke, b"wait")
        while not one.model.batches:
            time.sleep(0.01)
        rest = [pool.submit(one.invoke, b"1") for _ in range(7)]
        while sum(future.done() for future in rest) < 5:
            time.sleep(0.01)
        refused = [future.result() for future in rest if future.done()]
        one.model.gate.set()
        assert first.result()[0] == 200
        assert sorted(future.result()[0] for future in rest) == [200, 200, 503, 503, 503, 503, 503]
    assert {answer[1]["Retry-After"] for answer in refused} == {"1"}
    assert "try again" in sentence(refused[0])


def test_an_invocation_over_the_limit_is_504(serving):
    one = serving(limit=0.3)
    answer = one.invoke(b"wait")
    assert answer[0] == 504
    assert answer[1]["Connection"] == "close"
    assert "limit" in sentence(answer)
    assert one.ask("GET", "/ping")[0] == 503
    assert one.invoke(b"1")[0] == 503


def test_500_connections_at_once_get_each_their_own_answer(serving):
    one = serving(room=600)

    async def ask(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{number:04}"
        writer.write(head.encode())
        answer = await reader.read()
        writer.close()
        return answer

    async def all_at_once():
        return await asyncio.gather(*(ask(number) for number in range(500)))

    answers = asyncio.run(all_at_once())
    assert [answer[-4:] for answer in answers] == [b"%04d" % number for number in range(500)]
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert sum(one.model.batches) == 500
    assert len(one.model.batches) < 500


def test_pipelined_requests_are_answered_in_their_order(serving):
    requests = [b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n%03d" % n for n in range(50)]
    requests.insert(20, b"GET /invocations HTTP/1.1\r\nHost: x\r\n\r\n")
    requests.append(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    received = serving().raw(b"".join(requests))
    parts = received.split(b"HTTP/1.1 ")[1:]
    assert [part[:3] for part in parts] == [b"200"] * 20 + [b"405"] + [b"200"] * 31
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in parts]
    assert bodies[:20] + bodies[21:51] == [b"%03d" % number for number in range(50)]


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "late"])
def test_a_body_may_come_after_its_headers_and_in_pieces(serving, pause):
    one = serving()
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for body in (b"abcd", b"efgh"):
            client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
            for piece in (body[:2], body[2:]):
                time.sleep(pause)
                client.sendall(piece)
            response = http.client.HTTPResponse(client)
            response.begin()
            assert (response.status, response.read()) == (200, body)


def test_an_answer_is_one_piece(serving):
    """Head and body in two would be two calls of the kernel here, and two at the client's."""
    one = serving()
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd")
        assert client.recv(65536).endswith(b"\r\n\r\nabcd")


def test_a_connection_ends_after_the_answer_where_the_client_says_so(serving):
    sent = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd"
    head, _, body = serving().raw(sent).partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert body == b"abcd"


def test_a_body_that_is_on_its_way_when_the_server_ends_is_answered(serving):
    one = serving()
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.1)
        one.server.should_exit = True
        time.sleep(0.3)
        client.sendall(b"cd")
        assert client.recv(65536).endswith(b"abcd")


def test_a_connection_is_kept_after_an_answer_and_after_a_refusal(serving):
    client = http.client.HTTPConnection("127.0.0.1", serving().port, timeout=20)
    client.connect()
    port = client.sock.getsockname()[1]
    for method, path, status in (("POST", "/invocations", 200), ("PUT", "/ping", 405), ("POST", "/invocations", 200)):
        client.request(method, path, b"x" * 100_000, JSON)
        response = client.getresponse()
        response.read()
        assert response.status == status
        assert client.sock.getsockname()[1] == port
    client.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400_in_json_and_the_server_goes_on(serving, sent):
    one = serving()
    answer = one.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert list(json.loads(answer.rpartition(b"\r\n\r\n")[2])) == ["error"]
    assert one.invoke(b"1")[0] == 200


def test_a_body_that_stops_coming_is_given_up(serving):
    answer = serving(limit=0.3).raw(b"POST /invocations HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("sent", [b"", b"POST /invo", b"POST /invocations HTTP/1.1\r\nX: y\r\n"])
def test_a_silent_client_is_given_up(serving, monkeypatch, sent):
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    one = serving()
    with contextlib.suppress(ConnectionResetError):
        assert one.raw(sent) == b""
    assert one.server.server_state.connections == set()


def test_a_client_that_does_not_read_its_answer_is_given_up(serving, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    one = serving()
    head = b"POST /invocations HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % BODY_LIMIT
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(head + b"x" * BODY_LIMIT)
        until = time.monotonic() + 20
        while one.server.server_state.connections or not one.model.batches:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_a_client_that_leaves_in_the_middle_is_noted(serving):
    one = serving()
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.1)
    one.stop()
    assert "POST /invocations 499 " in one.log.read_text()


def test_requests_in_flight_are_finished_when_the_server_ends(serving):
    one = serving()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(one.invoke, b"wait") for _ in range(3)]
        while one.application._batcher.waiting < 3:
            time.sleep(0.01)
        one.server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(ConnectionError):
            one.ask("GET", "/ping")
        one.model.gate.set()
        assert [answer.result()[0] for answer in answers] == [200, 200, 200]


def test_the_access_log_has_a_line_a_request_with_its_latency(serving):
    one = serving()
    one.invoke(b"123")
    one.ask("GET", "/a%0Ab?c=d")
    one.stop()
    lines = [line.split() for line in one.log.read_text().splitlines()]
    assert [line[2:7] for line in lines] == [
        ["POST", "/invocations", "200", "3", "B"],
        ["GET", "/a%0Ab", "404", lines[1][5], "B"],
    ]
    assert lines[0][1].startswith("127.0.0.1:")
    assert float(lines[0][7]) > 0
    assert lines[0][8] == "ms"


def test_metrics_count_by_status_and_latency(serving):
    one = serving()
    for body in (b"1", b"2", b"raise"):
        one.invoke(body)
    one.ask("GET", "/ping")
    status, headers, body = one.ask("GET", "/metrics")
    lines = body.decode().splitlines()
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'glaunch_invocations_total{status="200"} 2' in lines
    assert 'glaunch_invocations_total{status="500"} 1' in lines
    assert 'glaunch_invocation_seconds_bucket{le="+Inf"} 3' in lines
    assert "glaunch_invocation_seconds_count 3" in lines
    assert "glaunch_model_calls_total 3" in lines
    assert "glaunch_worker_starts_total 1" in lines


def test_slow_clients_together_cannot_fill_the_memory(serving, monkeypatch):
    monkeypatch.setattr(server, "_ARRIVING", 250)
    one = serving()
    head = b"POST /invocations HTTP/1.1\r\nContent-Length: 200\r\n\r\n"
    with socket.create_connection(("127.0.0.1", one.port), timeout=20) as slow:
        slow.sendall(head + b"x" * 100)
        while one.application._arriving < 100:
            time.sleep(0.01)
        with socket.create_connection(("127.0.0.1", one.port), timeout=20) as another:
            another.sendall(head + b"y" * 199)
            assert another.recv(1000).startswith(b"HTTP/1.1 503 ")
        slow.sendall(b"x" * 100)
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert one.application._arriving == 0
