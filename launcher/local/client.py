"""Calls an endpoint over HTTP."""

from __future__ import annotations

import http.client
import io
import json
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from launcher.errors import JobFailed

JSON, NPY = "application/json", "application/x-npy"
DEADLINE = 120.0  # seconds; an endpoint's own limit is 60


class InvocationFailed(JobFailed):
    """An endpoint did not answer, or with an error.

    Attributes:
        status: of HTTP; 0 when there was no answer.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Reply(NamedTuple):
    """An answer: the body and its content type."""

    body: bytes
    content_type: str

    def decoded(self) -> Any:
        """An array for NPY, Python's objects for JSON, a string for other text, else the bytes.

        Raises:
            InvocationFailed: the body is not what its content type says.
        """
        kind = self.content_type.partition(";")[0].strip().lower()
        try:
            return self._decoded(kind)
        except ValueError as error:
            raise InvocationFailed(200, f"the answer says that it is {kind} and is not: {error}") from None

    def _decoded(self, kind: str) -> Any:
        if kind == NPY:
            import numpy as np

            return np.lib.format.read_array(io.BytesIO(self.body), allow_pickle=False)  # type: ignore[no-untyped-call]
        if kind == JSON:
            return json.loads(self.body)
        return self.body.decode() if kind.startswith("text/") else self.body


class Client:
    """One connection to an endpoint, made when it is needed and kept; for one thread.

    Args:
        url: with a slash at its end.
        deadline: seconds that any step may take.
    """

    def __init__(self, url: str, deadline: float = DEADLINE) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=deadline)
        self._url = url
        self._kind: str | None = None

    def invoke(self, body: bytes, content_type: str = JSON, accept: str = JSON) -> Reply:
        """One request to /invocations.

        Raises:
            InvocationFailed: there is no answer, or an error; the message is the endpoint's own sentence.
        """
        return self._request("POST", "/invocations", body, {"Content-Type": content_type, "Accept": accept})

    def describe(self) -> dict[str, Any]:
        """What the model says of itself, nothing behind AWS's own server. Raises InvocationFailed as `invoke`."""
        try:
            described: dict[str, Any] = self._request("GET", "/description").decoded()
        except InvocationFailed as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return {}
        return described

    def predict(self, samples: Any) -> Any:
        """What the model makes of an array of numbers.

        Args:
            samples: one sample or a batch, whatever numpy makes an array of.

        Returns:
            Of a classifier the probabilities, float32 (N, classes); of another script its answer to JSON, decoded.

        Raises:
            InvocationFailed: as `invoke`.
        """
        import numpy as np

        array = np.asarray(samples)
        self._kind = self._kind or str(self.describe().get("kind"))
        if self._kind != "classifier":
            return self.invoke(json.dumps(array.tolist()).encode()).decoded()
        body = io.BytesIO()
        np.save(body, array, allow_pickle=False)
        return self.invoke(body.getvalue(), NPY, NPY).decoded()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise InvocationFailed(0, f"no answer from {self._url}: {error or type(error).__name__}") from None
        if response.status != 200:
            raise InvocationFailed(response.status, _sentence(response.status, content))
        return Reply(content, response.headers.get("Content-Type", ""))


def _sentence(status: int, content: bytes) -> str:
    try:
        return f"{json.loads(content)['error']} (HTTP status {status})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {status}: {content[:200].decode('utf-8', 'replace')}"
