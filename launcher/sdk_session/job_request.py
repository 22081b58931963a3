"""The job that a CreateTrainingJob request asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import NoCredentialsError

from launcher import archive
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob
from launcher.local.environment import num_gpus
from launcher.sdk_session import places

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
Request = Mapping[str, Any]

_PROGRAM, _CODE = "sagemaker_program", "sagemaker_submit_directory"
_ISOLATED_CODE = "/opt/ml/input/data/code"  # where the SDK says that code is if the container has no network
_CHECKPOINTS = "/opt/ml/checkpoints"
# Hyperparameters that a run makes itself; the other `sagemaker_` ones are settings that its hosts get.
_PLATFORM = (_PROGRAM, _CODE, "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_region")
_NO_MPI = "MPI is not started here: several hosts have MXNet's parameter server, distribution={'parameter_server': ...}"


def make_job(request: Request, folder: Path, session: ProcessLocalSession) -> TrainingJob:
    """The job of a request. Its code, and what must be downloaded, are put into the folder.

    Args:
        request: of CreateTrainingJob, as the SDK sends it.
        folder: of the run.
        session: what calls S3.

    Raises:
        UserError: this machine cannot run that, and why.
        ClientError, BotoCoreError: of S3.
    """
    values = {name: _decoded(text) for name, text in (request.get("HyperParameters") or {}).items()}
    _check(request, values)
    source = folder / "source"
    archive.extract(places.fetch_file(session, _code_uri(request, values), folder / "download"), source)
    return TrainingJob(
        script=source / values[_PROGRAM],
        source_dir=source,
        hyperparameters={name: value for name, value in values.items() if name not in _PLATFORM},
        channels=_channels(request, folder, session),
        hosts=request["ResourceConfig"]["InstanceCount"],
        name=request["TrainingJobName"],
        environment={name: str(value) for name, value in (request.get("Environment") or {}).items()},
        max_run=(request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds"),
        checkpoints=_checkpoints(request, folder, session),
        metrics={one["Name"]: one["Regex"] for one in request["AlgorithmSpecification"].get("MetricDefinitions") or []},
    )


def _decoded(text: str) -> Any:
    """Estimators of a framework send JSON, the generic one sends text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _check(request: Request, values: Mapping[str, Any]) -> None:
    resources, algorithm = request["ResourceConfig"], request["AlgorithmSpecification"]
    if not values.get(_PROGRAM) or not values.get(_CODE):
        raise UserError("no entry_point: what runs here are Python scripts, as of the MXNet estimator, and no images")
    if resources.get("InstanceGroups"):
        raise UserError("instance_groups: all hosts are of one kind here, give instance_type and instance_count")
    if algorithm.get("ContainerEntrypoint") or algorithm.get("ContainerArguments"):
        raise UserError("container_entry_point: no container is started here, give the script as entry_point")
    if algorithm.get("TrainingInputMode") == "Pipe":
        raise UserError("input_mode='Pipe': channels are directories here, as with File and FastFile")
    if values.get("sagemaker_mpi_enabled") or values.get("sagemaker_distributed_dataparallel_enabled"):
        raise UserError(_NO_MPI)
    check_gpu(resources["InstanceType"])


def check_gpu(instance_type: str) -> None:
    """Raises UserError for `local_gpu` where there is no GPU."""
    if instance_type == "local_gpu" and not num_gpus():
        raise UserError("instance_type='local_gpu': `nvidia-smi` lists no GPU on this machine, use 'local'")


def _code_uri(request: Request, values: Mapping[str, Any]) -> str:
    uri: str = values[_CODE]
    if not uri.startswith(_ISOLATED_CODE):
        return uri
    return next(_uri(one) for one in request["InputDataConfig"] if one["ChannelName"] == "code")


def _channels(request: Request, folder: Path, session: ProcessLocalSession) -> dict[str, Channel]:
    channels = {}
    for described in request.get("InputDataConfig") or []:
        name, source = described["ChannelName"], described["DataSource"].get("S3DataSource") or {}
        if "FileSystemDataSource" in described["DataSource"]:
            raise UserError(f"channel {name!r}: a file system of AWS cannot be mounted here, give file:// or s3://")
        if source.get("S3DataType", "S3Prefix") != "S3Prefix":
            raise UserError(f"channel {name!r}: {source['S3DataType']} is not read here, give a prefix in S3")
        if described.get("InputMode") == "Pipe":
            raise UserError(f"channel {name!r}: input_mode='Pipe': channels are directories here, as with File")
        if described.get("CompressionType", "None") != "None":
            raise UserError(f"channel {name!r}: compression={described['CompressionType']!r}: give files as they are")
        if described.get("ShuffleConfig"):
            raise UserError(f"channel {name!r}: shuffle_config orders what is piped, and nothing is piped here")
        files = described["DataSource"].get("FileDataSource") or {}
        distribution = source.get("S3DataDistributionType") or files.get("FileDataDistributionType")
        found = places.fetch(session, _uri(described), folder / "data" / name)
        channels[name] = Channel(found, distribution or Channel.distribution)
    return channels


def _uri(channel: Mapping[str, Any]) -> str:
    source = channel["DataSource"]
    uri: str = source["S3DataSource"]["S3Uri"] if "S3DataSource" in source else source["FileDataSource"]["FileUri"]
    return uri


def _checkpoints(request: Request, folder: Path, session: ProcessLocalSession) -> Checkpoints:
    wanted = request.get("CheckpointConfig")
    if not wanted:
        return Checkpoints()
    if wanted.get("LocalPath", _CHECKPOINTS) != _CHECKPOINTS:
        raise UserError(f"checkpoint_local_path={wanted['LocalPath']!r}: a host has only {_CHECKPOINTS} here")
    try:
        return Checkpoints(source=places.fetch(session, wanted["S3Uri"], folder / "checkpoints"))
    except (UserError, NoCredentialsError):  # none yet, here; in local mode S3 is looked into where that is possible
        return Checkpoints()
