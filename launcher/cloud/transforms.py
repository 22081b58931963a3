"""Batch transform jobs of SageMaker's: a model and a job that are made once, and what they leave.

The model is there for the job alone, and is removed with it. Both bear the tags of an endpoint's model, so that
`glaunch sweep` finds what is left where nobody could clean up.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.cloud import api, attention, cloudwatch, creation, endpoint_requests, endpoints, removal, tags
from launcher.cloud.aws import Aws, readable, unless_missing, unless_over
from launcher.cloud.bucket import split
from launcher.cloud.endpoint_requests import Names
from launcher.cloud.hosting import Hosting
from launcher.cloud.store import Store
from launcher.errors import JobFailed, UserError
from launcher.infra.state import TAG
from launcher.local.transform import SUFFIX, Batching

INSTANCE_TYPE = "ml.m5.large"  # the default
_STOPPING = 900.0  # seconds
_LINES = 10
_GROUP = "/aws/sagemaker/TransformJobs"
_Note = Callable[[str], object]


@dataclass(frozen=True)
class Order:
    """A batch transform.

    Attributes:
        names: of what is made: `names.version` is the name of the job, and of its model.
        hosting: its machines.
        batching: how files become requests.
        source: the URI of the files in S3.
        model: the URI of the model.tar.gz.
        program: the file of the model's code that has its functions, or "".
    """

    names: Names
    hosting: Hosting
    batching: Batching
    source: str
    model: str
    program: str

    @property
    def output(self) -> str:
        """The URI under which the answers are."""
        return f"s3://{self.names.bucket}/runs/{self.names.version}/transform"


def check(hosting: Hosting, batching: Batching) -> None:
    """Raises UserError where SageMaker cannot transform so."""
    if batching.several > 1:
        raise UserError(
            f"--batch {batching.several}: SageMaker sends one record a request (--batch 1), or as many as fit into "
            "--max-payload"
        )
    if hosting.instance_type not in api.values("TransformInstanceType"):
        raise UserError(f"--instance-type: SageMaker transforms on no {hosting.instance_type}; {INSTANCE_TYPE} is one")


def request(order: Order) -> dict[str, Any]:
    """The arguments of CreateTransformJob, as the SDK's `Transformer(...).transform(...)` sends them."""
    batching, names = order.batching, order.names
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": order.source}}
    marks = {TAG: names.stack, **({tags.RUN: names.run} if names.run else {}), **order.hosting.tags}
    return {
        "TransformJobName": names.version,
        "ModelName": names.version,
        "BatchStrategy": "SingleRecord" if batching.several == 1 else "MultiRecord",
        "MaxPayloadInMB": batching.limit,
        "TransformInput": {"DataSource": data, "ContentType": batching.content_type, "SplitType": batching.split},
        "TransformOutput": {
            "S3OutputPath": order.output,
            "Accept": batching.accept,
            "AssembleWith": "Line" if batching.by_line else "None",
        },
        "TransformResources": {
            "InstanceType": order.hosting.instance_type,
            "InstanceCount": order.hosting.instances,
        },
        "Tags": tags.as_list(marks),
    }


def create(aws: Aws, order: Order) -> None:
    """Makes the model and the job; returns when AWS has both.

    Raises:
        UserError: AWS refuses one of them; nothing is left.
        JobFailed: AWS does not say whether there is the job.
    """
    client, name = aws.client("sagemaker", attempts=1), order.names.version
    model = endpoint_requests.model(order.names, order.hosting, order.model, order.program)
    job = request(order)
    with readable(f"the transform job {name}"):
        try:
            creation.once(lambda: client.create_model(**model), lambda: endpoints.has_model(client, name))
            creation.once(lambda: client.create_transform_job(**job), lambda: describe(client, name) is not None)
        except BaseException:
            clean_up(aws, name)
            raise


def await_end(access: Callable[[], Aws], name: str, deadline: float, on_note: _Note) -> dict[str, Any]:
    """DescribeTransformJob's answer when the job is over.

    Raises:
        JobFailed: it was not over in time; it is being stopped.
        UserError: AWS cannot be asked any more; the job goes on.
    """

    def look(aws: Aws) -> dict[str, Any] | None:
        found = describe(aws.client("sagemaker"), name)
        if found is None:
            raise JobFailed(f"SageMaker has no transform job {name} any more: it was deleted there")
        return None if found["TransformJobStatus"] in ("InProgress", "Stopping") else found

    try:
        return attention.attend(f"the transform job {name}", look, access, deadline=deadline, on_note=on_note)
    except TimeoutError:
        raise JobFailed(f"the transform job {name} took longer than {deadline:g} s, and is stopped") from None


def clean_up(aws: Aws, name: str) -> None:
    """Stops the job of that name if it goes on, waits until it has, and removes its model."""
    client = aws.client("sagemaker")
    with readable(f"the transform job {name}"):
        described = describe(client, name)
        if described and described["TransformJobStatus"] == "InProgress":
            unless_over(lambda: client.stop_transform_job(TransformJobName=name))
            with suppress(TimeoutError):
                attention.attend(
                    f"the transform job {name}", lambda _: _stopped(client, name), lambda: aws, deadline=_STOPPING
                )
        removal.remove_model(client, name)


def describe(client: Any, name: str) -> dict[str, Any] | None:
    """DescribeTransformJob's answer; None where there is no such job. Raises what boto3 raises."""
    return unless_missing(lambda: dict(client.describe_transform_job(TransformJobName=name)))


def fetch(aws: Aws, order: Order, output: Path, on_file: Callable[[str], object] = lambda _: None) -> set[str]:
    """Brings the answers here, each whole or not at all; the names of the files that have some."""
    bucket, prefix = split(f"{order.output}/")
    store, fetched = Store(aws, bucket), set()
    for key in store.sizes(prefix):
        name = key[len(prefix) :]
        path = output / name
        if not name.endswith(SUFFIX) or name.startswith("/") or ".." in path.parts:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {path.parent}: {error.strerror}") from None
        store.download(store.uri(key), path)
        fetched.add(name.removesuffix(SUFFIX))
        on_file(name)
    return fetched


def last_lines(aws: Aws, name: str) -> list[str]:
    """The last lines that a job's containers printed, and SageMaker about its files; none where they cannot be read."""
    return cloudwatch.last_lines(aws, _GROUP, _LINES, logStreamNamePrefix=f"{name}/")


def _stopped(client: Any, name: str) -> bool | None:
    described = describe(client, name)
    return None if described and described["TransformJobStatus"] in ("InProgress", "Stopping") else True
