"""As many instances of an endpoint as its load needs: Application Auto Scaling's targets and policies.

A real-time endpoint is scaled by target tracking on its invocations a minute and instance, an asynchronous one on the
requests that wait for each instance. Where there may be no instance at all, the first request that waits brings one, by
a step policy and an alarm, since target tracking has nothing to divide by:
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
"""

from __future__ import annotations

from typing import Any

from launcher.cloud.aws import Aws, unless_missing
from launcher.cloud.endpoint_requests import VARIANT
from launcher.cloud.hosting import Scaling

_COUNT = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
_COOLDOWNS = {"ScaleInCooldown": 300, "ScaleOutCooldown": 60}  # seconds; another instance is a matter of minutes


def register(aws: Aws, endpoint: str, scaling: Scaling, is_asynchronous: bool) -> None:
    """Begins to scale an endpoint that is in service. Raises what boto3 raises."""
    client, target = aws.client("application-autoscaling"), _target(endpoint)
    client.register_scalable_target(**target, MinCapacity=scaling.least, MaxCapacity=scaling.most)
    client.put_scaling_policy(
        **target,
        PolicyName=f"glaunch-{endpoint}",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": float(scaling.target),
            **(_waiting(endpoint) if is_asynchronous else _invocations()),
            **_COOLDOWNS,
        },
    )
    if scaling.least == 0:
        _wake(aws, client, endpoint)


def remove(aws: Aws, endpoint: str) -> bool:
    """Ends the scaling of an endpoint, and whether there was any. Raises what boto3 raises."""
    client, target = aws.client("application-autoscaling"), _target(endpoint)
    answer = client.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])
    policies = answer["ScalingPolicies"]
    if policies:
        aws.client("cloudwatch").delete_alarms(AlarmNames=[_alarm(endpoint)])  # one that is not there is no error
    for policy in policies:
        client.delete_scaling_policy(**target, PolicyName=policy["PolicyName"])
    removed = unless_missing(lambda: client.deregister_scalable_target(**target))
    return removed is not None or bool(policies)


def _target(endpoint: str) -> dict[str, str]:
    return {**_COUNT, "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}"}


def _invocations() -> dict[str, Any]:
    return {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


def _waiting(endpoint: str) -> dict[str, Any]:
    metric = {"MetricName": "ApproximateBacklogSizePerInstance", **_metric(endpoint), "Statistic": "Average"}
    return {"CustomizedMetricSpecification": metric}


def _wake(aws: Aws, client: Any, endpoint: str) -> None:
    made = client.put_scaling_policy(
        **_target(endpoint),
        PolicyName=f"glaunch-{endpoint}-wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": _COOLDOWNS["ScaleInCooldown"],
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=_alarm(endpoint),
        MetricName="HasBacklogWithoutCapacity",
        **_metric(endpoint),
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        AlarmActions=[made["PolicyARN"]],
    )


def _metric(endpoint: str) -> dict[str, Any]:
    return {"Namespace": "AWS/SageMaker", "Dimensions": [{"Name": "EndpointName", "Value": endpoint}]}


def _alarm(endpoint: str) -> str:
    return f"glaunch-wake-{endpoint}"
