"""Mirrors to download from, and runs that have ended already, on this machine."""

import threading
import time
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from launcher.job import TrainingJob
from launcher.run import COMPLETED, Run, Status


@pytest.fixture
def wait_until():
    """`wait_until(condition)`: returns when the condition holds, and fails when it never does."""

    def wait(condition, seconds=30):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def recorded(script):
    """`recorded(log="...", state=FAILED, reason="...")`: a run with that log and record, whose script is tiny."""

    def make(job=None, *, log="", **status):
        run = Run.create(job or TrainingJob(script("print(1)\n")))
        run.write_status(Status(**{"state": COMPLETED, "created": 0.0, **status}))
        run.log("algo-1").write_text(log)
        return run

    return make


@pytest.fixture
def start_mirror(monkeypatch):
    """`start_mirror(content)`: a running Mirror of bytes by path, without a proxy in between."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield lambda content: stack.enter_context(Mirror(content))


class Mirror(ThreadingHTTPServer):
    """Serves `content`, bytes by path, and remembers what it was asked for and what it sent.

    The next requests go wrong as `faults` says, one word each; the rest go well.

    missing: status 404; broken: 503; page: a short page with the status 200; truncated: half of it, then the end;
    corrupted: another last byte; whole: all of it though a part was asked for; other-part: another part than asked for;
    silent: half of it, then nothing for long; dripping: a byte now and then; slow: a pause in the middle.
    """

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.faults = []
        self.requests = []  # (path, the Range header or None)
        self.sent = 0  # bytes of content
        self.closing = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers["Range"]
        self.server.requests.append((self.path, wanted))
        fault = self.server.faults.pop(0) if self.server.faults else None
        content = self.server.content.get(self.path)
        if content is None or fault == "missing":
            self.send_error(404)
        elif fault == "broken":
            self.send_error(503)
        elif fault == "page":
            self._answer(200, b"<html>Please accept our terms</html>")
        else:
            self._send_file(content, wanted, fault)

    def _send_file(self, content, wanted, fault):
        begin = 0 if wanted is None or fault == "whole" else int(wanted[len("bytes=") : -1])
        if begin >= len(content):
            self.send_error(416)
            return
        if fault == "other-part":
            content, begin = content[:-1], begin - 1
        if fault == "corrupted":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._answer(206 if begin else 200, content[begin:], begin, fault)

    def _answer(self, status, body, begin=0, fault=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{begin + len(body)}")
        self.end_headers()
        half = len(body) // 2
        self._write(body[:half])
        if fault == "truncated":
            return
        if fault == "silent" and self.server.closing.wait(20):
            return
        if fault == "slow":
            self.server.closing.wait(0.2)
        if fault == "dripping":
            for byte in body[half:]:
                self._write(bytes([byte]))
                if self.server.closing.wait(0.02):
                    return
        else:
            self._write(body[half:])

    def _write(self, data):
        self.server.sent += len(data)  # before the client can have it, and look
        with suppress(ConnectionError):  # the client has given up
            self.wfile.write(data)

    def log_message(self, *arguments):
        pass
