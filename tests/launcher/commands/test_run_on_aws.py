"""`glaunch run --on aws`, in this process."""

from __future__ import annotations

import json

import pytest

from launcher.cloud import follow, record
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, Run, Status


@pytest.fixture(autouse=True)
def _small_machine(monkeypatch):
    """No price list is asked: moto has none of it."""
    from launcher.cloud import prices

    monkeypatch.setattr(prices._List, "find", lambda *_arguments, **_words: None)


@pytest.fixture
def train(script):
    return script("print('hello')\n", "train.py")


@pytest.fixture
def attended(monkeypatch):
    """What is looked after, and how it ends: Completed unless the test says otherwise."""
    runs = []

    def attend(run, aws, screen):
        runs.append((run.name, aws.region))
        run.write_status(
            Status(attend.state, created=1.0, started=2.0, ended=None if attend.state == IN_PROGRESS else 3.0)
        )

    attend.state = COMPLETED
    attend.runs = runs
    monkeypatch.setattr(follow, "attend", attend)
    return attend


def created(calls):
    return [arguments for _, operation, arguments in calls if operation == "CreateTrainingJob"]


def test_a_job_is_sent_looked_after_and_told_like_a_local_one(run, stack, train, calls, attended):
    done = run("run", train, "--on", "aws", "-p", "epochs=3", "--hosts", 2, "--name", "mine")
    (request,) = created(calls)
    assert request["TrainingJobName"].startswith("mine-")
    assert request["HyperParameters"]["epochs"] == "3"
    assert request["ResourceConfig"]["InstanceCount"] == 2
    assert attended.runs == [(request["TrainingJobName"], "eu-west-1")]
    assert f"Completed {request['TrainingJobName']}" in done.stdout
    assert f"glaunch fetch {request['TrainingJobName']}" in done.stdout
    assert "2 x ml.c5.xlarge in eu-west-1" in done.stderr
    assert "packing the code" in done.stderr


@pytest.mark.parametrize(("state", "status"), [(FAILED, 1), (IN_PROGRESS, 0)])
def test_the_exit_status_is_that_of_the_job_and_0_when_it_goes_on(run, stack, train, attended, state, status):
    attended.state = state
    done = run("run", train, "--on", "aws", status=status)
    assert ("Failed" in done.stdout) == (state == FAILED)


def test_detached_it_returns_at_once(run, stack, train, calls, attended):
    done = run("run", train, "--on", "aws", "--detach", "--json")
    printed = json.loads(done.stdout)
    assert printed["name"] == created(calls)[0]["TrainingJobName"]
    assert record.read(Run.find(printed["name"])).region == "eu-west-1"
    assert attended.runs == []


