"""A job from the words of a command line."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from launcher import compose, data, jobfile, library, processes
from launcher.cloud.record import Record
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob
from launcher.run import FAILED, IN_PROGRESS, Run, Status


@pytest.fixture
def train(script):
    return script("print(1)\n", "train.py")


@pytest.fixture
def folder(tmp_path):
    """A directory of data."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def digits(folder, monkeypatch):
    """The sample digits, which take no time here."""
    monkeypatch.setattr(data, "sample_digits", lambda: folder)
    return folder


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("null", None),
        ("[16, 16]", [16, 16]),
        ('{"step": 2}', {"step": 2}),
        ('"3"', "3"),
        ("relu", "relu"),
        ("a=b", "a=b"),
        ("", ""),
        ("True", "True"),
        (" [1]", [1]),
        ("2026-01-31", "2026-01-31"),
    ],
)
def test_a_parameter_is_json_and_otherwise_a_string(train, text, value):
    found = compose.job(str(train), parameters=[f"p={text}"]).hyperparameters
    assert found == {"p": value}
    assert type(found["p"]) is type(value)


@pytest.mark.parametrize("text", ["[1, 2", "{a: 1}", '"x', "[relu]", " ['a']"])
def test_a_parameter_that_was_to_be_json_and_is_not_is_refused(train, text):
    with pytest.raises(UserError, match=re.escape(f"-p hidden={text}: the value is not JSON: ")):
        compose.job(str(train), parameters=[f"hidden={text}"])


@pytest.mark.parametrize("text", ["epochs", "=3", "", "="])
def test_a_parameter_without_name_or_value_is_refused(train, text):
    with pytest.raises(UserError, match=re.escape(f"-p {text}: expected name=value")):
        compose.job(str(train), parameters=[text])


def test_a_number_that_json_has_not_is_refused(train):
    with pytest.raises(UserError, match="hyperparameter rate: nan is not a JSON value"):
        compose.job(str(train), parameters=["rate=NaN"])


def test_data_is_the_training_channel_and_channels_have_names(train, folder):
    job = compose.job(str(train), data_word=str(folder), channels=[f"test={folder}", f"more={folder}:sharded"])
    assert job.channels == {
        "training": Channel(folder),
        "test": Channel(folder),
        "more": Channel(folder, "ShardedByS3Key"),
    }


def test_data_may_be_in_s3(train):
    job = compose.job(str(train), data_word="s3://a-bucket/digits", channels=["extra=s3://a-bucket/more:sharded"])
    assert job.channels == {
        "training": Channel("s3://a-bucket/digits"),
        "extra": Channel("s3://a-bucket/more", "ShardedByS3Key"),
    }


def test_a_directory_may_have_a_colon_in_its_name(train, tmp_path):
    (tmp_path / "a:b").mkdir()
    job = compose.job(str(train), channels=[f"one={tmp_path}/a:b", f"two={tmp_path}/a:b:sharded"])
    assert job.channels == {"one": Channel(tmp_path / "a:b"), "two": Channel(tmp_path / "a:b", "ShardedByS3Key")}


@pytest.mark.parametrize("text", ["data", "=data", "training=", ""])
def test_a_channel_without_name_or_directory_is_refused(train, text):
    with pytest.raises(UserError, match=re.escape(f"--channel {text}: expected name=directory")):
        compose.job(str(train), channels=[text])


@pytest.mark.parametrize("words", [{"data_word": "missing"}, {"channels": ["a=missing"]}, {"channels": ["a=:sharded"]}])
def test_data_that_is_not_there_is_refused(train, words):
    with pytest.raises(UserError, match=r"no directory or data set '(missing|:sharded)'"):
        compose.job(str(train), **words)


def test_a_built_in_entry_point_without_data_gets_the_sample_digits(digits):
    for word in ("mnist_mlp", str(library.built_in()["mnist_mlp"])):
        assert compose.job(word).channels == {"training": Channel(digits)}


def test_the_sample_digits_are_not_made_where_they_are_not_wanted(train, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "sample_digits", lambda: pytest.fail("they were made"))
    channel = {"training": Channel(tmp_path)}
    assert compose.job("mnist_mlp", data_word=str(tmp_path)).channels == channel
    assert compose.job("mnist_mlp", channels=[f"training={tmp_path}"]).channels == channel
    assert compose.job(str(train)).channels == {}
    (tmp_path / "job.yaml").write_text("entry_point: mnist_mlp\nchannels: {training: .}\n")
    assert compose.job(str(tmp_path / "job.yaml")).channels == channel


