"""How `glaunch transform --on aws` sends files through a model on SageMaker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.commands.aws_models import find, note, open_account, upload
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws
    from launcher.cloud.endpoint_requests import Names
    from launcher.cloud.hosting import Hosting
    from launcher.cloud.transforms import Order
    from launcher.commands.aws_models import Model
    from launcher.config import Config
    from launcher.local.transform import Batching

_LONGEST = 86_400.0  # seconds, the default: SageMaker itself has no limit


def transform(
    model: str, source: str, output: Path, batching: Batching, profile: str, words: Mapping[str, Any]
) -> dict[str, str]:
    """Of each file, by name, what was wrong with it, or "" where its answers are in `output`.

    Nothing of it is left at AWS but the files in the bucket. Ctrl-C stops it.

    Raises:
        UserError: something is wrong with the words or the account, or AWS cannot be asked any more.
        JobFailed: the job failed, and left nothing.
    """
    config, aws = open_account(profile)
    from launcher.cloud import transforms

    hosting = _hosting(words)
    deadline = _LONGEST if words["max_run"] is None else words["max_run"]
    if not deadline > 0:
        raise UserError(f"--max-run: more than 0 seconds, not {deadline:g}")
    transforms.check(hosting, batching)
    with ExitStack() as stack:
        found = find(model, aws, config, stack)
        _tell_price(hosting, aws)
        uri, files = _send(source, aws, config)
        order = transforms.Order(
            _names(found, aws, config), hosting, batching, uri, upload(found, aws, config), found.program
        )
    name = order.names.version
    note(f"making the transform job {name} (Ctrl-C stops it)")
    transforms.create(aws, order)
    try:
        described = transforms.await_end(lambda: open_account(profile)[1], name, deadline, note)
    except UserError as error:
        if isinstance(error, JobFailed):
            transforms.clean_up(aws, name)
            raise
        raise UserError(f"{error}. Its answers will be at {order.output}; `glaunch sweep` ends it") from None
    except BaseException:
        note(f"stopping {name}")
        transforms.clean_up(aws, name)
        raise
    aws = open_account(profile)[1]  # with new credentials, where they have expired meanwhile
    transforms.clean_up(aws, name)
    return _outcome(described, files, order, output, aws)


def _hosting(words: Mapping[str, Any]) -> Hosting:
    from launcher.cloud import transforms
    from launcher.cloud.hosting import Hosting
    from launcher.commands.aws_options import tags_from

    return Hosting(
        instance_type=words["instance_type"] or transforms.INSTANCE_TYPE,
        instances=1 if words["instances"] is None else words["instances"],
        tags=tags_from(words["tags"]),
    )


def _names(found: Model, aws: Aws, config: Config) -> Names:
    """Those of an endpoint that never is: its model is found by them, should it be left behind."""
    from launcher.cloud import checks, endpoint_requests
    from launcher.cloud.endpoint_requests import Names

    base = f"{found.name[:29].rstrip('-')}-transform"
    role = checks.role_arn(config, aws)
    return Names(base, endpoint_requests.version(base), role, config.stack, aws.region, config.bucket, found.run)


def _tell_price(hosting: Hosting, aws: Aws) -> None:
    from launcher.cloud import cost, prices

    what = f"{hosting.instances} x {hosting.instance_type} in {aws.region}"
    price, about = prices.transform(hosting.instance_type, aws.region, aws).per_hour, ""
    if price is None:
        price = prices.hosting(hosting.instance_type, aws.region).per_hour
        about = ", if it is that of an endpoint's"
    if price is None:
        note(f"{what}; its price is not known")
    else:
        note(f"{what}: {cost.dollars(hosting.instances * price)} an hour while it works{about}")


def _send(source: str, aws: Aws, config: Config) -> tuple[str, list[str]]:
    """Where the files are in S3, and their names there."""
    from launcher.cloud.bucket import split
    from launcher.cloud.store import Store

    if source.startswith("s3://"):
        bucket, prefix = split(source)
        keys = [key for key in Store(aws, bucket).sizes(prefix) if not key.endswith("/")]
        if not keys:
            raise UserError(f"there is nothing at {source}")
        folder = prefix.rpartition("/")[0]
        return source, [key[len(folder) :].lstrip("/") for key in keys]
    store = Store(aws, config.bucket)
    store.check()
    planned = store.plan(Path(source).expanduser().absolute())
    note(f"sending {len(planned.missing)} of {len(planned.files)} files")
    store.send(planned)
    _, prefix = split(planned.uri)
    return planned.uri, [key[len(prefix) :] for key in planned.files]


def _outcome(described: Mapping[str, Any], files: list[str], order: Order, output: Path, aws: Aws) -> dict[str, str]:
    from launcher.cloud import transforms
    from launcher.cloud.aws import without_secrets

    fetched = transforms.fetch(aws, order, output)
    state = described["TransformJobStatus"]
    missing = [name for name in files if name not in fetched]
    if state == "Completed" and missing:
        raise JobFailed(f"SageMaker completed the job, and {order.output} has no answers to {', '.join(missing[:5])}")
    reason = without_secrets(described.get("FailureReason") or f"the job is {state}")
    lines = transforms.last_lines(aws, order.names.version) if missing else []
    if missing and not fetched:
        raise JobFailed("\n".join([f"the transform job {order.names.version} is {state}: {reason}", *lines]))
    for line in lines:
        note(line)
    return {name: reason if name in missing else "" for name in files}
