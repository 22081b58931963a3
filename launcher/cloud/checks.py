"""What AWS would refuse of a job, later and less clearly: each finding says what is wrong and what to do."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Callable

from launcher import source
from launcher.cloud import api, estimator
from launcher.cloud.aws import Aws, code, readable
from launcher.cloud.bucket import split
from launcher.cloud.settings import Settings
from launcher.cloud.store import Store
from launcher.config import Config
from launcher.errors import UserError
from launcher.job import TrainingJob

_NAMING = "`glaunch infra up` makes one, `glaunch config set {} NAME` names one"
_NO_MXNET = re.compile(r"ml\.(trn|inf)")
# AWS's MXNet images have CUDA 11.2. It knows nothing of Hopper (11.8) and Blackwell (12.8), see NVIDIA's release notes.
_NEWER_GPUS = re.compile(r"ml\.(p5|p6|g7)")


def job(wanted: TrainingJob, settings: Settings, config: Config, region: str) -> list[str]:
    """What is wrong with a job and its settings, as far as this machine can tell. AWS is not called.

    Args:
        wanted: the job.
        settings: how SageMaker is to run it.
        config: of the profile that it is sent with.
        region: where.
    """
    found = [
        *_missing(config),
        *_drill(wanted),
        *_instance(settings.instance_type),
        *_said(lambda: settings.limits(wanted.max_run)),
        *_said(lambda: _image(wanted, settings, region)),
    ]
    return list(dict.fromkeys(found))


def account(wanted: TrainingJob, config: Config, aws: Aws) -> list[str]:
    """What is wrong in the account: the bucket, the role, the data in S3. AWS is called, and nothing is written."""
    places = {f"channel {name}": channel.source for name, channel in wanted.channels.items()}
    places["checkpoints"] = wanted.checkpoints.source or ""
    looks: list[Callable[[], object]] = [
        lambda: Store(aws, config.bucket).check(),
        lambda: role_arn(config, aws),
        *(functools.partial(_prefix, what, uri, aws) for what, uri in places.items() if uri and isinstance(uri, str)),
    ]
    return [message for look in looks for message in _said(look)]


def require(found: list[str]) -> None:
    """Raises UserError with everything that was found, if anything was."""
    if len(found) > 1:
        raise UserError("this job cannot run on SageMaker:\n" + "\n".join(f"- {message}" for message in found))
    if found:
        raise UserError(found[0])


def role_arn(config: Config, aws: Aws) -> str:
    """The ARN of the configured role.

    Raises:
        UserError: no role is configured, there is none of that name, or SageMaker may not take it.
    """
    from botocore.exceptions import ClientError

    require(_missing(config))
    with readable(f"the role {config.role}"):
        try:
            role = aws.client("iam").get_role(RoleName=config.role)["Role"]
        except ClientError as error:
            if code(error) == "NoSuchEntity":
                raise UserError(f"there is no role {config.role}: {_NAMING.format('role')}") from None
            raise
    if "sagemaker.amazonaws.com" not in json.dumps(role["AssumeRolePolicyDocument"]):
        raise UserError(f"the role {config.role} is not for SageMaker: its trust policy lacks sagemaker.amazonaws.com")
    return str(role["Arn"])


def _missing(config: Config) -> list[str]:
    return [f"no {name} is known: {_NAMING.format(name)}" for name in ("bucket", "role") if not config.value(name)]


def _drill(wanted: TrainingJob) -> list[str]:
    if wanted.kill_after is None:
        return []
    return ["kill_after: the drill is for this machine; --spot is how SageMaker interrupts a job"]


def _instance(instance_type: str) -> list[str]:
    known = api.training_instance_types()
    if instance_type not in known:
        near = difflib.get_close_matches(instance_type, known, n=3)
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        return [f"instance_type: SageMaker trains on no {instance_type}{hint}"]
    if _NO_MXNET.match(instance_type):
        return [f"instance_type: AWS has no MXNet image for the accelerators of {instance_type}"]
    if _NEWER_GPUS.match(instance_type):
        return [
            f"instance_type: the GPUs of {instance_type} are newer than CUDA 11.2 of AWS's MXNet images: take g4dn, g5"
        ]
    return []


def _image(wanted: TrainingJob, settings: Settings, region: str) -> None:
    if settings.framework_version != Settings.framework_version:
        python = estimator.python_version(settings.framework_version)
        is_ours = source.kind(wanted.script) == source.OLDER or b"gluon_job" in wanted.script.read_bytes()
        if python != "py38" and is_ours:
            raise UserError(
                f"framework_version: gluon_job, which {wanted.script.name} needs, runs on Python 3.8, and AWS's image "
                f"{settings.framework_version} has {python}: take {Settings.framework_version}"
            )
    if not _instance(settings.instance_type):
        estimator.image(settings, region)


def _prefix(what: str, uri: str, aws: Aws) -> None:
    """Raises UserError unless there is something in S3 under a URI, in a bucket of the region."""
    from botocore.exceptions import ClientError

    bucket, prefix = split(uri)
    s3 = aws.client("s3")
    with readable(f"{what}: {uri}"):
        try:
            region = s3.head_bucket(Bucket=bucket).get("BucketRegion") or aws.region
            if region != aws.region:
                raise UserError(
                    f"{what}: the bucket {bucket} is in {region}, and SageMaker reads data of its own region, "
                    f"{aws.region}: copy it, or run the job there (`glaunch config set region {region}`)"
                )
            there = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)["KeyCount"]
        except ClientError as error:
            if code(error) in ("404", "NoSuchBucket"):
                raise UserError(f"{what}: there is no bucket {bucket}") from None
            if code(error) == "403":
                raise UserError(f"{what}: these credentials may not look into the bucket {bucket}") from None
            raise
    if not there:
        raise UserError(f"{what}: there is nothing at {uri}")


def _said(look: Callable[[], object]) -> list[str]:
    try:
        look()
    except UserError as error:
        return [str(error)]
    return []
