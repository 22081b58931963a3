"""A job as the SageMaker SDK sends it: the estimator `sagemaker.mxnet.MXNet`, and the request that it makes.

Nothing here calls AWS. The SDK is told everything that it would otherwise look up: role, bucket, region.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launcher import metrics
from launcher.cloud import tags
from launcher.cloud.aws import readable
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.infra.state import TAG
from launcher.job import Deadlines, TrainingJob

_SPOT_CHECKPOINTS = {"GLAUNCH_CHECKPOINT_EVERY": "1 epoch"}  # one that is interrupted goes on from there


@dataclass(frozen=True)
class Places:
    """Where what a job reads and writes is in S3.

    Attributes:
        code: the URI of sourcedir.tar.gz.
        program: the path in it of the script to start.
        channels: the URI of each channel, by name.
        output: the URI under which `JOB_NAME/output/model.tar.gz` and `JOB_NAME/checkpoints/` are written.
    """

    code: str
    program: str
    channels: Mapping[str, str]
    output: str


@dataclass(frozen=True)
class Names:
    """What a job is called at AWS.

    Attributes:
        job_name: of the training job, and of the run.
        role: the ARN of the role that it runs as.
        stack: the value of the tag `glaunch`.
        region: `eu-west-1`.
    """

    job_name: str
    role: str
    stack: str
    region: str


def training_request(job: TrainingJob, settings: Settings, places: Places, names: Names) -> dict[str, Any]:
    """The arguments of CreateTrainingJob for a job, exactly as the SDK's `MXNet(...).fit(...)` would send them.

    Raises:
        UserError: there is no image for the framework version, the region or the instance type; a time is too long.
    """
    made = estimator(job, settings, places, names)
    from sagemaker import estimator as sdk

    fitting: Any = sdk._TrainingJob
    with sdk_errors():  # what `fit()` does before it sends the request
        made.prepare_workflow_for_training(names.job_name)
        arguments = fitting.get_train_args(made, inputs(job, places), experiment_config=None)
        return dict(made.sagemaker_session.get_train_request(**arguments))


def estimator(job: TrainingJob, settings: Settings, places: Places, names: Names, session: Any = None) -> Any:
    """The SDK's estimator of a job, a `sagemaker.mxnet.MXNet`; `inputs` are what it is fitted to.

    Args:
        job: what is run.
        settings: how SageMaker runs it.
        places: of its code and data.
        names: of it.
        session: the SDK's; one that can make requests, and is not to send any, by default.

    Raises:
        UserError: as `training_request` does.
    """
    _quieten()
    try:
        from sagemaker.mxnet.estimator import MXNet
        from sagemaker.utils import instance_supports_kms
    except ImportError:
        raise UserError("SageMaker needs more packages: pip install 'gluon-launcher[aws]'") from None
    limits = settings.limits(job.max_run)
    key = settings.kms_key or None
    servers: dict[str, Any] = {"parameter_server": {"enabled": True}}
    measured = {**metrics.DEFINITIONS, **job.metrics}
    keep_alive = settings.keep_alive and math.ceil(settings.keep_alive)
    with sdk_errors():
        return MXNet(
            entry_point=places.program,
            source_dir=places.code,
            role=names.role,
            framework_version=settings.framework_version,
            py_version=python_version(settings.framework_version),
            instance_type=settings.instance_type,
            instance_count=job.hosts,
            volume_size=settings.volume_size,
            # A type with disks of its own encrypts them itself, and AWS refuses a key for them.
            volume_kms_key=key if instance_supports_kms(settings.instance_type) else None,
            output_kms_key=key,
            output_path=places.output,
            hyperparameters=dict(job.hyperparameters),
            distribution=servers if job.hosts > 1 else None,
            metric_definitions=[{"Name": name, "Regex": regex} for name, regex in measured.items()],
            environment=environment(job, settings) or None,
            input_mode=settings.input_mode,
            max_run=limits.run,
            use_spot_instances=settings.spot,
            max_wait=limits.wait,
            checkpoint_s3_uri=checkpoints(job, settings, places, names.job_name),
            max_retry_attempts=job.retries or None,
            keep_alive_period_in_seconds=keep_alive,
            subnets=list(settings.subnets) or None,
            security_group_ids=list(settings.security_groups) or None,
            tags=marks(settings, names),
            sagemaker_session=session or _session(names.region),
        )


def inputs(job: TrainingJob, places: Places) -> dict[str, Any] | None:
    """The channels of a job, by name, as `sagemaker.inputs.TrainingInput`; None for a job without."""
    from sagemaker.inputs import TrainingInput

    return {
        name: TrainingInput(places.channels[name], distribution=channel.distribution)
        for name, channel in job.channels.items()
    } or None


def environment(job: TrainingJob, settings: Settings) -> dict[str, str]:
    """The variables of the hosts: those that tell our own scripts of checkpoints and deadlines, and the job's own.

    Deadlines that are the defaults are those of our scripts too, and are not sent.
    """
    deadlines = {} if job.deadlines == Deadlines() else job.deadlines.variables()
    kept = {**(_SPOT_CHECKPOINTS if settings.spot else {}), **job.checkpoints.variables()}
    return {**deadlines, **kept, **job.environment}


def checkpoints(job: TrainingJob, settings: Settings, places: Places, job_name: str) -> str | None:
    """Where SageMaker keeps /opt/ml/checkpoints while the job runs, and finds it before; None where it does not."""
    if settings.spot or job.checkpoints.every or job.checkpoints.source:
        return f"{places.output}/{job_name}/checkpoints"
    return None


def marks(settings: Settings, names: Names) -> list[dict[str, str]]:
    """The tags of a job: the stack's, the run's, and the user's own."""
    return tags.as_list({TAG: names.stack, tags.RUN: names.job_name, **settings.tags})


