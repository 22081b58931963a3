"""A job's request is what the SageMaker SDK itself sends for the same job, written as the SDK's users write it."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import textwrap

import pytest
from botocore.client import BaseClient

from launcher.cloud import estimator
from launcher.cloud.estimator import Names, Places
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, Deadlines, TrainingJob
from launcher.metrics import DEFINITIONS

BUCKET = "glaunch-bucket-1x2y3z"
DATA = f"s3://{BUCKET}/digits/"
CODE = f"s3://{BUCKET}/code/0123/sourcedir.tar.gz"
ROLE = "arn:aws:iam::123456789012:role/glaunch-Role-1X2Y3Z"
NAMES = Names("train-2026-01-31-23-59-59-999", ROLE, "glaunch", "eu-west-1")
NETWORK = {"subnets": ["subnet-0a1b2c3d"], "security_groups": ["sg-0a1b2c3d", "sg-9f8e7d6c"]}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VALUES = {"epochs": 3, "rate": 1e-3, "hidden": [16, 16], "net": "mlp", "augment": False, "seed": None, "deep": {"a": 1}}


@pytest.fixture
def quiet_sdk(monkeypatch):
    """The SDK without its notice, and without telemetry, which is sent over a network."""
    monkeypatch.setenv("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    from sagemaker.telemetry import telemetry_logging

    monkeypatch.setattr(telemetry_logging, "_send_telemetry_request", lambda *_arguments: None)


@pytest.fixture
def code(script):
    """A directory with a program, as a user has it."""
    return script("print('hello')\n", "train.py").parent


@pytest.fixture
def sent_request(calls):
    """`sent_request()`: the arguments of the only CreateTrainingJob."""

    def one():
        (request,) = (arguments for _, operation, arguments in calls if operation == "CreateTrainingJob")
        return json.loads(json.dumps(request))

    return one


def by_hand(stack, code, job_name, inputs, **words):
    """The job of these words, as a user of the SDK sends it."""
    from sagemaker.mxnet import MXNet

    MXNet(
        entry_point="train.py",
        source_dir=str(code),
        role=ROLE,
        framework_version="1.9.0",
        py_version="py38",
        output_path=f"s3://{stack.bucket}/runs",
        metric_definitions=[{"Name": name, "Regex": regex} for name, regex in DEFINITIONS.items()],
        sagemaker_session=sdk_session(stack.bucket),
        **{"instance_count": 1, "instance_type": "ml.c5.xlarge", **words},
    ).fit(inputs, job_name=job_name, wait=False)


@functools.lru_cache(maxsize=1)
def sdk_session(bucket):
    """Made once: its clients work in every account of moto's, and are slow to make."""
    import boto3
    from sagemaker import Session

    return Session(boto3.Session(), default_bucket=bucket)


def request_of(job, settings=None, **places):
    """Our request for a job."""
    channels = {name: str(channel.source) for name, channel in job.channels.items()}
    where = {"code": CODE, "program": job.program, "channels": channels, "output": f"s3://{BUCKET}/runs", **places}
    return estimator.training_request(job, settings or Settings(), Places(**where), NAMES)


def sharded():
    from sagemaker.inputs import TrainingInput

    return {"training": TrainingInput(DATA, distribution="ShardedByS3Key")}


SERVERS = {"parameter_server": {"enabled": True}}
IN_S3 = {"training": Channel(DATA)}

