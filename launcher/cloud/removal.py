"""Taking an endpoint down: the endpoint, its scaling, its configurations and models, and nothing else.

What is left of one that was taken down half-way is found, too: by what the names of its configurations and models begin
with, and by their tags.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from launcher.cloud import autoscaling, endpoints, tags
from launcher.cloud.aws import Aws, readable, unless_missing
from launcher.cloud.endpoint_requests import stem
from launcher.cloud.waiting import wait_for
from launcher.errors import JobFailed, UserError

_SETTLING, _GOING = 1800.0, 900.0  # seconds
_PAUSE = 5.0


@dataclass(frozen=True)
class Parts:
    """What there is of an endpoint.

    Attributes:
        exists: whether the endpoint itself does.
        configs, models: their names.
    """

    exists: bool
    configs: tuple[str, ...]
    models: tuple[str, ...]


def parts(aws: Aws, name: str, stack: str) -> Parts:
    """What there is of an endpoint of the stack.

    Raises:
        UserError: the endpoint is not the stack's.
    """
    client = aws.client("sagemaker")
    with readable(f"the endpoint {name}"):
        described = endpoints.describe(client, name)
        if described and not tags.is_ours(tags.read(client, described["EndpointArn"]), stack):
            raise UserError(f"the endpoint {name} was not made by glaunch for the stack {stack}: it stays")
        configs = _marked(client, "list_endpoint_configs", "EndpointConfig", name, stack)
        return Parts(described is not None, configs, _marked(client, "list_models", "Model", name, stack))


def remove(aws: Aws, name: str, stack: str, on_step: Callable[[str], object] = lambda _: None) -> Parts:
    """Takes an endpoint down, and returns what there was of it when it is gone.

    One that SageMaker is at work on is waited for, since it cannot be deleted before.

    Args:
        aws: access to the account.
        name: of the endpoint.
        stack: whose tag it has.
        on_step: is told what is being done.

    Raises:
        UserError: there is nothing of it, or it is not the stack's.
        JobFailed: it was not gone in time.
    """
    found = parts(aws, name, stack)
    if not (found.exists or found.configs or found.models):
        raise UserError(f"no endpoint {name} in {aws.region}: `glaunch endpoints --on aws` lists them")
    client = aws.client("sagemaker")
    with readable(f"removing the endpoint {name}"):
        autoscaling.remove(aws, name)
        if found.exists:
            _delete_endpoint(client, name, on_step)
        for config in found.configs:
            unless_missing(partial(client.delete_endpoint_config, EndpointConfigName=config))
        for model in found.models:
            remove_model(client, model)
    return found


def remove_version(client: Any, version: str) -> None:
    """Deletes a configuration and its model, which have one name. Raises what boto3 raises."""
    unless_missing(partial(client.delete_endpoint_config, EndpointConfigName=version))
    remove_model(client, version)


def remove_model(client: Any, name: str) -> None:
    """Deletes a model, which may be gone already. Raises what boto3 raises."""
    unless_missing(partial(client.delete_model, ModelName=name))


def _delete_endpoint(client: Any, name: str, on_step: Callable[[str], object]) -> None:
    def settled() -> bool | None:
        described = endpoints.describe(client, name)
        return True if described is None or described["EndpointStatus"] not in endpoints.BUSY else None

    def gone() -> bool | None:
        return True if endpoints.describe(client, name) is None else None

    try:
        if not settled():
            on_step(f"waiting until SageMaker is done with {name}: before that it cannot be deleted")
            wait_for(settled, _SETTLING, _PAUSE)
        on_step(f"deleting {name}")
        unless_missing(partial(client.delete_endpoint, EndpointName=name))
        wait_for(gone, _GOING, _PAUSE)
    except TimeoutError:
        raise JobFailed(
            f"the endpoint {name} is not gone yet, and costs until it is: run `glaunch rm {name} --on aws` again"
        ) from None


def _marked(client: Any, operation: str, kind: str, endpoint: str, stack: str) -> tuple[str, ...]:
    pages = client.get_paginator(operation).paginate(NameContains=stem(endpoint))
    found = []
    for one in (one for page in pages for one in page[f"{kind}s"]):
        marks = tags.read(client, one[f"{kind}Arn"])
        if tags.is_ours(marks, stack) and marks.get(tags.ENDPOINT) == endpoint:
            found.append(one[f"{kind}Name"])
    return tuple(found)
