"""Calls an endpoint on SageMaker, whichever kind it is, as `launcher.local.client` calls one of this machine."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from launcher.cloud.aws import Aws, code, readable, without_secrets
from launcher.cloud.bucket import split
from launcher.cloud.endpoints import IN_SERVICE, Endpoint
from launcher.cloud.waiting import wait_for
from launcher.errors import JobFailed, UserError
from launcher.local.client import JSON, InvocationFailed, Reply

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_PATIENCE = 960.0  # seconds; an asynchronous invocation may take 15 minutes
_PAUSE = 1.0
_MISSING = {"NoSuchKey", "404"}
_BUSY = {"ModelNotReadyException", "ServiceUnavailable", "ThrottlingException", "InternalFailure"}


class Client:
    """Calls one endpoint.

    Args:
        aws: access to the account.
        endpoint: in service.
        patience: seconds that an asynchronous answer is waited for.

    Raises:
        UserError: the endpoint does not serve.
    """

    def __init__(self, aws: Aws, endpoint: Endpoint, patience: float = _PATIENCE) -> None:
        if endpoint.state not in (IN_SERVICE, "Updating", "SystemUpdating"):
            reason = f": {endpoint.reason}" if endpoint.reason else ""
            raise UserError(f"endpoint {endpoint.name} is {endpoint.state}{reason}")
        self._endpoint, self._patience = endpoint, patience
        self._runtime, self._s3 = aws.client("sagemaker-runtime"), aws.client("s3")

    def invoke(self, body: bytes, content_type: str = JSON, accept: str = JSON) -> Reply:
        """One request.

        Raises:
            InvocationFailed: the model answered with an error; the message is its own.
            UserError: SageMaker refused the request.
            JobFailed: an asynchronous answer did not come in time.
        """
        from botocore.exceptions import ClientError

        with readable(f"calling {self._endpoint.name}"):
            try:
                if self._endpoint.output:
                    return self._invoke_later(body, content_type, accept)
                answer = self._runtime.invoke_endpoint(
                    EndpointName=self._endpoint.name, Body=body, ContentType=content_type, Accept=accept
                )
            except ClientError as error:
                raise self._readable(error) from None
            return Reply(answer["Body"].read(), answer.get("ContentType", accept))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is kept open."""

    def _invoke_later(self, body: bytes, content_type: str, accept: str) -> Reply:
        bucket, prefix = split(self._endpoint.output)
        key = f"{prefix.removesuffix('/output')}/input/{secrets.token_hex(12)}"
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
        answer = self._runtime.invoke_endpoint_async(
            EndpointName=self._endpoint.name,
            InputLocation=f"s3://{bucket}/{key}",
            ContentType=content_type,
            Accept=accept,
        )
        output, failure = answer["OutputLocation"], answer.get("FailureLocation", "")

        def look() -> Reply | None:
            found = self._object(output)
            if found is None and failure and (failed := self._object(failure)):
                said = _sentence(failed.body.decode("utf-8", "replace"))
                raise InvocationFailed(400, f"{self._endpoint.name}: {said}")
            return found

        try:
            found = wait_for(look, self._patience, _PAUSE)
        except TimeoutError:
            raise JobFailed(
                f"{self._endpoint.name} has not answered in {self._patience:.0f} s; its answer will be at {output}"
            ) from None
        return Reply(found.body, accept if found.content_type in ("", "binary/octet-stream") else found.content_type)

    def _object(self, uri: str) -> Reply | None:
        from botocore.exceptions import ClientError

        bucket, key = split(uri)
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code(error) in _MISSING:
                return None
            raise
        return Reply(found["Body"].read(), found.get("ContentType", ""))

    def _readable(self, error: ClientError) -> Exception:
        name = code(error)
        answer: dict[str, Any] = {**error.response}
        if name == "ModelError":
            status = int(answer.get("OriginalStatusCode", 500))
            said = _sentence(str(answer.get("OriginalMessage") or answer["Error"].get("Message", "")))
            return InvocationFailed(status, f"{self._endpoint.name}: {without_secrets(said)} (HTTP status {status})")
        if name in _BUSY:
            return JobFailed(f"{self._endpoint.name} cannot answer now ({name}): try again in a minute")
        return error


def _sentence(text: str) -> str:
    """The model's own words, without the JSON around them."""
    try:
        content: Any = json.loads(text)
        return str(content["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:2000] or "no reason given"
