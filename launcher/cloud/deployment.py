"""Making an endpoint, and giving it another model.

Nothing is made twice: names are decided before the first call, and where it is not known whether a call succeeded,
SageMaker is asked for what it would have made. What fails leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from launcher.cloud import autoscaling, endpoint_log, endpoint_requests, endpoints, removal
from launcher.cloud.aws import Aws, readable, without_secrets
from launcher.cloud.creation import once
from launcher.cloud.endpoint_requests import Names
from launcher.cloud.endpoints import IN_SERVICE
from launcher.cloud.hosting import ASYNCHRONOUS, SERVERLESS, Hosting
from launcher.cloud.waiting import wait_for
from launcher.errors import JobFailed, UserError
from launcher.infra.state import TAG

DEADLINE = 1800.0  # seconds until an endpoint serves; SageMaker's own limit for loading is an hour, and is not reached
_PAUSE = 5.0
_Step = Callable[[str], object]


def require_free(aws: Aws, names: Names) -> None:
    """Raises UserError where there is an endpoint of that name already."""
    with readable(f"the endpoint {names.endpoint}"):
        if endpoints.describe(aws.client("sagemaker"), names.endpoint):
            raise UserError(
                f"there is an endpoint {names.endpoint} in {names.region}: give another --name, or "
                f"`glaunch update {names.endpoint} RUN --on aws` gives it this model"
            )


def create(aws: Aws, names: Names, hosting: Hosting, uri: str, program: str) -> None:
    """Makes model, configuration and endpoint; SageMaker then goes on by itself, see `await_service`.

    Args:
        aws: access to the account.
        names: decided before.
        hosting: how it serves.
        uri: of the model.tar.gz in S3.
        program: the file of the model's code that has its functions, or "".

    Raises:
        UserError: the name is taken, or AWS refuses something; what was made is removed.
    """
    client = aws.client("sagemaker")
    model = endpoint_requests.model(names, hosting, uri, program)
    require_free(aws, names)
    with readable(f"the endpoint {names.endpoint}"):
        try:
            once(lambda: client.create_model(**model), lambda: endpoints.has_model(client, names.version))
            _make_config(client, endpoint_requests.config(names, hosting))
            once(
                lambda: client.create_endpoint(**endpoint_requests.endpoint(names, hosting)),
                lambda: _serves(client, names),
            )
        except BaseException as error:
            _tidy(aws, client, names, error)
            raise


def await_service(aws: Aws, names: Names, hosting: Hosting, on_step: _Step) -> None:
    """Waits until a new endpoint serves, and begins its scaling.

    Raises:
        JobFailed: it failed, or did not serve in half an hour; it is removed, and the message ends with the last lines
            of its container.
    """
    client = aws.client("sagemaker")
    with readable(f"the endpoint {names.endpoint}"):
        described = _settled(client, names.endpoint)
        if described is None or described["EndpointStatus"] != IN_SERVICE:
            raise _failed(aws, names, described, on_step)
        if hosting.scaling:
            try:
                autoscaling.register(aws, names.endpoint, hosting.scaling, hosting.kind == ASYNCHRONOUS)
            except Exception:
                on_step(f"{names.endpoint} cannot be scaled, and is removed")
                removal.remove(aws, names.endpoint, names.stack, on_step)
                raise


def update(aws: Aws, endpoint: endpoints.Endpoint, names: Names, uri: str, program: str) -> None:
    """Gives an endpoint another model, served as the one before, and waits until it serves that. It serves all along.

    Args:
        aws: access to the account.
        endpoint: as it is.
        names: of the new version.
        uri: of the new model.tar.gz.
        program: as for `create`.

    Raises:
        UserError: it cannot be updated now, or AWS refuses; what was made is removed.
        JobFailed: the new model does not serve; the endpoint goes on with the one before.
    """
    if endpoint.state != IN_SERVICE:
        raise UserError(f"the endpoint {names.endpoint} is {endpoint.state}: only one in service can be updated")
    client, hosting = aws.client("sagemaker"), _hosting(endpoint)
    model = endpoint_requests.model(names, hosting, uri, program)
    with readable(f"updating the endpoint {names.endpoint}"):
        before = endpoints.describe_config(client, endpoint.config)
        if before is None:
            raise UserError(f"the configuration of {names.endpoint} is gone: remove the endpoint, and deploy again")
        try:
            once(lambda: client.create_model(**model), lambda: endpoints.has_model(client, names.version))
            _make_config(client, endpoint_requests.next_config(names, before, hosting.tags))
            # An autoscaled endpoint keeps the number of instances that it has now.
            kept = {"RetainAllVariantProperties": True} if endpoint.instance_type else {}
            request = {"EndpointName": names.endpoint, "EndpointConfigName": names.version, **kept}
            once(lambda: client.update_endpoint(**request), lambda: _is_turning(client, names))
        except BaseException:
            if not _is_turning(client, names):
                removal.remove_version(client, names.version)
            raise
        _await_update(aws, client, names, endpoint)


def _hosting(endpoint: endpoints.Endpoint) -> Hosting:
    """What a new version takes over of the one before: the kind of image, and the user's own tags."""
    own = {key: value for key, value in endpoint.tags.items() if not key.lower().startswith((TAG, "aws:"))}
    if endpoint.instance_type:
        return Hosting(instance_type=endpoint.instance_type, tags=own)
    return Hosting(kind=SERVERLESS, tags=own)


