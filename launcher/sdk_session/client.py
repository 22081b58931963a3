"""SageMaker's API, as far as the SDK's estimators, models, predictors and transformers call it, on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sagemaker.local.entities import _LocalEndpointConfig, _LocalModel
from sagemaker.local.local_session import LocalSagemakerClient

from launcher.run import Run
from launcher.sdk_session.hosting import ProcessEndpoint, endpoint
from launcher.sdk_session.refusals import refusal, refusing
from launcher.sdk_session.training import ARN, TrainingJob
from launcher.sdk_session.transform import ProcessTransformJob

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession

_Item = TypeVar("_Item")


class ProcessSagemakerClient(LocalSagemakerClient):  # type: ignore[misc]  # the SDK has no types
    """The client of one session. Parameters and answers are those of boto3's client `sagemaker`.

    Training jobs are on the disk, for every session; models, configurations, endpoints and transforms are its own.

    Raises:
        ClientError: of any operation, for a request that cannot be.
    """

    def __init__(self, session: ProcessLocalSession) -> None:
        super().__init__(session)
        self._runs: dict[str, Run] = {}
        self._models: dict[str, _LocalModel] = {}
        self._endpoint_configs: dict[str, _LocalEndpointConfig] = {}
        self._endpoints: dict[str, ProcessEndpoint] = {}
        self._transform_jobs: dict[str, ProcessTransformJob] = {}

    def stop_all(self) -> None:
        """Ends every job, endpoint and transform of this client."""
        running = [run for run in self._runs.values() if not run.status.is_over]
        started: list[Any] = [*self._transform_jobs.values(), *self._endpoints.values(), *running]
        for one in started:
            one.stop()
        self._endpoints.clear()

    @property
    def runs(self) -> list[Run]:
        """The runs of this client's training jobs."""
        return [*self._runs.values()]

    def create_training_job(self, **request: Any) -> dict[str, str]:
        """Returns when the job has been started; its code and its data are here then."""
        with refusing("CreateTrainingJob"):
            job = TrainingJob.start(self.sagemaker_session, request)
        self._runs[job.run.name] = job.run
        return {"TrainingJobArn": f"{ARN}training-job/{job.run.name}"}

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        return self._training_job("DescribeTrainingJob", TrainingJobName).describe()

    def stop_training_job(self, TrainingJobName: str) -> None:
        job = self._training_job("StopTrainingJob", TrainingJobName)
        if job.run.status.is_over:
            raise refusal("StopTrainingJob", f"The job {TrainingJobName} is {job.run.status.state} already")
        job.run.stop()

    def create_model(
        self,
        ModelName: str,
        PrimaryContainer: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, str]:
        if PrimaryContainer is None:
            raise refusal("CreateModel", f"{ModelName}: several containers in a row are not run here: give one model")
        if ModelName in self._models:
            raise refusal("CreateModel", f'Cannot create already existing model "{ModelName}"')
        self._models[ModelName] = _LocalModel(ModelName, PrimaryContainer)
        return {"ModelArn": f"{ARN}model/{ModelName}"}

    def describe_model(self, ModelName: str) -> dict[str, Any]:
        described: dict[str, Any] = _find("DescribeModel", "model", self._models, ModelName).describe()
        return described

    def delete_model(self, ModelName: str) -> None:
        _find("DeleteModel", "model", self._models, ModelName)
        del self._models[ModelName]

    def create_endpoint_config(
        self,
        EndpointConfigName: str,
        ProductionVariants: list[dict[str, Any]],
        Tags: Any = None,
        AsyncInferenceConfig: Any = None,
        **_: Any,
    ) -> dict[str, str]:
        if AsyncInferenceConfig:
            raise refusal("CreateEndpointConfig", "asynchronous inference is not run here: leave its configuration out")
        if len(ProductionVariants) > 1:
            raise refusal("CreateEndpointConfig", "an endpoint has one variant here: make an endpoint for each")
        self._endpoint_configs[EndpointConfigName] = _LocalEndpointConfig(EndpointConfigName, ProductionVariants, Tags)
        return {"EndpointConfigArn": f"{ARN}endpoint-config/{EndpointConfigName}"}

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        found = _find("DescribeEndpointConfig", "endpoint configuration", self._endpoint_configs, EndpointConfigName)
        described: dict[str, Any] = found.describe()
        return described

    def delete_endpoint_config(self, EndpointConfigName: str) -> None:
        _find("DeleteEndpointConfig", "endpoint configuration", self._endpoint_configs, EndpointConfigName)
        del self._endpoint_configs[EndpointConfigName]

    def create_endpoint(self, EndpointName: str, EndpointConfigName: str, Tags: Any = None, **_: Any) -> dict[str, str]:
        """Returns at once; the endpoint ends with this process."""
        if EndpointName in self._endpoints or endpoint(EndpointName).is_running:
            raise refusal("CreateEndpoint", f'Cannot create already existing endpoint "{EndpointName}"')
        made = ProcessEndpoint(EndpointName, EndpointConfigName, Tags, self.sagemaker_session)
        with refusing("CreateEndpoint"):
            made.serve()
        self._endpoints[EndpointName] = made
        return {"EndpointArn": f"{ARN}endpoint/{EndpointName}"}

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        return _find("DescribeEndpoint", "endpoint", self._endpoints, EndpointName).describe()

    def delete_endpoint(self, EndpointName: str) -> None:
        _find("DeleteEndpoint", "endpoint", self._endpoints, EndpointName).stop()
        del self._endpoints[EndpointName]

    def create_transform_job(
        self,
        TransformJobName: str,
        ModelName: str,
        TransformInput: Mapping[str, Any],
        TransformOutput: Mapping[str, Any],
        TransformResources: Mapping[str, Any],
        **request: Any,
    ) -> dict[str, str]:
        """Returns at once."""
        job = ProcessTransformJob(TransformJobName, ModelName, self.sagemaker_session)
        with refusing("CreateTransformJob"):
            job.start(TransformInput, TransformOutput, TransformResources, **request)
        self._transform_jobs[TransformJobName] = job
        return {"TransformJobArn": f"{ARN}transform-job/{TransformJobName}"}

    def describe_transform_job(self, TransformJobName: str) -> dict[str, Any]:
        return _find("DescribeTransformJob", "transform job", self._transform_jobs, TransformJobName).describe()

    def stop_transform_job(self, TransformJobName: str) -> None:
        _find("StopTransformJob", "transform job", self._transform_jobs, TransformJobName).stop()

    def create_processing_job(self, **_: Any) -> None:
        raise refusal("CreateProcessingJob", "a processing job runs an image, and nothing here does: run its script")

    def list_tags(self, ResourceArn: str, **_: Any) -> dict[str, Any]:
        """The tags that a training job was made with."""
        kind, _slash, name = ResourceArn.removeprefix(ARN).partition("/")
        if kind != "training-job":
            return {"Tags": []}
        return {"Tags": self._training_job("ListTags", name).describe().get("Tags", [])}

    def _training_job(self, operation: str, name: str) -> TrainingJob:
        job = TrainingJob(self.sagemaker_session, name)
        if not job.exists:
            raise refusal(operation, "Requested resource not found.")
        return job


def _find(operation: str, kind: str, items: Mapping[str, _Item], name: str) -> _Item:
    if name not in items:
        raise refusal(operation, f'Could not find {kind} "{name}".')
    return items[name]
