"""What is asked of SageMaker for an endpoint: a model, a configuration, the endpoint itself.

The requests are those that the SDK's `MXNetModel(...).deploy(...)` sends. Nothing here calls AWS.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launcher.cloud import estimator, tags
from launcher.cloud.hosting import ASYNCHRONOUS, SERVERLESS, Hosting
from launcher.errors import UserError
from launcher.infra.state import TAG

VARIANT = "AllTraffic"  # the SDK's name of the only one
_STAMP = "%Y-%m-%d-%H-%M-%S"
_NAME_LIMIT = 63
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_LOG_LEVEL = "20"  # INFO


@dataclass(frozen=True)
class Names:
    """What things are called at AWS. All are decided before the first call.

    Attributes:
        endpoint: its name.
        version: of the model and of the configuration, which belong to each other: the endpoint's name and the time.
        role: the ARN of the role that the container runs as.
        stack: the value of the tag `glaunch`.
        region: `eu-west-1`.
        bucket: of the stack.
        run: the run that made the model, or "".
        expires: when the endpoint may be swept away, as `tags.as_text` writes it, or "".

    Raises:
        UserError: that is no name for an endpoint.
    """

    endpoint: str
    version: str
    role: str
    stack: str
    region: str
    bucket: str
    run: str = ""
    expires: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.endpoint):
            form = f"letters, digits and inner hyphens, {_NAME_LIMIT} at most"
            raise UserError(f"{self.endpoint!r} is no name for an endpoint: {form}")

    @property
    def folder(self) -> str:
        """The S3 prefix of what the endpoint keeps."""
        return f"s3://{self.bucket}/endpoints/{self.endpoint}"


def version(endpoint: str) -> str:
    """A name for a model of the endpoint, and its configuration, that none had before."""
    now = time.time()
    stamp = f"{time.strftime(_STAMP, time.gmtime(now))}-{int(now % 1 * 1000):03d}"
    return f"{stem(endpoint)}{stamp}"


def stem(endpoint: str) -> str:
    """What the names of an endpoint's versions begin with."""
    longest = _NAME_LIMIT - len("2026-01-31-23-59-59-999") - 1
    return endpoint[:longest].rstrip("-") + "-"


def model(names: Names, hosting: Hosting, uri: str, program: str) -> dict[str, Any]:
    """The arguments of CreateModel.

    Args:
        names: of what is made.
        hosting: how it serves, which decides on the image.
        uri: of the model.tar.gz.
        program: the file in its `code/` that has the model's functions; "" for AWS's defaults.

    Raises:
        UserError: AWS has no image for it.
    """
    environment = {
        "SAGEMAKER_PROGRAM": program,
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code" if program else "",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": _LOG_LEVEL,
        "SAGEMAKER_REGION": names.region,
    }
    container = {"Image": image(hosting, names.region), "Environment": environment, "ModelDataUrl": uri}
    return {
        "ModelName": names.version,
        "ExecutionRoleArn": names.role,
        "PrimaryContainer": container,
        "Tags": _tags(names, hosting.tags),
    }


def config(names: Names, hosting: Hosting) -> dict[str, Any]:
    """The arguments of CreateEndpointConfig."""
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": names.version, "InitialVariantWeight": 1}
    if hosting.kind == SERVERLESS:
        memory = {"MemorySizeInMB": hosting.memory, "MaxConcurrency": hosting.max_concurrency}
        variant["ServerlessConfig"] = memory
    else:
        variant |= {"InitialInstanceCount": hosting.instances, "InstanceType": hosting.instance_type}
    request: dict[str, Any] = {
        "EndpointConfigName": names.version,
        "ProductionVariants": [variant],
        "Tags": _tags(names, hosting.tags),
    }
    if hosting.kind == ASYNCHRONOUS:
        places = {"S3OutputPath": f"{names.folder}/output", "S3FailurePath": f"{names.folder}/failure"}
        request["AsyncInferenceConfig"] = {"OutputConfig": places}
    if hosting.capture:
        request["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": hosting.capture,
            "DestinationS3Uri": f"{names.folder}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
        }
    return request


def next_config(names: Names, before: Mapping[str, Any], given_tags: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of CreateEndpointConfig for another model, served as the one before.

    Args:
        names: of what is made.
        before: DescribeEndpointConfig's answer.
        given_tags: the user's own.
    """
    kept = ("AsyncInferenceConfig", "DataCaptureConfig", "KmsKeyId")
    variants = [{**variant, "ModelName": names.version} for variant in before["ProductionVariants"]]
    return {
        "EndpointConfigName": names.version,
        "ProductionVariants": variants,
        **{key: before[key] for key in kept if before.get(key)},
        "Tags": _tags(names, given_tags),
    }


def endpoint(names: Names, hosting: Hosting) -> dict[str, Any]:
    """The arguments of CreateEndpoint."""
    marks = _tags(names, {**hosting.tags, **({tags.EXPIRES: names.expires} if names.expires else {})})
    return {"EndpointName": names.endpoint, "EndpointConfigName": names.version, "Tags": marks}


def image(hosting: Hosting, region: str) -> str:
    """The URI of AWS's inference image, for processors or for GPUs; UserError where there is none."""
    python = estimator.python_version(hosting.framework_version)
    from sagemaker import image_uris

    try:
        return str(
            image_uris.retrieve(
                "mxnet",
                region,
                version=hosting.framework_version,
                py_version=python,
                # What serves without machines of its own serves without GPUs.
                instance_type="ml.c5.large" if hosting.kind == SERVERLESS else hosting.instance_type,
                image_scope="inference",
            )
        )
    except ValueError as error:
        raise UserError(f"AWS has no MXNet image that serves so: {error}") from None


def _tags(names: Names, given: Mapping[str, str]) -> list[dict[str, str]]:
    run = {tags.RUN: names.run} if names.run else {}
    return tags.as_list({TAG: names.stack, tags.ENDPOINT: names.endpoint, **run, **given})
