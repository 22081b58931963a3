"""Whatever is sent to a real endpoint, it answers, and never as if the fault were its own."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import urllib.request

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher import library
from launcher.local.endpoint import Endpoint
from launcher.local.hosts import image_path
from launcher.local.service import Settings

ALLOWED = {*range(200, 300), *range(400, 500), 503}
UNTRAINED = """
import sys
from gluon_job import artifact
from gluon_job.compat import mx

net = mx.gluon.nn.Dense(3)
net.initialize(mx.init.Xavier())
artifact.save(net, sys.argv[1], (1, 2, 2), ["a", "b", "c"])
"""
_SILENCE = 0.05  # seconds
GOOD = b"[0, 0.5, 0.25, 1]"
few = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

numbers = st.floats() | st.integers() | st.integers(0, 255) | st.floats(0, 1)
values = st.recursive(
    numbers | st.none() | st.booleans() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["instances", "b64", ""]), inner),
    max_leaves=12,
)
rows = st.lists(st.lists(numbers, min_size=4, max_size=4), max_size=4)
types = st.sampled_from(
    ["application/json", "text/csv", "application/x-npy", "image/png", "image/jpeg", "application/json; charset=utf-16"]
) | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@st.composite
def npy(draw):
    """A .npy file of some kind, perhaps with another header than its content deserves."""
    kinds = st.sampled_from(["<f4", ">f8", "<f2", "|u1", "|b1", "<i8", "<c8", "|S3", "<U2", "<M8[s]", "|V4"])
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    stream = io.BytesIO()
    np.save(stream, np.zeros(shape, np.dtype(draw(kinds))), allow_pickle=False)
    content = stream.getvalue()
    return content.replace(b"(", draw(st.sampled_from([b"(", b"(-1, ", b"(99999999999, ", b"[", b"(((("])), 1)


@st.composite
def damaged(draw, contents):
    """Some bytes replaced, and the end perhaps cut off."""
    content = bytearray(draw(contents))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=4)):
        if content:
            content[place % len(content)] = byte
    return bytes(content[: draw(st.integers(0, len(content)))]) if draw(st.booleans()) else bytes(content)


bodies = (
    (values | rows).map(lambda value: json.dumps(value).encode())
    | rows.map(lambda value: "\n".join(",".join(map(repr, row)) for row in value).encode())
    | npy()
    | st.binary(max_size=64)
    | st.sampled_from([b"", b"[" * 100_000, b"9" * 5000, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"[1e999,0,0,0]"])
)
requests = st.builds(
    lambda method, path, name, value, body: (
        b"%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nContent-Type: application/json\r\n%s: %s\r\n\r\n%s"
        % (method, path, len(body), name, value, body)
    ),
    st.sampled_from([b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"get", b"PRI"]),
    st.sampled_from([b"/invocations", b"/ping", b"/", b"/../etc/passwd", b"*", b"http://x/ping", b"/%00%ff?a=%zz"]),
    st.sampled_from([b"Transfer-Encoding", b"Content-Length", b"Expect", b"Upgrade", b"Content-Encoding", b"X"]),
    st.sampled_from([b"chunked", b"7", b"-1", b"9" * 30, b"100-continue", b"websocket", b"h2c", b"gzip", b"\x80\xff"]),
    bodies,
)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """A real classifier, not trained, behind a real server; afterwards it still serves, with the worker it had."""
    folder = tmp_path_factory.mktemp("fuzz")
    model = folder / "model"
    shutil.copytree(library.directory() / "gluon_job", model / "code" / "gluon_job")
    shutil.copy(library.directory() / "mnist_mlp.py", model / "code")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(model / "code"), image_path()])}
    subprocess.run([sys.executable, "-c", UNTRAINED, str(model)], env=environment, check=True, timeout=100)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(model, ".")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLAUNCH_HOME", str(folder / "home"))
        with Endpoint.start(folder / "model.tar.gz", "fuzzed", Settings(port=0)) as started:
            yield started
            assert started.status.restarts == 0
            assert status_of(started, GOOD, "application/json", "text/csv") == 200
            # What came too late for its test to see is counted here.
            with urllib.request.urlopen(f"{started.status.url}metrics", timeout=60) as metrics:
                counted = dict(re.findall(r'status="(\d+)"} (\d+)', metrics.read().decode()))
            assert counted["500"] == counted["504"] == "0"
            assert int(counted["400"]) > 10


def status_of(endpoint, body, content_type, accept):
    """Of a request that is one."""
    client = http.client.HTTPConnection(*address(endpoint), timeout=60)
    try:
        client.request("POST", "/invocations", body, {"Content-Type": content_type, "Accept": accept})
        return client.getresponse().status
    finally:
        client.close()


def statuses_of(endpoint, sent):
    """Of all answers to these bytes, until the server closes the connection or has nothing more to say."""
    received = b""
    with contextlib.suppress(socket.timeout, ConnectionError), socket.create_connection(address(endpoint)) as client:
        client.settimeout(_SILENCE)
        client.sendall(sent)
        while chunk := client.recv(65536):
            received += chunk
    return list(statuses_in(received))


def address(endpoint):
    return "127.0.0.1", int(endpoint.status.url.rstrip("/").rpartition(":")[2])


def statuses_in(received):
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        words = head.split(maxsplit=2)
        assert words[0] == b"HTTP/1.1", received
        if words[1] == b"100":
            continue
        yield int(words[1])
        fields = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + b"\r\n\r\n"))
        length = int(fields["Content-Length"])
        received = received[length:] if len(received) >= length else b""


@few
@given(damaged(bodies) | bodies, types, types)
def test_a_body_of_anything_is_answered_or_refused(endpoint, body, content_type, accept):
    assert status_of(endpoint, body, content_type, accept) in ALLOWED


@few
@given(npy(), types)
def test_an_npy_file_of_anything_is_answered_or_refused(endpoint, body, accept):
    assert status_of(endpoint, body, "application/x-npy", accept) in ALLOWED


@few
@given(damaged(requests) | requests)
def test_whatever_is_no_request_is_refused_or_left_unanswered(endpoint, sent):
    assert {*statuses_of(endpoint, sent)} <= ALLOWED
