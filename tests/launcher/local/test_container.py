"""A host's directories, configuration files and variables are those of AWS's containers: its toolkit is the oracle."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from launcher.errors import UserError
from launcher.job import Channel, TrainingJob
from launcher.local.container import command_line_arguments, prepare

# What the platform and the image give to the toolkit; all else it makes itself.
GIVEN = ("AWS_REGION", "SAGEMAKER_BASE_DIR", "SAGEMAKER_TRAINING_MODULE", "TRAINING_JOB_NAME")
ORACLE = """
import json, os
before = dict(os.environ)
from sagemaker_training.environment import Environment
environment = Environment()
made = {name: value for name, value in os.environ.items() if before.get(name) != value}
print(json.dumps([environment.to_env_vars(), made, environment.to_cmd_args()]))
"""
TYPED = {
    "epochs": 3,
    "learning-rate": 1e-05,
    "momentum": 0.9,
    "shuffle": True,
    "hybridize": False,
    "resume": None,
    "hidden": [128, 64],
    "layers": [{"type": "conv", "channels": 20, "same": True}, [None, 1.5]],
    "schedule": {"step": [3, 6], "factor": 0.1, "warm": None},
    "b": 7,
    "empty": "",
    "text": 'it\'s "quoted",\n and\ton two lines: naïve £ 漢字 🙂 $HOME `x` \\',
    "looks_like_json": "[1, 2]",
    "number_text": "3",
    "Mixed-Case.dots": "kept",
    "sagemaker_setting": {"of": "the framework"},
    "_tuning_objective_metric": "accuracy",
}
ONE, THREE = ["algo-1"], ["algo-1", "algo-2", "algo-3"]


def _job(tmp_path: Path, hyperparameters: Mapping[str, Any], channels: Mapping[str, str]) -> TrainingJob:
    (tmp_path / "train.py").write_text("pass")
    (tmp_path / "data").mkdir()
    for index in range(5):
        (tmp_path / "data" / f"{index}.csv").write_text(str(index))
    return TrainingJob(
        script=tmp_path / "train.py",
        hyperparameters=hyperparameters,
        channels={name: Channel(tmp_path / "data", distribution) for name, distribution in channels.items()},
    )


def _prepare(
    job: TrainingJob, base: Path, program: str = "train.py", host: int = 0, hosts: Sequence[str] = ONE
) -> dict[str, str]:
    return prepare(base, job_name="train-1", job=job, program=program, current_host=hosts[host], hosts=hosts)


class Case(NamedTuple):
    hyperparameters: dict[str, Any]
    channels: dict[str, str]
    hosts: list[str] = ONE
    host: int = 0
    program: str = "train.py"


CASES = {
    "bare": Case({}, {}),
    "one channel": Case({}, {"training": "FullyReplicated"}),
    "typed": Case(TYPED, {"training": "FullyReplicated"}, program="sub/train.py"),
    "three hosts": Case(TYPED, {"train-images.v2": "ShardedByS3Key", "test_1": "FullyReplicated"}, THREE),
    "last host": Case({"n": 1}, {"training": "ShardedByS3Key"}, THREE, 2),
    "names that differ by case": Case({"n": 1, "N": 2}, {"a": "FullyReplicated", "A": "FullyReplicated"}, THREE, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_variables_and_arguments_equal_those_of_aws_toolkit(aws_python: str, tmp_path: Path, case: Case) -> None:
    job = _job(tmp_path, case.hyperparameters, case.channels)
    ours = _prepare(job, tmp_path / "ml", case.program, case.host, case.hosts)
    theirs, made, arguments = _toolkit(aws_python, tmp_path, ours)
    assert {name: value for name, value in ours.items() if name.startswith("SM_")} == theirs
    assert made.items() <= ours.items()
    assert command_line_arguments(case.hyperparameters) == arguments


def test_gpus_are_counted_as_aws_toolkit_counts_them(
    aws_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\n[ "$1" = --list-gpus ] && printf "GPU 0: A\\nGPU 1: B\\n  MIG: no\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    ours = _prepare(_job(tmp_path, {}, {}), tmp_path / "ml")
    theirs, _, _ = _toolkit(aws_python, tmp_path, ours)
    assert ours["SM_NUM_GPUS"] == theirs["SM_NUM_GPUS"] == "2"


def _toolkit(aws_python: str, home: Path, ours: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **{name: ours[name] for name in GIVEN}}
    output = subprocess.run(
        [aws_python, "-c", ORACLE], env=environment, stdout=subprocess.PIPE, check=True, timeout=120
    )
    theirs, made, arguments = json.loads(output.stdout)
    return theirs, made, arguments


def test_the_files_are_those_the_sdk_and_the_platform_write(tmp_path: Path) -> None:
    job = _job(tmp_path, {"epochs": 3, "name": "x", "hidden": [1]}, {"training": "ShardedByS3Key"})
    _prepare(job, tmp_path / "ml", host=1, hosts=THREE)
    config = {path.name: json.loads(path.read_text()) for path in (tmp_path / "ml" / "input" / "config").iterdir()}
    region = config["hyperparameters.json"].pop("sagemaker_region")
    assert isinstance(json.loads(region), str)
    assert config == {
        "hyperparameters.json": {
            "epochs": "3",
            "name": '"x"',
            "hidden": "[1]",
            "sagemaker_container_log_level": "20",
            "sagemaker_job_name": '"train-1"',
            "sagemaker_parameter_server_enabled": "true",
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(str(tmp_path / "ml" / "code")),
        },
        "resourceconfig.json": {
            "current_host": "algo-2",
            "current_instance_type": "local",
            "current_group_name": "homogeneousCluster",
            "hosts": THREE,
            "instance_groups": [
                {"instance_group_name": "homogeneousCluster", "instance_type": "local", "hosts": THREE}
            ],
            "network_interface_name": "lo",
        },
        "inputdataconfig.json": {
            "training": {
                "TrainingInputMode": "File",
                "S3DistributionType": "ShardedByS3Key",
                "RecordWrapperType": "None",
            }
        },
    }


def test_each_host_gets_all_files_or_its_shard(tmp_path: Path) -> None:
    job = _job(tmp_path, {}, {"all": "FullyReplicated", "part": "ShardedByS3Key"})
    for host in range(3):
        _prepare(job, tmp_path / str(host), host=host, hosts=THREE)
    data = {host: tmp_path / str(host) / "input" / "data" for host in range(3)}
    assert {len(os.listdir(data[host] / "all")) for host in range(3)} == {5}
    parts = [sorted(os.listdir(data[host] / "part")) for host in range(3)]
    assert parts == [["0.csv", "3.csv"], ["1.csv", "4.csv"], ["2.csv"]]


def test_the_directories_of_a_container_are_there_and_code_is_kept(tmp_path: Path) -> None:
    base = tmp_path / "ml"
    (base / "code").mkdir(parents=True)
    (base / "code" / "train.py").write_text("mine")
    environment = _prepare(_job(tmp_path, {}, {}), base)
    for name in ("model", "output/data", "output/intermediate", "checkpoints", "input/data", "input/config"):
        assert (base / name).is_dir()
    assert (base / "code" / "train.py").read_text() == "mine"
    assert environment["SM_MODULE_DIR"] == str(base / "code")


def test_the_users_region_is_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    environment = _prepare(_job(tmp_path, {}, {}), tmp_path / "ml")
    assert environment["AWS_REGION"] == environment["SAGEMAKER_REGION"] == "eu-north-1"


def test_a_process_really_starts_with_the_variables(tmp_path: Path) -> None:
    job = _job(tmp_path, TYPED, {"train-images.v2": "FullyReplicated"})
    environment = _prepare(job, tmp_path / "ml")
    output = subprocess.run(["env", "-0"], env=environment, stdout=subprocess.PIPE, check=True, timeout=30).stdout
    assert dict(line.split("=", 1) for line in output.decode().split("\0") if line) == environment


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"a=b": 1}, r"'SM_HP_A=B'.*no '='"),
        ({"text": "a\0b"}, "no NUL"),
        ({"text": "\ud83d"}, "surrogate"),
        ({"many": list(range(50_000))}, "put large values in a file of a channel"),
    ],
    ids=["equals sign", "nul", "half a pair", "too long"],
)
def test_a_hyperparameter_that_fits_in_no_variable_is_refused_and_nothing_is_made(
    tmp_path: Path, hyperparameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _prepare(_job(tmp_path, hyperparameters, {}), tmp_path / "ml")
    assert not (tmp_path / "ml").exists()


def test_an_unusable_channel_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    job = _job(tmp_path, {}, {"training": "FullyReplicated"})
    for path in (tmp_path / "data").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="'training'"):
        _prepare(job, tmp_path / "ml")
    assert not (tmp_path / "ml").exists()
