"""Calls endpoints of this machine as the client `sagemaker-runtime` of boto3 calls SageMaker's."""

from __future__ import annotations

import functools
import io
import json
from typing import TYPE_CHECKING, Any

import urllib3
from botocore.response import StreamingBody
from sagemaker.local.local_session import LocalSagemakerRuntimeClient

from launcher.errors import UserError
from launcher.sdk_session.hosting import endpoint
from launcher.sdk_session.refusals import refusal

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession

_SECONDS = 130.0  # an endpoint's own limit is 60, and a worker may have to be replaced
_OPERATION = "InvokeEndpoint"
_AWS_STATUS = 424  # of SageMaker's own answer when the model's is an error


class ProcessRuntimeClient(LocalSagemakerRuntimeClient):  # type: ignore[misc]  # the SDK has no types
    """May be used by several threads at once; it keeps their connections."""

    def __init__(self, session: ProcessLocalSession) -> None:
        super().__init__(session.config)
        self._session = session

    @functools.cached_property
    def exceptions(self) -> Any:
        """The exceptions of boto3's client: `client.exceptions.ModelError`."""
        return self._session.boto_session.client("sagemaker-runtime").exceptions

    def invoke_endpoint(
        self,
        Body: bytes | str,
        EndpointName: str,
        ContentType: str | None = None,
        Accept: str | None = None,
        CustomAttributes: str | None = None,
        TargetModel: str | None = None,
        TargetVariant: str | None = None,
        InferenceId: str | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """One invocation.

        Args:
            Body: of the request; text is sent as UTF-8.
            EndpointName: of an endpoint of this machine, of whichever session.
            ContentType, Accept: of the body, and of the answer that is wanted.
            CustomAttributes, TargetModel, TargetVariant, InferenceId: go with the request, in SageMaker's headers.

        Returns:
            `Body`, a stream, and `ContentType`.

        Raises:
            ModelError: the endpoint answers with an error; OriginalStatusCode and OriginalMessage are its.
            ClientError: there is no such endpoint in service, or no answer.
        """
        special = {
            "Custom-Attributes": CustomAttributes,
            "Target-Model": TargetModel,
            "Target-Variant": TargetVariant,
            "Inference-Id": InferenceId,
        }
        headers = {"Content-Type": ContentType, "Accept": Accept}
        headers |= {f"X-Amzn-SageMaker-{name}": value for name, value in special.items()}
        try:
            answer = self.http.request(
                "POST",
                f"{endpoint(EndpointName).url}invocations",
                body=Body.encode() if isinstance(Body, str) else Body,
                headers={name: value for name, value in headers.items() if value},
                retries=False,
                timeout=urllib3.Timeout(_SECONDS),
            )
        except UserError as error:
            raise refusal(_OPERATION, f"Endpoint {EndpointName} not found: {error}", "ValidationError") from error
        except urllib3.exceptions.HTTPError as error:
            raise refusal(_OPERATION, f"{EndpointName} does not answer: {error}", "ServiceUnavailable") from error
        if answer.status >= 400:
            raise self._model_error(answer.status, answer.data.decode("utf-8", "replace"))
        return {
            "Body": StreamingBody(io.BytesIO(answer.data), len(answer.data)),
            "ContentType": answer.headers.get("Content-Type"),
            "InvokedProductionVariant": TargetVariant or "AllTraffic",
            "ResponseMetadata": {"HTTPStatusCode": answer.status},
        }

    def _model_error(self, status: int, body: str) -> Exception:
        kind = "client" if status < 500 else "server"
        sentence = f'Received {kind} error ({status}) from primary with message "{_sentence(body)}"'
        response = {
            "Error": {"Code": "ModelError", "Message": sentence},
            "OriginalStatusCode": status,
            "OriginalMessage": body,
            "ResponseMetadata": {"HTTPStatusCode": _AWS_STATUS},
        }
        error: Exception = self.exceptions.ModelError(response, _OPERATION)
        return error


def _sentence(body: str) -> str:
    """What an error's body says, without its JSON."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body
