"""AWS's own description of SageMaker's API, which botocore carries, and what it says against a request.

botocore checks the types of a request and leaves the lengths, forms and values to AWS.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from launcher.cloud.aws import without_secrets

# What a person calls the parts of the request that can be wrong.
_WORDS = {
    "TrainingJobName": "name",
    "HyperParameters": "hyperparameters",
    "Environment": "environment",
    "RoleArn": "role",
    "InputDataConfig": "channels",
    "RetryStrategy.MaximumRetryAttempts": "retries",
    "ResourceConfig.KeepAlivePeriodInSeconds": "keep_alive",
    "ResourceConfig.VolumeKmsKeyId": "kms_key",
    "OutputDataConfig.KmsKeyId": "kms_key",
    "Tags": "tags",
}


@functools.lru_cache(maxsize=1)
def _model() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker")


def training_instance_types() -> list[str]:
    """The instance types on which SageMaker trains, in some region."""
    return values("TrainingInstanceType")


def values(name: str) -> list[str]:
    """The values that AWS takes for one of its own kinds: `TransformInstanceType`."""
    return list(_model().shape_for(name).enum)


def problems(operation: str, request: Mapping[str, Any]) -> list[str]:
    """What is wrong with a request: its lengths, forms and values, each with where it is.

    Args:
        operation: `CreateTrainingJob`.
        request: its arguments, as for boto3.
    """
    found = (
        without_secrets(f"{_in_words(where)}: {what}")
        for where, what in _wrong(_model().operation_model(operation).input_shape, request, "")
    )
    return list(dict.fromkeys(found))


def _wrong(shape: Any, value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Where in a request something is wrong, and what."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        for name, one in value.items():
            yield from _wrong(shape.members[name], one, f"{where}.{name}")
    elif kind == "list":
        yield from _size(len(value), limits, where, "entries")
        for one in value:
            yield from _wrong(shape.member, one, where)
    elif kind == "map":
        yield from _size(len(value), limits, where, "entries, glaunch's and SageMaker's own among them")
        for name, one in value.items():
            yield from _wrong(shape.key, name, f"{where}.{name[:40]}")
            yield from _wrong(shape.value, one, f"{where}.{name[:40]}")
    elif kind == "string":
        yield from _size(len(value), limits, where, "characters")
        yield from _form(shape, value, where)
    elif kind in ("integer", "long"):
        yield from _size(value, limits, where, "")


def _size(size: int, limits: dict[str, Any], where: str, of_what: str) -> Iterator[tuple[str, str]]:
    unit = f" {of_what}" if of_what else ""
    if size > limits.get("max", size):
        yield where, f"{size:,}{unit}, and AWS takes at most {limits['max']:,}"
    if size < limits.get("min", size):
        yield where, f"{size:,}{unit}, and AWS takes no less than {limits['min']:,}"


def _form(shape: Any, value: str, where: str) -> Iterator[tuple[str, str]]:
    if shape.enum and value not in shape.enum:
        yield where, f"{value!r} is none of AWS's values"
    try:
        pattern = re.compile(shape.metadata.get("pattern", ""), re.DOTALL)
    except re.error:  # \p{...} is Java's alone; tags have it, and Settings checks them
        return
    if pattern.pattern and not pattern.fullmatch(value):
        yield where, f"{value[:80]!r} has not the form that AWS takes: {pattern.pattern}"


def _in_words(where: str) -> str:
    path = where.lstrip(".")
    return next((path.replace(name, word, 1) for name, word in _WORDS.items() if path.startswith(name)), path)
