"""The endpoints of a stack, as SageMaker tells of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from launcher.cloud import prices, tags
from launcher.cloud.aws import Aws, readable, unless_missing, without_secrets
from launcher.cloud.hosting import ASYNCHRONOUS, REAL_TIME, SERVERLESS
from launcher.errors import UserError

CREATING, UPDATING, IN_SERVICE, FAILED = "Creating", "Updating", "InService", "Failed"
# What SageMaker is at work on can neither be changed nor deleted.
BUSY = (CREATING, UPDATING, "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    Attributes:
        name, arn: at AWS.
        state: SageMaker's word.
        reason: why it failed, or its last update did; "".
        config: the name of the configuration that it serves.
        kind: `real-time`, `serverless` or `asynchronous`; "" where its configuration is gone.
        instance_type: of its instances, "" of a serverless one.
        instances: how many there are now.
        created: when.
        output: the S3 prefix of an asynchronous one's answers, or "".
        run: the run that made the model that it serves, or "".
        tags: all of them.
    """

    name: str
    arn: str
    state: str
    reason: str
    config: str
    kind: str
    instance_type: str
    instances: int
    created: datetime
    output: str
    run: str
    tags: Mapping[str, str]

    @property
    def expires(self) -> datetime | None:
        """When it may be swept away."""
        return tags.as_time(self.tags.get(tags.EXPIRES, ""))

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return time.time() - self.created.timestamp()

    def dollars(self, aws: Aws) -> float | None:
        """US dollars that its instances have cost, had there always been as many; None where that is not known.

        A serverless one costs while it answers only, which SageMaker does not tell.
        """
        if not self.instance_type:
            return None
        price = prices.hosting(self.instance_type, aws.region, aws).per_hour
        return None if price is None else price * self.instances * self.age / 3600


def find(aws: Aws, name: str, stack: str) -> Endpoint:
    """The endpoint of that name.

    Raises:
        UserError: there is none, or it was not made for the stack.
    """
    client = aws.client("sagemaker")
    with readable(f"the endpoint {name}"):
        described = describe(client, name)
        found = _endpoint(client, described) if described else None
    if found is None:
        raise UserError(f"no endpoint {name} in {aws.region}: `glaunch endpoints --on aws` lists them")
    if not tags.is_ours(found.tags, stack):
        raise UserError(
            f"the endpoint {name} was not made by glaunch for the stack {stack}: other tools call and change it"
        )
    return found


def list_all(aws: Aws, stack: str) -> list[Endpoint]:
    """Every endpoint of the stack, the latest first.

    Each endpoint of the region is asked for its tags: AWS's index of them is minutes late.
    """
    client = aws.client("sagemaker")
    with readable("the endpoints"):
        pages = client.get_paginator("list_endpoints").paginate(SortBy="CreationTime", SortOrder="Descending")
        listed = [one for page in pages for one in page["Endpoints"]]
        ours = [one for one in listed if tags.is_ours(tags.read(client, one["EndpointArn"]), stack)]
        described = [describe(client, one["EndpointName"]) for one in ours]
        return [_endpoint(client, one) for one in described if one]


def describe(client: Any, name: str) -> dict[str, Any] | None:
    """DescribeEndpoint's answer; None where there is no such endpoint. Raises what boto3 raises."""
    return unless_missing(lambda: dict(client.describe_endpoint(EndpointName=name)))


def describe_config(client: Any, name: str) -> dict[str, Any] | None:
    """DescribeEndpointConfig's answer; None where there is no such configuration. Raises what boto3 raises."""
    return unless_missing(lambda: dict(client.describe_endpoint_config(EndpointConfigName=name)))


def has_model(client: Any, name: str) -> bool:
    """Whether SageMaker has a model of that name. Raises what boto3 raises."""
    return unless_missing(lambda: client.describe_model(ModelName=name)) is not None


def _endpoint(client: Any, described: Mapping[str, Any]) -> Endpoint:
    config = describe_config(client, described["EndpointConfigName"]) or {}
    (variant,) = config.get("ProductionVariants", [{}])[:1]
    (now,) = described.get("ProductionVariants", [{}])[:1] or [{}]
    output = (config.get("AsyncInferenceConfig") or {}).get("OutputConfig", {}).get("S3OutputPath", "")
    kind = ASYNCHRONOUS if output else SERVERLESS if "ServerlessConfig" in variant else REAL_TIME if variant else ""
    return Endpoint(
        described["EndpointName"],
        described["EndpointArn"],
        described["EndpointStatus"],
        without_secrets(described.get("FailureReason", "")),
        described["EndpointConfigName"],
        kind,
        variant.get("InstanceType", ""),
        now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 0)),
        described["CreationTime"],
        output,
        tags.read(client, config["EndpointConfigArn"]).get(tags.RUN, "") if config else "",
        tags.read(client, described["EndpointArn"]),
    )