def image(settings: Settings, region: str) -> str:
    """The URI of AWS's image for the framework version and the kind of instance, in a region.

    Raises:
        UserError: there is none.
    """
    _quieten()
    from sagemaker import image_uris

    with sdk_errors():
        return str(
            image_uris.retrieve(
                "mxnet",
                region,
                version=settings.framework_version,
                py_version=python_version(settings.framework_version),
                instance_type=settings.instance_type,
                image_scope="training",
            )
        )


def python_version(framework_version: str) -> str:
    """The Python of AWS's MXNet image of a version, as its tag says: `py38`, the last one where there are several.

    Raises:
        UserError: there is no such image, or one that runs scripts in another way.
    """
    _quieten()
    from sagemaker import image_uris

    sdk: Any = image_uris
    found = sdk.config_for_framework("mxnet")["training"]
    full = found["version_aliases"].get(framework_version, framework_version)
    # Images of another name, up to 1.4, are of the time before script mode, or have no kvstore like today's.
    usable = {name: one for name, one in found["versions"].items() if one.get("repository") == "mxnet-training"}
    if full not in usable:
        raise UserError(
            f"framework_version: AWS has no MXNet image {framework_version} for these scripts: "
            f"there are {', '.join(sorted(usable))}"
        )
    return str(usable[full]["py_versions"][-1])


@functools.lru_cache(maxsize=1)
def _session(region: str) -> Any:
    """A session of the SDK's that knows the region, and asks nobody for the rest.

    The SDK sends telemetry of `fit()` alone, which is never called here.
    """
    import boto3
    from sagemaker.session import Session

    with readable("the SageMaker SDK"):
        made = Session(boto3.Session(region_name=region), sagemaker_config={"SchemaVersion": "1.0"})
    # Given none, it would have read the user's file, and a request is to depend on its job alone. Having one, it would
    # check it whenever it looks for a value: two seconds a job.
    made.sagemaker_config = {}
    return made


@contextlib.contextmanager
def sdk_errors() -> Iterator[None]:
    """Turns what the SDK raises in the block into a UserError."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise UserError(f"the SageMaker SDK refuses the job: {error}") from None


def _quieten() -> None:
    """The SDK's first import, without its notice of a version 3 and without its hook for tracebacks."""
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    logging.getLogger("sagemaker.config").setLevel(logging.WARNING)  # it prints to stdout which files it does not read
    hook = sys.excepthook
    import sagemaker  # noqa: F401

    sys.excepthook = hook
