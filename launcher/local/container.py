"""SageMaker's container world for one local host: its `/opt/ml` in a directory, and its variables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.errors import UserError
from launcher.job import TrainingJob
from launcher.local import channels
from launcher.local.environment import command_line_arguments, variables

__all__ = ["command_line_arguments", "prepare"]

_DIRECTORIES = ("input/config", "input/data", "model", "output/data", "output/intermediate", "checkpoints", "code")
_GROUP = "homogeneousCluster"
_INSTANCE_TYPE = "local"
_INTERFACE = "lo"  # eth0 on AWS; here all hosts are this machine, and a script may bind to what this names
_IMAGE_VARIABLES = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "UTF-8",
    "PYTHONUNBUFFERED": "1",
    "SAGEMAKER_TRAINING_MODULE": "sagemaker_mxnet_container.training:main",
}
_LONGEST_VARIABLE = 128 * 1024  # bytes with the name, `=` and the final NUL: Linux's MAX_ARG_STRLEN


def prepare(
    base: Path, *, job_name: str, job: TrainingJob, program: str, current_host: str, hosts: Sequence[str]
) -> dict[str, str]:
    """Makes what one host of a job finds under `/opt/ml`, in `base`.

    Args:
        base: a directory of its own, made if missing; only `code` may be in it already.
        job_name: this run's.
        job: what is run.
        program: the entry point's path relative to `code`.
        current_host: this host, one of `hosts`.
        hosts: all of them, in order.

    Returns:
        The variables that SageMaker, AWS's image and its toolkit put in the script's environment. PYTHONPATH is
        not among them.

    Raises:
        UserError: a channel that cannot be read or holds no file (nothing is made then), or a hyperparameter
            that fits in no variable.
    """
    base = base.absolute()
    found = {name: channels.files(name, channel.path) for name, channel in job.channels.items()}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    config: dict[str, dict[str, Any]] = {
        "hyperparameters": _hyperparameters(
            job, job_name=job_name, program=program, code=base / "code", region=region, several=len(hosts) > 1
        ),
        "resourceconfig": _resources(current_host, hosts),
        "inputdataconfig": _inputs(job),
    }
    environment = {
        **_IMAGE_VARIABLES,
        # There is no TRAINING_JOB_ARN: AWS's libraries would look the job up in the user's account.
        "AWS_REGION": region,
        "CURRENT_HOST": current_host,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_JOB_NAME": job_name,
        "SAGEMAKER_REGION": region,
        "TRAINING_JOB_NAME": job_name,
        **variables(
            base,
            hyperparameters=config["hyperparameters"],
            resources=config["resourceconfig"],
            inputs=config["inputdataconfig"],
            framework_module=_IMAGE_VARIABLES["SAGEMAKER_TRAINING_MODULE"],
        ),
    }
    _check(environment)

    for directory in _DIRECTORIES:
        (base / directory).mkdir(parents=True, exist_ok=True)
    for name, content in config.items():
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    for name, channel in job.channels.items():
        sharded = channel.distribution == "ShardedByS3Key"
        mine = channels.shard(found[name], hosts.index(current_host), len(hosts)) if sharded else found[name]
        channels.link(mine, base / "input" / "data" / name)
    return environment


def _hyperparameters(
    job: TrainingJob, *, job_name: str, program: str, code: Path, region: str, several: bool
) -> dict[str, str]:
    """hyperparameters.json as the SageMaker SDK has it written: the job's and the platform's, each as JSON."""
    platform = {
        "sagemaker_container_log_level": 20,  # logging.INFO
        "sagemaker_job_name": job_name,
        "sagemaker_program": program,
        "sagemaker_region": region,
        "sagemaker_submit_directory": str(code),
    }
    # What the SDK adds for distribution={"parameter_server": {"enabled": True}}: here several hosts always have one.
    servers = {"sagemaker_parameter_server_enabled": True} if several else {}
    return {name: json.dumps(value) for name, value in {**job.hyperparameters, **servers, **platform}.items()}


def _resources(current_host: str, hosts: Sequence[str]) -> dict[str, object]:
    group = {"instance_group_name": _GROUP, "instance_type": _INSTANCE_TYPE, "hosts": list(hosts)}
    return {
        "current_host": current_host,
        "current_instance_type": _INSTANCE_TYPE,
        "current_group_name": _GROUP,
        "hosts": list(hosts),
        "instance_groups": [group],
        "network_interface_name": _INTERFACE,
    }


def _inputs(job: TrainingJob) -> dict[str, dict[str, str]]:
    return {
        name: {
            "TrainingInputMode": "File",
            "S3DistributionType": channel.distribution,
            "RecordWrapperType": "None",
        }
        for name, channel in job.channels.items()
    }


def _check(environment: Mapping[str, str]) -> None:
    """Raises UserError for what the operating system would not hand to a process: only hyperparameters can do that."""
    for name, value in environment.items():
        if "=" in name or "\0" in name + value:
            raise UserError(f"hyperparameters: {name!r} would be no variable: no '=' in names, no NUL in values")
        try:
            size = len(os.fsencode(f"{name}={value}")) + 1
        except UnicodeEncodeError:
            raise UserError(f"hyperparameters: {name!r} holds half of a surrogate pair, which is no text") from None
        if size > _LONGEST_VARIABLE:
            raise UserError(
                f"hyperparameters: {name} would have {size:,} bytes, and a variable's limit is {_LONGEST_VARIABLE:,}; "
                "put large values in a file of a channel"
            )
