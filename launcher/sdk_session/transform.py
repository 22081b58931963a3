"""A batch transform of the SDK: files through an endpoint that is there for them alone, in the background."""

from __future__ import annotations

import datetime
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagemaker.local.entities import _LocalTransformJob

from launcher.errors import UserError
from launcher.local import records
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED
from launcher.sdk_session import hosting, places
from launcher.sdk_session.job_request import check_gpu

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession

_MEGABYTE = 2**20
_PAYLOAD = 6  # MB, SageMaker's default
_BATCHES = {"SingleRecord": 1, "MultiRecord": 0}  # records of a request; 0 for as many as fit


class _Stopped(Exception):
    pass


class ProcessTransformJob(_LocalTransformJob):  # type: ignore[misc]  # the SDK has no types
    """One transform; its state is in memory, and `describe` tells it."""

    def __init__(self, name: str, model_name: str, session: ProcessLocalSession) -> None:
        super().__init__(name, model_name, session)
        self.state = IN_PROGRESS
        self.start_time = datetime.datetime.now(datetime.timezone.utc)
        self._failure = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(
        self,
        input_data: Mapping[str, Any],
        output_data: Mapping[str, Any],
        transform_resources: Mapping[str, Any],
        **request: Any,
    ) -> None:
        """Returns at once.

        Args:
            input_data, output_data, transform_resources, request: of CreateTransformJob.

        Raises:
            UserError: what cannot be done here.
        """
        check_gpu(transform_resources["InstanceType"])
        self.input_data, self.output_data, self.transform_resources = input_data, output_data, transform_resources
        self.batch_strategy = request.get("BatchStrategy") or "MultiRecord"
        self.environment = request.get("Environment") or {}
        _check(input_data, self.batch_strategy, request)
        limit = int(request.get("MaxPayloadInMB", _PAYLOAD)) * _MEGABYTE
        self._thread = threading.Thread(target=self._run, args=[limit], name=f"transform {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and returns when nothing of it is left."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def describe(self) -> dict[str, Any]:
        """What DescribeTransformJob answers."""
        described: dict[str, Any] = {**super().describe(), "Environment": self.environment}
        return {**described, "FailureReason": self._failure} if self._failure else described

    def _run(self, limit: int) -> None:
        try:
            self._transform(limit)
            self.state = COMPLETED
        except _Stopped:
            self.state = STOPPED
        except Exception as error:  # in a thread: who waits for it must be told
            self._failure, self.state = str(error) or repr(error), FAILED
        finally:
            self.end_time = datetime.datetime.now(datetime.timezone.utc)

    def _transform(self, limit: int) -> None:
        session, container = self.local_session, self.primary_container
        container = {**container, "Environment": {**(container.get("Environment") or {}), **self.environment}}
        uri = self.input_data["DataSource"]["S3DataSource"]["S3Uri"]
        with tempfile.TemporaryDirectory() as scratch:
            found = records.files(places.fetch(session, uri, Path(scratch) / "input"))
            endpoint = hosting.start(session, self.name, container)
            try:
                for name, path in found.items():
                    answered = Path(scratch) / "output" / f"{name}.out"
                    answered.parent.mkdir(parents=True, exist_ok=True)
                    self._transform_file(path, answered, limit)
            finally:
                endpoint.remove()
            places.deliver(session, Path(scratch) / "output", self.output_data["S3OutputPath"])

    def _transform_file(self, path: Path, answered: Path, limit: int) -> None:
        split = records.split(path.read_bytes(), self.input_data.get("SplitType") or "None")
        by_line = self.output_data.get("AssembleWith") == "Line"
        with answered.open("wb") as file:
            for body in records.batch(split, limit, _BATCHES[self.batch_strategy]):
                if self._stopping.is_set():
                    raise _Stopped
                answer = self.local_session.sagemaker_runtime_client.invoke_endpoint(
                    body, self.name, self.input_data.get("ContentType"), self.output_data.get("Accept")
                )
                content = answer["Body"].read()
                file.write(content + b"\n" if by_line and not content.endswith(b"\n") else content)


def _check(input_data: Mapping[str, Any], strategy: str, request: Mapping[str, Any]) -> None:
    source, split = input_data["DataSource"]["S3DataSource"], input_data.get("SplitType") or "None"
    if request.get("DataProcessing"):
        raise UserError("input_filter, output_filter and join_source are not applied here: filter before and after")
    if source.get("S3DataType", "S3Prefix") != "S3Prefix":
        raise UserError(f"data_type={source['S3DataType']!r} is not read here: give a file, a directory or a prefix")
    if input_data.get("CompressionType", "None") != "None":
        raise UserError(f"compression_type={input_data['CompressionType']!r}: give the files as they are")
    if strategy not in _BATCHES:
        raise UserError(f"strategy={strategy!r}: expected one of {', '.join(_BATCHES)}")
    if split not in records.SPLITS:
        raise UserError(f"split_type={split!r}: expected one of {', '.join(records.SPLITS)}")
