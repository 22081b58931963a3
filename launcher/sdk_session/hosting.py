"""An endpoint of the SDK: one of this machine's, started in the background."""

from __future__ import annotations

import datetime
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagemaker.local.entities import _LocalEndpoint
from sagemaker.utils import get_config_value

from launcher import archive, home
from launcher.errors import UserError
from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings
from launcher.sdk_session import places
from launcher.sdk_session.job_request import check_gpu

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession

_MODEL_CODE = "/opt/ml/model/code"
_CODE = "SAGEMAKER_SUBMIT_DIRECTORY"


class ProcessEndpoint(_LocalEndpoint):  # type: ignore[misc]  # the SDK has no types
    """An endpoint of a session; it ends with the session's process, or with `stop`."""

    def __init__(self, name: str, config_name: str, tags: Any, session: ProcessLocalSession) -> None:
        super().__init__(name, config_name, tags, session)
        self.create_time = datetime.datetime.now(datetime.timezone.utc)
        self._failure = ""
        self._thread = threading.Thread(target=self._serve, name=f"start of {name}", daemon=True)

    def serve(self) -> None:
        """Returns at once; `describe` tells when it serves."""
        check_gpu(self.production_variant.get("InstanceType", ""))
        self._thread.start()

    def stop(self) -> None:
        """Ends it; nothing of it is left."""
        endpoint(self.name).remove()  # also one that is being started, which then fails
        self._thread.join()
        endpoint(self.name).remove()

    def describe(self) -> dict[str, Any]:
        """What DescribeEndpoint answers."""
        described: dict[str, Any] = {**super().describe(), "EndpointStatus": self._state()}
        described["LastModifiedTime"] = self.create_time
        return {**described, "FailureReason": self._failure} if self._failure else described

    def _state(self) -> str:
        """That of the endpoint's folder, once it has served: it may have died since."""
        if self.state != self._IN_SERVICE:
            return str(self.state)
        status = endpoint(self.name).status
        self._failure = status.reason
        return status.state

    def _serve(self) -> None:
        port = get_config_value("local.serving_port", self.local_session.config) or 0
        variant = self.production_variant
        try:
            start(self.local_session, self.name, self.primary_container, variant.get("InitialInstanceCount") or 1, port)
            self.state = self._IN_SERVICE
        except Exception as error:  # in a thread: who waits for it must be told
            self._failure, self.state = str(error) or repr(error), self._FAILED


def endpoint(name: str) -> Endpoint:
    """The endpoint of that name, whichever process keeps it; it may not exist."""
    return Endpoint(home.endpoints_directory() / name)


def start(
    session: ProcessLocalSession, name: str, container: Mapping[str, Any], instances: int = 1, port: int = 0
) -> Endpoint:
    """Serves a model and returns when it answers.

    Args:
        session: what calls S3.
        name: of the endpoint.
        container: of CreateModel: the model and the variables of its container.
        instances: each has the workers that SAGEMAKER_MODEL_SERVER_WORKERS says, one by default.
        port: 0 for any.

    Raises:
        UserError: there is no such model, or it cannot be served.
        ClientError, BotoCoreError: of S3.
    """
    if not container.get("ModelDataUrl"):
        raise UserError(f"{name}: a model without model_data, as a model.tar.gz, cannot be served here")
    variables = {key: str(value) for key, value in (container.get("Environment") or {}).items()}
    workers = int(variables.get("SAGEMAKER_MODEL_SERVER_WORKERS") or 1)
    code = variables.pop(_CODE, _MODEL_CODE)
    place = home.endpoints_directory() / name
    variables[_CODE] = str(Endpoint(place).model / "code")
    settings = Settings(port=port, workers=instances * workers, environment=variables)
    with tempfile.TemporaryDirectory() as scratch:
        artifact = places.fetch_file(session, container["ModelDataUrl"], Path(scratch) / "model")
        if code not in ("", _MODEL_CODE):
            artifact = _with_code(session, artifact, code, Path(scratch))
        return Endpoint.start(artifact, name, settings)


def _with_code(session: ProcessLocalSession, artifact: Path, uri: str, scratch: Path) -> Path:
    """The model with the code that images before MXNet 1.4 got apart from it."""
    model = scratch / "extracted"
    archive.extract(artifact, model)
    if not (model / "code").exists():
        archive.extract(places.fetch_file(session, uri, scratch / "code"), model / "code")
    archive.pack(model, scratch / "model.tar.gz")
    return scratch / "model.tar.gz"