def _await_update(aws: Aws, client: Any, names: Names, before: endpoints.Endpoint) -> None:
    described = _settled(client, names.endpoint)
    if described is None or described["EndpointStatus"] in endpoints.BUSY:
        raise JobFailed(
            f"the endpoint {names.endpoint} was not updated in {DEADLINE / 60:.0f} minutes: it serves what it did, and "
            "SageMaker goes on; see `glaunch endpoints --on aws`"
        )
    if described["EndpointStatus"] == IN_SERVICE and described["EndpointConfigName"] == names.version:
        for version in removal.parts(aws, names.endpoint, names.stack).configs:
            if version != names.version:
                removal.remove_version(client, version)
        return
    reason = without_secrets(described.get("FailureReason", "SageMaker gives no reason"))
    state = f"it is {described['EndpointStatus']}: `glaunch rm {names.endpoint} --on aws` removes it"
    if described["EndpointStatus"] == IN_SERVICE:
        removal.remove_version(client, names.version)
        state = f"it goes on with the model before ({before.run or before.config})"
    failed = f"the endpoint {names.endpoint} does not serve the new model: {reason}; {state}"
    raise JobFailed(f"{failed}\n{endpoint_log.excerpt(aws, names.endpoint)}")


def _make_config(client: Any, request: dict[str, Any]) -> None:
    name = request["EndpointConfigName"]
    once(
        lambda: client.create_endpoint_config(**request),
        lambda: endpoints.describe_config(client, name) is not None,
    )


def _serves(client: Any, names: Names) -> bool:
    """Whether the endpoint is there with this configuration, whose name nobody else has."""
    described = endpoints.describe(client, names.endpoint)
    return described is not None and described["EndpointConfigName"] == names.version


def _is_turning(client: Any, names: Names) -> bool:
    described = endpoints.describe(client, names.endpoint) or {}
    pending = described.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
    return names.version in (pending, described.get("EndpointConfigName"))


def _settled(client: Any, name: str) -> dict[str, Any] | None:
    """DescribeEndpoint's answer when SageMaker is done with it, or at the deadline; None where it is gone."""
    last: dict[str, Any] = {}

    def look() -> dict[str, Any] | None:
        last.clear()
        last.update(endpoints.describe(client, name) or {})
        return None if last.get("EndpointStatus") in endpoints.BUSY else last

    try:
        return wait_for(look, DEADLINE, _PAUSE) or None
    except TimeoutError:
        return last


def _failed(aws: Aws, names: Names, described: dict[str, Any] | None, on_step: _Step) -> JobFailed:
    """The error of an endpoint that does not serve, which is removed."""
    if described is None:
        return JobFailed(f"the endpoint {names.endpoint} was deleted by somebody else while it was being made")
    reason = without_secrets(described.get("FailureReason", ""))
    if described["EndpointStatus"] in endpoints.BUSY:
        reason = f"it did not serve in {DEADLINE / 60:.0f} minutes"
    lines = endpoint_log.excerpt(aws, names.endpoint)
    on_step(f"{names.endpoint} does not serve, and is removed")
    removal.remove(aws, names.endpoint, names.stack, on_step)
    return JobFailed(f"the endpoint {names.endpoint} failed, and is removed: {reason or 'no reason given'}\n{lines}")


def _tidy(aws: Aws, client: Any, names: Names, error: BaseException) -> None:
    """Removes what `create` made; raises a JobFailed that tells of both errors where that fails, too."""
    try:
        if _serves(client, names):
            removal.remove(aws, names.endpoint, names.stack)
        else:
            removal.remove_version(client, names.version)
    except Exception as second:  # the first error is the one to tell
        raise JobFailed(
            f"{without_secrets(str(error))}; and what was made could not be removed ({without_secrets(str(second))}): "
            f"`glaunch rm {names.endpoint} --on aws`"
        ) from None
