"""What a job refuses when it is made, and what it makes of the rest."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob

SAGEMAKER_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # of a training job, as in AWS's API reference


@pytest.fixture
def train(script):
    return script("print(1)\n", "train.py")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hosts": 0}, "hosts: at least 1, not 0"),
        ({"hosts": -3}, "hosts: at least 1, not -3"),
        ({"max_run": 0}, "max_run: more than 0 seconds, not 0"),
        ({"max_run": -1.5}, "max_run: more than 0 seconds"),
        ({"max_run": math.nan}, "max_run: more than 0 seconds, not nan"),
        ({"retries": -1}, "retries: 0 or more, not -1"),
        ({"kill_after": 0}, "kill_after: more than 0 seconds, not 0"),
        ({"hyperparameters": {"rate": math.nan}}, "hyperparameter rate: nan is not a JSON value"),
        ({"hyperparameters": {"rate": math.inf}}, "hyperparameter rate: inf"),
        ({"hyperparameters": {"layers": [1, {"rate": -math.inf}]}}, "hyperparameter layers: "),
        ({"hyperparameters": {"net": object}}, "hyperparameter net: <class 'object'> is not a JSON value"),
        ({"environment": {"": "x"}}, "environment variable ''"),
        ({"environment": {"A=B": "x"}}, "environment variable 'A=B'"),
        ({"environment": {"1A": "x"}}, "environment variable '1A'"),
        ({"environment": {"A": "x\0"}}, "environment variable 'A'"),
    ],
)
def test_a_value_that_no_host_could_use_is_refused_by_name(train, values, message):
    with pytest.raises(UserError, match=re.escape(message)):
        TrainingJob(train, **values)


@pytest.mark.parametrize("name", ["a b", "a_b", "a/b", "-a", "a-", "a" * 64, "é", "."])
def test_a_name_that_sagemaker_would_refuse_is_refused(train, name):
    with pytest.raises(UserError, match=re.escape(f"name {name!r}: letters, digits")):
        TrainingJob(train, name=name)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "x" * 65])
def test_a_channel_name_that_sagemaker_would_refuse_is_refused(train, tmp_path, name):
    with pytest.raises(UserError, match=re.escape(f"channel name {name!r}: ")):
        TrainingJob(train, channels={name: Channel(tmp_path)})


@pytest.mark.parametrize("name", ["a", "A-1", "a--b", "9" * 63])
def test_a_name_that_sagemaker_takes_is_taken(train, tmp_path, name):
    assert TrainingJob(train, name=name, channels={name: Channel(tmp_path)}).name == name


def test_a_channel_without_data_is_refused(tmp_path):
    with pytest.raises(UserError, match=re.escape(f"no data at {tmp_path / 'missing'}")):
        Channel(tmp_path / "missing")


@pytest.mark.parametrize("source", ["s3://a-bucket", "s3://a-bucket/", "s3://a.bucket/a b/ä:c"])
def test_a_channel_may_be_in_s3_where_a_local_run_cannot_read_it(train, source):
    channel = Channel(source)
    assert channel.source == source
    with pytest.raises(
        UserError, match=f"the data at {source} are in S3: run the job with --on aws, or copy them here"
    ):
        channel.path  # noqa: B018 - a property that refuses
    with pytest.raises(UserError, match="the data at"):
        TrainingJob(train, channels={"training": channel}).require_here()


@pytest.mark.parametrize("source", ["s3://", "s3:///key", "s3://A_Bucket/key", "a-directory", "https://a-bucket/key"])
def test_a_text_that_is_no_place_in_s3_is_no_channel(source):
    with pytest.raises(UserError, match=re.escape(f"{source!r} is no place in S3: expected s3://BUCKET/PREFIX")):
        Channel(source)


def test_checkpoints_may_be_in_s3_where_a_local_run_cannot_read_them(train):
    checkpoints = Checkpoints(source="s3://a-bucket/runs/earlier/checkpoints")
    with pytest.raises(UserError, match="the checkpoints at s3://a-bucket/runs/earlier/checkpoints are in S3"):
        TrainingJob(train, checkpoints=checkpoints).require_here()
    with pytest.raises(UserError, match="'s3://' is no place in S3"):
        Checkpoints(source="s3://")


def test_what_is_on_this_machine_is_here(train, tmp_path):
    job = TrainingJob(train, channels={"training": Channel(tmp_path)}, checkpoints=Checkpoints(source=tmp_path))
    job.require_here()
    assert (job.channels["training"].path, job.checkpoints.directory) == (tmp_path, tmp_path)


def test_a_channel_may_be_a_single_file(train):
    assert Channel(train).distribution == "FullyReplicated"


def test_an_unknown_distribution_is_refused(tmp_path):
    with pytest.raises(UserError, match="one of FullyReplicated, ShardedByS3Key, not 'Sharded'"):
        Channel(tmp_path, "Sharded")


@pytest.mark.parametrize("name", ["missing.py", "x" * 300 + ".py", "directory.py"])
def test_a_script_that_is_no_file_is_refused(tmp_path, name):
    (tmp_path / "directory.py").mkdir()
    with pytest.raises(UserError, match=f"no script .*{name}"):
        TrainingJob(tmp_path / name)


def test_a_script_of_another_language_is_refused(tmp_path):
    (tmp_path / "train.sh").touch()
    with pytest.raises(UserError, match=r"train\.sh is not a \.py file"):
        TrainingJob(tmp_path / "train.sh")


def test_a_source_directory_that_is_missing_is_refused(train, tmp_path):
    with pytest.raises(UserError, match=re.escape(f"no source directory {tmp_path / 'src'}")):
        TrainingJob(train, tmp_path / "src")


def test_a_script_outside_its_source_directory_is_refused(train, tmp_path):
    (tmp_path / "scripts-2").mkdir()
    with pytest.raises(UserError, match=rf"{train} is not in the source directory .*scripts-2"):
        TrainingJob(train, tmp_path / "scripts-2")


def test_the_program_is_the_scripts_path_in_its_source_directory(train, tmp_path):
    assert TrainingJob(train).program == "train.py"
    assert TrainingJob(train, train.parent).program == "train.py"
    assert TrainingJob(train, tmp_path).program == "scripts/train.py"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("mnist_mlp", "mnist-mlp"),
        ("train.v2", "train-v2"),
        ("__init__", "init"),
        ("my  script (1)", "my-script-1"),
        ("模型", "job"),
        ("a" * 39 + "_b", "a" * 39),
        ("a" * 200, "a" * 40),
    ],
)
def test_a_name_made_from_a_script_is_one_that_sagemaker_takes(script, stem, name):
    made = TrainingJob(script("print(1)\n", stem + ".py")).name
    assert made == name
    assert SAGEMAKER_NAME.fullmatch(made)


def test_a_job_of_a_script_alone_runs_on_one_host_without_a_limit(train):
    job = TrainingJob(train)
    assert (job.hosts, job.max_run, job.source_dir) == (1, None, None)
    assert (job.channels, job.hyperparameters, job.environment) == ({}, {}, {})
    assert TrainingJob(train, max_run=0.5).max_run == 0.5


def test_a_job_cannot_be_changed(train):
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingJob(train).hosts = 2


def test_hyperparameters_of_every_json_type_are_taken(train):
    values = {"a": 1, "b": 1.5, "c": "x", "d": [1, "x", None], "e": {"f": True}, "g": None}
    assert TrainingJob(train, hyperparameters=values).hyperparameters == values


@pytest.mark.parametrize("every", ["1", "12 epochs", "1epoch", "30s", "0.5 seconds", "30 s", ""])
def test_checkpoints_are_kept_every_so_many_epochs_or_seconds(every):
    assert Checkpoints(every).every == every


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"every": "0"}, "every '0': expected a number of epochs"),
        ({"every": "0s"}, "every '0s'"),
        ({"every": "1.5"}, "every '1.5'"),
        ({"every": "5 minutes"}, "every '5 minutes'"),
        ({"keep": 0}, "keep: at least 1, not 0"),
        ({"source": Path("/nowhere")}, "checkpoints: no directory /nowhere"),
    ],
)
def test_checkpoints_that_no_job_could_keep_are_refused(values, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Checkpoints(**values)