def test_every_option_reaches_the_request(run, stack, train, calls, attended):
    run("run", train, "--on", "aws", "--instance-type", "ml.m5.large", "--volume-size", 50, "--spot", "--max-run", 600,
        "--max-wait", 900, "--keep-alive", 60, "--subnet", "subnet-0a1b2c3d", "--security-group", "sg-0a1b2c3d",
        "--kms-key", "alias/mine", "--input-mode", "FastFile", "--tag", "team=vision", "--retries", 2)  # fmt: skip
    (request,) = created(calls)
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 50,
        "VolumeKmsKeyId": "alias/mine",
        "KeepAlivePeriodInSeconds": 60,
    }
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}
    assert request["EnableManagedSpotTraining"] is True
    assert request["VpcConfig"] == {"Subnets": ["subnet-0a1b2c3d"], "SecurityGroupIds": ["sg-0a1b2c3d"]}
    assert request["OutputDataConfig"]["KmsKeyId"] == "alias/mine"
    assert request["AlgorithmSpecification"]["TrainingInputMode"] == "FastFile"
    assert request["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    assert {"Key": "team", "Value": "vision"} in request["Tags"]


def test_a_job_files_settings_hold_where_no_option_is_given(run, stack, train, calls, attended, tmp_path):
    path = tmp_path / "job.yaml"
    aws = "{instance_type: ml.m5.large, spot: true, max_wait: 90000, tags: {team: vision}}"
    path.write_text(f"entry_point: {train}\naws: {aws}\n")
    run("run", path, "--on", "aws", "--instance-type", "ml.m4.xlarge", "--no-spot", "--tag", "for=me", "--detach")
    (request,) = created(calls)
    assert request["ResourceConfig"]["InstanceType"] == "ml.m4.xlarge"
    assert "EnableManagedSpotTraining" not in request
    assert {"Key": "team", "Value": "vision"} in request["Tags"]
    assert {"Key": "for", "Value": "me"} in request["Tags"]


def test_a_run_of_ours_there_is_resumed_there_with_its_settings(run, stack, account, train, calls, attended):
    run("run", train, "--on", "aws", "--instance-type", "ml.m5.large", "--checkpoint-every", 1)
    (earlier,) = Run.all()
    account("s3").put_object(Bucket=stack.bucket, Key=f"runs/{earlier.name}/checkpoints/epoch-000001.npz", Body=b"w")
    run("run", "--resume", earlier.name, "--on", "aws", "--detach")
    _, request = created(calls)
    assert request["ResourceConfig"]["InstanceType"] == "ml.m5.large"
    key = f"runs/{request['TrainingJobName']}/checkpoints/epoch-000001.npz"
    assert account("s3").get_object(Bucket=stack.bucket, Key=key)["Body"].read() == b"w"


def test_a_job_that_could_cost_too_much_is_refused(run, stack, train, calls, monkeypatch):
    from launcher.cloud import prices

    known = prices.Price("ml.c5.xlarge", "eu-west-1", 0.25, 0.1, "a test", "2026-01-31")
    monkeypatch.setattr(prices, "training", lambda *_arguments: known)
    run("run", train, "--on", "aws", "--max-run", 80_000, "--max-cost", 1, status=2)
    assert created(calls) == []
    assert Run.all() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--instance-type", "ml.c5.huge"], "instance_type: SageMaker trains on no ml.c5.huge"),
        (["--kill-after", "3"], "kill_after: the drill is for this machine"),
        (["--input-mode", "Pipe"], "input_mode: Pipe gives a script a pipe"),
        (["--subnet", "subnet-0a1b2c3d"], "subnets without security_groups"),
        (["--tag", "glaunch=x"], "tags: 'glaunch'"),
        (["--tag", "x"], "--tag x: expected key=value"),
        (["--spot", "--max-run", "100", "--max-wait", "50"], "max_wait: 50 s is less than max_run"),
    ],
)
def test_what_is_wrong_with_the_words_leaves_no_run(run, stack, train, calls, words, message):
    assert message in run("run", train, "--on", "aws", *words, status=2).stderr
    assert Run.all() == []
    assert calls == []


def test_without_a_stack_it_says_how_to_get_one(run, account, train):
    told = run("run", train, "--on", "aws", status=2).stderr
    assert "no bucket is known: `glaunch infra up` makes one" in told
    assert "no role is known: `glaunch infra up` makes one" in told


@pytest.mark.parametrize(
    "words", [["--spot"], ["--instance-type", "ml.c5.large"], ["--tag", "a=b"], ["--profile", "x"]]
)
def test_options_of_a_job_on_sagemaker_are_refused_for_a_local_one(run, train, words):
    told = run("run", train, *words, status=2).stderr
    assert f"{words[0]}: only a job on SageMaker has it: add --on aws" in told
    assert Run.all() == []


def test_data_in_s3_is_refused_for_a_local_run_with_what_to_do(run, train):
    told = run("run", train, "--data", "s3://a-bucket/digits", status=2).stderr
    assert "the data at s3://a-bucket/digits are in S3: run the job with --on aws, or copy them here" in told
    assert Run.all() == []
