"""Job files: read, written, and refused with the line and the key that are wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from launcher import jobfile, library
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob


@pytest.fixture
def write(tmp_path):
    """`write(text)`: a job file beside train.py, data/ and src/, which holds net.py."""
    (tmp_path / "train.py").write_text("print(1)\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "net.py").write_text("print(1)\n")

    def job_file(content: str | bytes) -> Path:
        path = tmp_path / "job.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return job_file


def test_paths_are_relative_to_the_file_and_values_keep_their_types(write, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    path = write("""
entry_point: net.py
source_dir: src
name: my-net
hosts: 2
max_run: 90
environment: {LEVEL: "3"}
channels:
  training: data
  test: {source: data/../data, distribution: ShardedByS3Key}
hyperparameters:
  epochs: 3
  learning_rate: 0.1
  hidden: [16, 16]
  activation: relu
  bias: false
  schedule: {step: 2}
  seed: null
""")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert jobfile.read(path) == TrainingJob(
        script=tmp_path / "src" / "net.py",
        source_dir=tmp_path / "src",
        name="my-net",
        hosts=2,
        max_run=90,
        environment={"LEVEL": "3"},
        channels={"training": Channel(tmp_path / "data"), "test": Channel(tmp_path / "data", "ShardedByS3Key")},
        hyperparameters={
            "epochs": 3,
            "learning_rate": 0.1,
            "hidden": [16, 16],
            "activation": "relu",
            "bias": False,
            "schedule": {"step": 2},
            "seed": None,
        },
    )
    monkeypatch.chdir(tmp_path)
    assert jobfile.read(Path("job.yaml")) == jobfile.read(path)


def test_one_line_is_a_job(write):
    job = jobfile.read(write("entry_point: mnist_mlp\n"))
    assert job == TrainingJob(library.built_in()["mnist_mlp"])
    assert job.name == "mnist-mlp"


def test_keys_without_a_value_mean_nothing(write):
    text = "entry_point: train.py\nhyperparameters:\nchannels:\nenvironment:\nmax_run:\n"
    assert jobfile.read(write(text)) == jobfile.read(write("entry_point: train.py\n"))


def test_a_number_with_an_exponent_is_a_number(write):
    read = jobfile.read(write("entry_point: train.py\nhyperparameters: {a: 1e-3, b: -2E5, c: '1e-3', d: 1e3x}\n"))
    assert read.hyperparameters == {"a": 0.001, "b": -200000.0, "c": "1e-3", "d": "1e3x"}


def test_what_is_written_is_read_back_as_the_same_job(write, tmp_path):
    write("")
    plain = TrainingJob(tmp_path / "train.py")
    full = TrainingJob(
        script=tmp_path / "src" / "net.py",
        source_dir=tmp_path / "src",
        name="net",
        hosts=3,
        max_run=0.5,
        checkpoints=Checkpoints("30s", 2, tmp_path / "data"),
        retries=3,
        kill_after=2.5,
        environment={"A": "1", "B": "yes", "C": "", "D": "ä\n:"},
        channels={"training": Channel(tmp_path / "data"), "a.b": Channel(tmp_path / "train.py", "ShardedByS3Key")},
        hyperparameters={
            "numbers": [1, -1, 1.0, 1e-5, 1e22, 0.1, 123456789012345678901234567890],
            "texts": ["", "1", "1e-3", "1e5", "yes", "null", "~", "2026-01-31", "a: b", "# c", "ä\u2028", "x\ty\nz "],
            "others": {"true": True, "none": None, "empty": [], "nested": {"": [{}]}},
            "on": "off",
        },
    )
    (tmp_path / "kept").mkdir()
    remote = replace(
        plain,
        channels={"training": Channel("s3://a-bucket/digits/", "ShardedByS3Key")},
        checkpoints=Checkpoints(source="s3://a-bucket/runs/earlier/checkpoints"),
    )
    for job in (plain, full, remote, replace(plain, hyperparameters={"nested": full.hyperparameters})):
        path = tmp_path / "kept" / "job.yaml"
        path.write_text(jobfile.to_yaml(job), "utf-8")
        read = jobfile.read(path)
        assert read == job
        assert repr(read) == repr(job)  # 1 == 1.0 == True


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(
            instance_type="ml.g4dn.xlarge",
            volume_size=200,
            spot=True,
            max_wait=7200.5,
            keep_alive=60,
            subnets=["subnet-0a1b2c3d"],
            security_groups=["sg-0a1b2c3d", "sg-9f8e7d6c"],
            kms_key="arn:aws:kms:eu-west-1:123456789012:key/1234abcd",
            input_mode="FastFile",
            framework_version="1.8",
            tags={"team": "1", "on": "yes"},
            max_cost=0.5,
        ),
    ],
)
def test_the_settings_of_a_job_on_sagemaker_are_kept_beside_it_and_change_no_local_job(write, tmp_path, settings):
    job = TrainingJob(write("").parent / "train.py")
    path = write(jobfile.to_yaml(job, settings))
    assert jobfile.read(path) == job
    assert jobfile.read_settings(path) == settings


def test_a_job_file_without_settings_has_none(write):
    assert jobfile.read_settings(write("entry_point: train.py\naws:\n")) is None
    assert jobfile.read_settings(write("entry_point: train.py\n")) is None


def test_a_setting_that_sagemaker_would_refuse_is_refused_with_the_file(write):
    path = write("entry_point: train.py\naws: {input_mode: Pipe}\n")
    with pytest.raises(UserError, match=rf"{re.escape(str(path))}: aws: input_mode: Pipe gives a script a pipe"):
        jobfile.read_settings(path)


def test_a_whole_number_of_gib_may_have_a_point(write):
    assert repr(jobfile.read_settings(write("entry_point: train.py\naws: {volume_size: 50.0}\n")).volume_size) == "50"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "entry_point: train.py\nhostss: 2\n",
            "line 2: unknown key 'hostss' (did you mean 'hosts'?); known are entry_",
        ),
        (
            "entry_point: train.py\naws:\n  spot: true\n  instance: ml.c5.xlarge\n",
            "line 4: unknown key 'instance' (did you mean 'instance_type'?)",
        ),
        ("entry_point: train.py\naws: {spot: 1}\n", "line 2: aws.spot: 1 is not of type 'boolean'"),
        ("# a job\n\nentrypoint: train.py\n", "line 3: unknown key 'entrypoint' (did you mean 'entry_point'?)"),
        ("entry_point: train.py\nzzz: 2\n", "line 2: unknown key 'zzz'; known are "),
        ("entry_point: train.py\n3: 2\n", "line 2: unknown key '3'; known are "),
        (
            "entry_point: train.py\nchannels:\n  training:\n    sorce: data\n",
            "line 4: unknown key 'sorce' (did you mean 'source'?); known are source, distribution",
        ),
        (
            "entry_point: train.py\nchannels:\n  test: data\n  training: {source: data, distributon: x}\n",
            "line 4: unknown key 'distributon' (did you mean 'distribution'?)",
        ),
        (
            "entry_point: train.py\nchannels:\n  training:\n    source: data\n    distribution: Sharded\n",
            "line 5: channels.training.distribution: 'Sharded' is not one of ['FullyReplicated', 'ShardedByS3Key']",
        ),
        (
            "entry_point: train.py\nchannels:\n  training:\n    distribution: ShardedByS3Key\n",
            "line 3: channels.training: 'source' is a required property",
        ),
        ("entry_point: train.py\nchannels:\n  training: 3\n", "line 3: channels.training: 3 is not of type"),
        ("entry_point: train.py\nchannels:\n  - data\n", "line 2: channels: ['data'] is not of type 'object'"),
        ("entry_point: train.py\nchannels: {1: data}\n", "line 2: channels: 1 is not of type 'string'"),
        ("entry_point: train.py\nhosts: 0\n", "line 2: hosts: 0 is less than the minimum of 1"),
        ("hosts: two\nentry_point: train.py\n", "line 1: hosts: 'two' is not of type 'integer'"),
        ("entry_point: train.py\nhosts: 1.5\n", "line 2: hosts: 1.5 is not of type 'integer'"),
        ("entry_point: train.py\nhosts: true\n", "line 2: hosts: True is not of type 'integer'"),
        ("entry_point: train.py\ncheckpoints: {evry: 2}\n", "line 2: unknown key 'evry' (did you mean 'every'?)"),
        ("entry_point: train.py\nretries: -1\n", "line 2: retries: -1 is less than the minimum of 0"),
        ("entry_point: train.py\nmax_run: 0\n", "line 2: max_run: 0 is less than or equal to the minimum of 0"),
        ("entry_point: train.py\nname: 3\n", "line 2: name: 3 is not of type 'string'"),
        ("entry_point: train.py\n\nhyperparameters: 5\n", "line 3: hyperparameters: 5 is not of type 'object'"),
        ("entry_point: train.py\nhyperparameters: {1: 2}\n", "line 2: hyperparameters: 1 is not of type 'string'"),
        ("entry_point: train.py\nenvironment:\n  A: x\n  B: 1\n", "line 4: environment.B: 1 is not of type 'string'"),
        ("hosts: 2\n", "line 1: the job: 'entry_point' is a required property"),
        ("entry_point: 3\n", "line 1: entry_point: 3 is not of type 'string'"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_key(write, text, message):
    path = write(text)
    with pytest.raises(UserError, match=re.escape(f"{path}, {message}")):
        jobfile.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entry_point: missing.py\n", "no script .*missing.py"),
        ("entry_point: mnist_mpl\n", "did you mean mnist_mlp?"),
        ("entry_point: train.py\nname: a b\n", "name 'a b': letters"),
        ("entry_point: train.py\nsource_dir: src\n", "no script .*src/train.py"),
        ("entry_point: train.py\nsource_dir: nowhere\n", "no script .*nowhere/train.py"),
        ("entry_point: train.py\nchannels: {training: missing}\n", "no data at .*missing"),
        ("entry_point: train.py\nchannels: {a b: data}\n", "channel name 'a b'"),
        ("entry_point: train.py\nchannels: {training: ~no-such-user/data}\n", "no data at .*~no-such-user/data"),
        ("entry_point: train.py\nmax_run: .nan\n", "max_run: more than 0 seconds, not nan"),
        ("entry_point: train.py\ncheckpoints: {every: 0}\n", "checkpoints: every '0': expected a number of epochs"),
        ("entry_point: train.py\nhyperparameters: {rate: .inf}\n", "hyperparameter rate: inf"),
        ("entry_point: train.py\nhyperparameters: {day: 2026-01-31}\n", "hyperparameter day: .* not a JSON value"),
        ("entry_point: train.py\nhyperparameters: &all {again: *all}\n", "hyperparameter again: "),
    ],
)
def test_a_job_that_cannot_be_made_is_refused_with_its_file(write, text, message):
    path = write(text)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: .*{message}"):
        jobfile.read(path)


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "- entry_point: train.py\n", "train.py\n", "3\n"])
def test_what_is_no_mapping_is_refused_with_an_example(write, text):
    with pytest.raises(UserError, match=r"job\.yaml is not a job: .*`entry_point: SCRIPT`"):
        jobfile.read(write(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entry_point: [train.py\n", "line 2"),
        ("entry_point: train.py\n\tname: a\n", "line 2"),
        ("entry_point: train.py\n---\nentry_point: train.py\n", "line 2"),
        ("entry_point: !!python/object/apply:os.getcwd []\n", "line 1"),
        ("entry_point: train.py\n? [a]\n: 1\n", "line 2"),
        ("entry_point: train.py\nhyperparameters: {day: 2026-02-31}\n", "day is out of range"),
        ("\0\1\2", "#x0000"),
    ],
)
def test_what_is_no_yaml_is_refused(write, text, message):
    with pytest.raises(UserError, match=rf"(?s)job\.yaml is not YAML: .*{message}"):
        jobfile.read(write(text))


def test_a_binary_file_is_refused(write):
    with pytest.raises(UserError, match=r"cannot read the job file .*job\.yaml: 'utf-8' codec"):
        jobfile.read(write(b"\x89PNG\r\n\x1a\n\x00\xff"))


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    for path, reason in ((tmp_path / "missing.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=f"cannot read the job file .*{reason}"):
            jobfile.read(path)


def test_the_content_can_be_read_when_script_and_data_are_gone(write, tmp_path):
    path = write("entry_point: train.py\nchannels: {training: data}\n")
    (tmp_path / "train.py").unlink()
    assert jobfile.parse(path) == {"entry_point": "train.py", "channels": {"training": "data"}}


def test_the_metrics_of_a_job_are_kept(write, tmp_path):
    path = write('entry_point: mnist_mlp\nmetrics: {my:loss: "loss: ([0-9.]+)"}\n')
    job = jobfile.read(path)
    assert job.metrics == {"my:loss": "loss: ([0-9.]+)"}
    assert jobfile.read(write(jobfile.to_yaml(job))) == job


def test_a_metric_that_measures_nothing_is_refused(write):
    for expression, sentence in (("loss: [0-9]", "has no group"), ("loss: (", "no regular expression")):
        with pytest.raises(UserError, match=sentence):
            jobfile.read(write(f'entry_point: mnist_mlp\nmetrics: {{loss: "{expression}"}}\n'))