# What is special, as a job of ours with its settings; and as words of the SDK, with what the job is fitted to.
SCENARIOS = {
    "one host": ({}, {}, {}, None),
    "typed hyperparameters": ({"hyperparameters": VALUES}, {}, {"hyperparameters": VALUES}, None),
    "several hosts": ({"hosts": 3}, {}, {"instance_count": 3, "distribution": SERVERS}, None),
    "a channel in S3": ({"channels": IN_S3}, {}, {}, {"training": DATA}),
    "a sharded channel": (
        {"channels": {"training": Channel(DATA, "ShardedByS3Key")}, "hosts": 2},
        {},
        {"instance_count": 2, "distribution": SERVERS},
        sharded,
    ),
    "streamed data": (
        {"channels": IN_S3},
        {"input_mode": "FastFile"},
        {"input_mode": "FastFile"},
        {"training": DATA},
    ),
    "spot with checkpoints": (
        {"max_run": 1800.0, "checkpoints": Checkpoints(every="2 epochs", keep=5)},
        {"spot": True, "max_wait": 7200.0},
        {
            "use_spot_instances": True,
            "max_run": 1800,
            "max_wait": 7200,
            "checkpoint_s3_uri": f"s3://{BUCKET}/runs/{NAMES.job_name}/checkpoints",
            "environment": {"GLAUNCH_CHECKPOINT_EVERY": "2 epochs", "GLAUNCH_CHECKPOINT_KEEP": "5"},
        },
        None,
    ),
    "a VPC and a key": (
        {},
        {**NETWORK, "kms_key": KEY},
        {
            "subnets": NETWORK["subnets"],
            "security_group_ids": NETWORK["security_groups"],
            "volume_kms_key": KEY,
            "output_kms_key": KEY,
        },
        None,
    ),
    "an environment": (
        {"environment": {"MY_VARIABLE": "1"}},
        {},
        {"environment": {"MY_VARIABLE": "1"}},
        None,
    ),
    "retries": ({"retries": 4}, {}, {"max_retry_attempts": 4}, None),
    "a warm pool": ({}, {"keep_alive": 1800.0}, {"keep_alive_period_in_seconds": 1800}, None),
    "GPUs and disks": (
        {"max_run": 99.5},
        {"instance_type": "ml.g4dn.xlarge", "volume_size": 200},
        {"instance_type": "ml.g4dn.xlarge", "volume_size": 200, "max_run": 100},
        None,
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_job_is_sent_as_the_sdk_sends_it(stack, quiet_sdk, code, sent_request, scenario):
    job_words, settings, words, inputs = SCENARIOS[scenario]
    ours = request_of(TrainingJob(code / "train.py", code, **job_words), Settings(**settings))
    by_hand(stack, code, NAMES.job_name, inputs() if callable(inputs) else inputs, **words)
    theirs = sent_request()
    # The differences, all of them: where the code is, and our tags.
    assert json.loads(ours["HyperParameters"].pop("sagemaker_submit_directory")) == CODE
    assert json.loads(theirs["HyperParameters"].pop("sagemaker_submit_directory")) == (
        f"s3://{BUCKET}/{NAMES.job_name}/source/sourcedir.tar.gz"
    )
    assert ours.pop("Tags") == [{"Key": "glaunch", "Value": "glaunch"}, {"Key": "glaunch-run", "Value": NAMES.job_name}]
    assert "Tags" not in theirs
    assert ours == theirs


def test_the_request_asks_nobody(code, monkeypatch, tmp_path):
    """Neither AWS, for whom there are no credentials, nor the user's file of defaults for the SDK."""
    defaults = tmp_path / "sagemaker.yaml"
    network = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    content = {"SchemaVersion": "1.0", "SageMaker": {"TrainingJob": {"VpcConfig": network}}}
    defaults.write_text(json.dumps(content))
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(defaults))

    def refuse(_self, operation, _arguments):
        raise AssertionError(operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    estimator._session.cache_clear()
    made = request_of(TrainingJob(code / "train.py"), Settings(kms_key=KEY))
    assert "VpcConfig" not in made
    assert made["AlgorithmSpecification"]["TrainingImage"].endswith("/mxnet-training:1.9.0-cpu-py38")


def test_the_script_may_be_in_a_directory_of_the_code(code):
    job = TrainingJob(code / "train.py")
    assert json.loads(request_of(job, program="sub/train.py")["HyperParameters"]["sagemaker_program"]) == "sub/train.py"


def test_the_jobs_own_measurements_are_beside_those_of_the_table(code):
    made = request_of(TrainingJob(code / "train.py", metrics={"my:loss": "loss: ([0-9.]+)"}))
    found = {one["Name"]: one["Regex"] for one in made["AlgorithmSpecification"]["MetricDefinitions"]}
    assert found == {**DEFINITIONS, "my:loss": "loss: ([0-9.]+)"}


def test_the_users_tags_are_beside_ours(code):
    made = request_of(TrainingJob(code / "train.py"), Settings(tags={"team": "vision"}))
    assert made["Tags"][-1] == {"Key": "team", "Value": "vision"}
    assert len(made["Tags"]) == 3


def test_a_spot_job_keeps_checkpoints_and_waits_twice_as_long_unless_told_otherwise(code):
    made = request_of(TrainingJob(code / "train.py", max_run=100.0), Settings(spot=True))
    assert made["Environment"] == {"GLAUNCH_CHECKPOINT_EVERY": "1 epoch"}
    assert made["CheckpointConfig"] == {"S3Uri": f"s3://{BUCKET}/runs/{NAMES.job_name}/checkpoints"}
    assert made["StoppingCondition"] == {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200}


def test_hosts_get_the_deadlines_that_are_not_the_defaults_and_the_jobs_own_variables_last(code):
    job = TrainingJob(
        code / "train.py",
        deadlines=Deadlines(start=900),
        checkpoints=Checkpoints(every="30s"),
        environment={"GLAUNCH_CHECKPOINT_KEEP": "9"},
    )
    assert request_of(job)["Environment"] == {
        "GLAUNCH_START_SECONDS": "900",
        "GLAUNCH_STALL_SECONDS": "600",
        "GLAUNCH_FINISH_SECONDS": "120",
        "GLAUNCH_CHECKPOINT_EVERY": "30s",
        "GLAUNCH_CHECKPOINT_KEEP": "9",
    }


def test_a_job_that_goes_on_from_checkpoints_finds_them(code):
    job = TrainingJob(code / "train.py", checkpoints=Checkpoints(source="s3://elsewhere/checkpoints"))
    assert request_of(job)["CheckpointConfig"]["S3Uri"] == f"s3://{BUCKET}/runs/{NAMES.job_name}/checkpoints"


def test_a_key_is_not_asked_for_disks_that_take_none(code):
    made = request_of(TrainingJob(code / "train.py"), Settings(kms_key=KEY, instance_type="ml.g4dn.xlarge"))
    assert made["OutputDataConfig"]["KmsKeyId"] == KEY
    assert "VolumeKmsKeyId" not in made["ResourceConfig"]


@pytest.mark.parametrize(
    ("settings", "region", "tag"),
    [
        ({}, "us-west-2", "amazonaws.com/mxnet-training:1.9.0-cpu-py38"),
        ({"instance_type": "ml.p3.2xlarge"}, "eu-west-1", "amazonaws.com/mxnet-training:1.9.0-gpu-py38"),
        ({"framework_version": "1.8"}, "eu-west-1", "/mxnet-training:1.8-cpu-py37"),
        ({"framework_version": "1.7.0"}, "cn-north-1", ".amazonaws.com.cn/mxnet-training:1.7.0-cpu-py3"),
    ],
)
def test_the_image_is_awss_for_version_region_and_kind_of_instance(settings, region, tag):
    image = estimator.image(Settings(**settings), region)
    assert image.endswith(tag)
    assert f".ecr.{region}." in image


@pytest.mark.parametrize(
    ("settings", "region", "message"),
    [
        (
            {"framework_version": "2.0.0"},
            "eu-west-1",
            "no MXNet image 2.0.0 .* there are 1.6.0, 1.7.0, 1.8.0, 1.9.0",
        ),
        ({"framework_version": "1.2.1"}, "eu-west-1", "AWS has no MXNet image 1.2.1"),
        ({}, "mars-north-1", "the SageMaker SDK refuses the job: .*mars-north-1"),
    ],
)
def test_where_there_is_no_image_it_says_so(settings, region, message):
    with pytest.raises(UserError, match=message):
        estimator.image(Settings(**settings), region)


def test_the_sdk_is_imported_without_its_notice_and_its_hook_and_prints_nothing(tmp_path):
    """In a process of its own: it is imported once."""
    program = """
        import sys
        hook = sys.excepthook
        from launcher.cloud import estimator
        assert "sagemaker" not in sys.modules
        assert estimator.python_version("1.9") == "py38"
        estimator._session("eu-west-1")
        assert sys.excepthook is hook and "sagemaker" in sys.modules
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