@pytest.mark.parametrize("name", ["job.yaml", "job.yml"])
def test_words_go_before_what_a_job_file_says(train, tmp_path, name, folder):
    path = tmp_path / name
    path.write_text(
        "entry_point: scripts/train.py\nname: filed\nmax_run: 60\n"
        "hyperparameters: {epochs: 3, seed: 1}\nchannels: {training: ., test: .}\n"
    )
    filed = compose.job(str(path))
    assert (filed.script, filed.name, filed.max_run) == (train, "filed", 60)
    job = compose.job(str(path), parameters=["epochs=5"], data_word=str(folder), name="said", max_run=9)
    assert (job.name, job.max_run) == ("said", 9)
    assert job.hyperparameters == {"epochs": 5, "seed": 1}
    assert job.channels == {"training": Channel(folder), "test": Channel(tmp_path)}


def test_a_source_directory_travels_with_the_script(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = compose.job("train.py", source_dir=Path("scripts"))
    assert (job.script, job.source_dir, job.program) == (train, train.parent, "train.py")
    with pytest.raises(UserError, match=r"no script .*scripts/other\.py"):
        compose.job("other.py", source_dir=Path("scripts"))
    with pytest.raises(UserError, match=r"--source-dir scripts: .* put it into job\.yaml"):
        compose.job("job.yaml", source_dir=Path("scripts"))


@pytest.mark.parametrize(
    ("words", "message"), [({"max_run": 0}, "max_run: more than 0"), ({"name": "a b"}, "name 'a b'")]
)
def test_a_word_that_no_job_can_have_is_refused(train, words, message):
    with pytest.raises(UserError, match=message):
        compose.job(str(train), **words)


def test_a_script_is_named_after_itself(train):
    assert compose.job(str(train)).name == "train"
    assert compose.job(str(train), name="mine").name == "mine"


@pytest.fixture
def earlier(train, folder):
    """A run that is over and left a checkpoint."""
    run = Run.create(TrainingJob(train, hyperparameters={"epochs": 2}, channels={"training": Channel(folder)}, hosts=2))
    run.write_status(Status(FAILED, 0.0))
    (run.host("algo-1") / "checkpoints").mkdir(parents=True)
    (run.host("algo-1") / "checkpoints" / "epoch-000001.npz").touch()
    return run


def test_a_run_is_resumed_with_its_own_job_and_what_is_said_of_it(earlier, train, folder):
    job = compose.job(None, resume=earlier.name, parameters=["epochs=9"], checkpoint_every="2")
    assert (job.script, job.hyperparameters, job.hosts) == (train, {"epochs": 9}, 2)
    assert job.channels == {"training": Channel(folder)}
    assert job.checkpoints == Checkpoints("2", 3, earlier.host("algo-1") / "checkpoints")


def test_another_job_may_go_on_from_a_runs_checkpoints(earlier, script):
    job = compose.job(str(script("print(2)\n", "other.py")), resume=earlier.name)
    assert (job.program, job.checkpoints.source) == ("other.py", earlier.host("algo-1") / "checkpoints")


def test_a_run_on_sagemaker_is_resumed_from_where_it_keeps_its_checkpoints(earlier):
    shutil.rmtree(earlier.host("algo-1"))
    Record(earlier.name, "eu-west-1", "default", "s3://a-bucket/runs", "ml.c5.xlarge").write(earlier)
    job = compose.job(None, resume=earlier.name)
    assert job.checkpoints.source == f"s3://a-bucket/runs/{earlier.name}/checkpoints"


def test_the_settings_are_those_of_the_job_file_or_of_the_run_that_is_resumed(earlier, train, tmp_path):
    settings = Settings(instance_type="ml.m5.large")
    text = jobfile.to_yaml(earlier.job, settings)
    (tmp_path / "job.yaml").write_text(text)
    (earlier.folder / "job.yaml").write_text(text)
    assert compose.settings(str(tmp_path / "job.yaml")) == settings
    assert compose.settings(None, earlier.name) == settings
    assert compose.settings(str(train), earlier.name) is None
    assert compose.settings(None) is None


def test_a_run_that_is_running_or_left_nothing_is_not_resumed(earlier):
    (earlier.host("algo-1") / "checkpoints" / "epoch-000001.npz").unlink()
    with pytest.raises(UserError, match="left no checkpoints: run it with --checkpoint-every"):
        compose.job(None, resume=earlier.name)
    earlier.write_status(Status(IN_PROGRESS, 0.0, supervisor=processes.identity(os.getpid())))
    with pytest.raises(UserError, match="is still running"):
        compose.job(None, resume=earlier.name)


def test_a_drill_keeps_checkpoints_unless_told_how_often(train):
    assert compose.job(str(train), kill_after=5).checkpoints.every == "1 epoch"
    assert compose.job(str(train), kill_after=5, checkpoint_every="30s").checkpoints.every == "30s"
    assert compose.job(str(train)).checkpoints.every == ""


def test_no_job_at_all_is_refused():
    with pytest.raises(UserError, match="which job"):
        compose.job(None)
