"""The client's side: answers are decoded by their type, and failures told in the endpoint's own words."""

from __future__ import annotations

import io
import socket
import threading

import numpy as np
import pytest

from launcher.local.client import Client, InvocationFailed, Reply


@pytest.fixture
def answering():
    """`answering(bytes)`: the url of a server that sends these bytes to its next client, whatever it asks."""
    listeners = []

    def start(sent):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(sent)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    for listener in listeners:
        listener.close()


def http(status, body, content_type="application/json"):
    return f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def npy(array):
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def test_answers_are_decoded_by_their_content_type():
    assert Reply(b'{"a": [1]}', "application/json; charset=utf-8").decoded() == {"a": [1]}
    assert Reply("ä,1\n".encode(), "text/csv").decoded() == "ä,1\n"
    assert Reply(b"\xff", "image/png").decoded() == b"\xff"
    assert np.array_equal(Reply(npy(np.eye(2)), "application/x-npy").decoded(), np.eye(2))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"\xff", "text/csv"),
        (b"1", "application/x-npy"),
        (npy(np.array([{}])), "application/x-npy"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_a_failure(body, content_type):
    with pytest.raises(InvocationFailed, match=rf"the answer says that it is {content_type} and is not"):
        Reply(body, content_type).decoded()


def test_an_error_is_the_endpoints_sentence_and_status(answering):
    with Client(answering(http(413, '{"error": "too large"}'))) as client, pytest.raises(InvocationFailed) as raised:
        client.invoke(b"1")
    assert (str(raised.value), raised.value.status) == ("too large (HTTP status 413)", 413)


@pytest.mark.parametrize("body", ["<html>", "[]", '{"message": 1}'])
def test_an_error_without_a_sentence_is_shown_as_it_is(answering, body):
    with Client(answering(http(500, body))) as client, pytest.raises(InvocationFailed) as raised:
        client.invoke(b"1")
    assert str(raised.value) == f"HTTP status 500: {body}"


@pytest.mark.parametrize("sent", [b"", b"nonsense\r\n\r\n", http(200, "123")[:-1]])
def test_what_is_no_answer_is_a_failure_with_the_address(answering, sent):
    url = answering(sent)
    with Client(url) as client, pytest.raises(InvocationFailed, match=f"no answer from {url}") as raised:
        client.invoke(b"1")
    assert raised.value.status == 0


def test_an_answer_that_does_not_come_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}/", deadline=0.2)
        with pytest.raises(InvocationFailed, match="timed out"):
            client.invoke(b"1")
