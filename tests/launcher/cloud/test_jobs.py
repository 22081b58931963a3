"""A job is sent once, whatever the network does; and what is not sent leaves nothing behind."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from launcher import jobfile
from launcher.cloud import creation, jobs, record
from launcher.cloud.aws import Aws
from launcher.cloud.settings import Settings
from launcher.errors import JobFailed, UserError
from launcher.job import Channel, Checkpoints, TrainingJob
from launcher.run import FAILED, IN_PROGRESS, STOPPED, Run

FAULT = ClientError(
    {"Error": {"Code": "InternalFailure", "Message": "a fault"}, "ResponseMetadata": {"HTTPStatusCode": 500}},
    "CreateTrainingJob",
)
LOST = ReadTimeoutError(endpoint_url="https://api.sagemaker.eu-west-1.amazonaws.com")
UNSENT = ConnectTimeoutError(endpoint_url="https://api.sagemaker.eu-west-1.amazonaws.com")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "one").write_text("1")
    return folder


@pytest.fixture
def job(script, data):
    return TrainingJob(script("print('hello')\n", "train.py"), channels={"training": Channel(data)})


@pytest.fixture
def submit(stack):
    """`submit(job, settings)`: sends it; the run."""

    def send(job, settings=None, **words):
        run = Run.create(job)
        jobs.submit(run, job, settings or Settings(), stack, Aws(stack), **words)
        return run

    return send


@pytest.fixture
def answer(monkeypatch):
    """`answer("CreateTrainingJob", *errors)`: AWS does what the calls ask, but for each answers with an error first."""
    from botocore.client import BaseClient

    left: dict[str, list] = {}
    call = BaseClient._make_api_call

    def lose(self, operation, arguments):
        found = call(self, operation, arguments)
        if left.get(operation):
            raise left[operation].pop(0)
        return found

    monkeypatch.setattr(BaseClient, "_make_api_call", lose)
    return lambda operation, *errors: left.__setitem__(operation, list(errors))


def created(calls):
    return [arguments for _, operation, arguments in calls if operation == "CreateTrainingJob"]


def keys(account, bucket):
    return [one["Key"] for one in account("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def the_run():
    (run,) = Run.all()
    return run


def test_code_and_data_are_sent_and_then_the_job_under_the_runs_name(submit, stack, account, job, calls):
    run = submit(job, Settings(tags={"team": "vision"}), profile="default", price=0.23)
    (request,) = created(calls)
    values = {name: json.loads(value) for name, value in request["HyperParameters"].items()}
    bucket, _, key = values["sagemaker_submit_directory"].removeprefix("s3://").partition("/")
    packed = account("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.extractfile("train.py").read() == b"print('hello')\n"
    (channel,) = request["InputDataConfig"]
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert account("s3").get_object(Bucket=bucket, Key=f"{uri.partition(bucket + '/')[2]}one")["Body"].read() == b"1"
    at_aws = account("sagemaker").describe_training_job(TrainingJobName=run.name)
    tags = account("sagemaker").list_tags(ResourceArn=at_aws["TrainingJobArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "glaunch": "glaunch",
        "glaunch-run": run.name,
        "team": "vision",
    }
    assert record.read(run) == record.Record(
        run.name, "eu-west-1", "default", f"s3://{stack.bucket}/runs", "ml.c5.xlarge", 0.23
    )
    assert run.is_remote
    assert run.status.state == IN_PROGRESS


def test_what_was_sent_is_not_sent_again(submit, account, job, stack, calls):
    submit(job)
    before = keys(account, stack.bucket)
    calls.clear()
    submit(job)
    assert keys(account, stack.bucket) == before
    assert not [operation for service, operation, _ in calls if service == "s3" and operation.startswith("Put")]


def test_the_folder_keeps_the_job_with_its_settings(submit, job):
    settings = Settings(instance_type="ml.m5.large", spot=True, tags={"team": "vision"})
    path = submit(job, settings).folder / "job.yaml"
    assert jobfile.read(path) == job
    assert jobfile.read_settings(path) == settings


def test_its_steps_are_told(submit, job):
    told = []
    submit(job, on_step=lambda doing, done=0, total=0: told.append((doing, total > 0 and done == total)))
    steps = list(dict.fromkeys(doing for doing, _ in told))
    assert steps == ["checking the job", "packing the code", "reading the channel training", "sending the code",
                     "sending the channel training", "creating the job"]  # fmt: skip
    assert ("sending the channel training", True) in told


@pytest.mark.parametrize("error", [LOST, FAULT])
def test_a_job_whose_answer_was_lost_is_found_and_not_sent_again(submit, job, calls, answer, error):
    answer("CreateTrainingJob", error)
    run = submit(job)
    assert len(created(calls)) == 1
    assert run.is_remote


def test_a_job_that_never_arrived_is_sent_again_when_the_network_is_back(submit, job, calls, refuse):
    refuse("CreateTrainingJob", UNSENT, times=2)
    assert submit(job).is_remote
    assert len(created(calls)) == 1  # of which AWS heard


def test_a_name_that_is_in_use_by_this_very_job_is_ours(submit, job, calls, answer):
    """The first answer was lost, and so was the look; then the name is taken: by this job."""
    answer(
        "CreateTrainingJob",
        FAULT,
        ClientError({"Error": {"Code": "ResourceInUse", "Message": ""}}, "CreateTrainingJob"),
    )
    answer("DescribeTrainingJob", LOST)
    assert submit(job).is_remote


def test_a_name_that_another_job_has_is_told_and_that_job_left_alone(submit, job, account, stack, refuse, monkeypatch):
    monkeypatch.setattr("launcher.run._new_folder", taken_name)
    account("sagemaker").create_training_job(
        TrainingJobName="taken",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/another",
        OutputDataConfig={"S3OutputPath": "s3://another/place"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    refuse("CreateTrainingJob", "ResourceInUse", "Training job names must be unique")
    with pytest.raises(UserError, match="there is another training job taken already: run this one again"):
        submit(job)
    assert not the_run().is_remote
    assert account("sagemaker").describe_training_job(TrainingJobName="taken")["RoleArn"].endswith("another")


def taken_name(runs, _base):
    (runs / "taken").mkdir()
    return runs / "taken"


def test_throttling_is_waited_out(submit, job, calls, refuse):
    refuse("CreateTrainingJob", "ThrottlingException", "Rate exceeded", times=3)
    assert submit(job).is_remote
    assert len(created(calls)) == 1


def test_when_aws_does_not_say_the_run_is_left_to_be_looked_after(submit, job, refuse, monkeypatch):
    monkeypatch.setattr(creation, "PATIENCE", 0.0)
    refuse("CreateTrainingJob", LOST)
    refuse("DescribeTrainingJob", LOST)
    with pytest.raises(JobFailed, match="AWS did not say in 0 s whether it made the training job: `glaunch show"):
        submit(job)
    assert the_run().is_remote
    assert the_run().status.state == IN_PROGRESS


def test_a_job_that_aws_refuses_has_failed_with_the_reason_and_nothing_is_left(
    submit, job, account, stack, refuse, tmp_path
):
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "epoch-000001.npz").write_bytes(b"weights")
    refuse(
        "CreateTrainingJob", "ResourceLimitExceeded", "The account-level service limit 'ml.c5.xlarge' is 0 Instances"
    )
    with pytest.raises(UserError, match="ResourceLimitExceeded"):
        submit(TrainingJob(job.script, checkpoints=Checkpoints(source=checkpoints)))
    run = the_run()
    assert not run.is_remote
    assert run.status.state == FAILED
    assert "service limit 'ml.c5.xlarge' is 0 Instances" in run.status.reason
    assert {key.split("/")[0] for key in keys(account, stack.bucket)} == {"code"}


def test_what_the_request_itself_has_wrong_is_found_before_anything_is_sent(submit, job, account, stack, calls):
    with pytest.raises(UserError, match=r"hyperparameters\.text: 3,002 characters, and AWS takes at most 2,500"):
        submit(TrainingJob(job.script, hyperparameters={"text": "x" * 3000}, channels=job.channels))
    assert keys(account, stack.bucket) == []
    assert created(calls) == []
    assert the_run().status.state == FAILED


def test_an_upload_that_is_interrupted_stops_the_run_and_sends_no_job(submit, job, calls):
    def interrupt(doing, done=0, total=0):
        if doing == "sending the channel training":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(job, on_step=interrupt)
    assert (the_run().status.state, the_run().is_remote) == (STOPPED, False)
    assert the_run().status.reason == "stopped before its job was sent"
    assert created(calls) == []


def test_an_interruption_while_the_job_is_made_leaves_it_to_be_looked_after(submit, job, answer):
    answer("CreateTrainingJob", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        submit(job)
    assert (the_run().status.state, the_run().is_remote) == (IN_PROGRESS, True)


@pytest.mark.parametrize("where", ["here", "in S3"])
def test_the_checkpoints_to_go_on_from_are_put_where_the_job_finds_them(
    submit, job, account, stack, tmp_path, calls, where
):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "epoch-000001.npz").write_bytes(b"weights")
    source = folder
    if where == "in S3":
        source = f"s3://{stack.bucket}/runs/earlier/checkpoints"
        account("s3").put_object(Bucket=stack.bucket, Key="runs/earlier/checkpoints/epoch-000001.npz", Body=b"weights")
        account("s3").put_object(Bucket=stack.bucket, Key="runs/earlier/checkpoints-2/other", Body=b"no")
    run = submit(TrainingJob(job.script, checkpoints=Checkpoints(source=source)))
    prefix = f"runs/{run.name}/checkpoints"
    assert created(calls)[0]["CheckpointConfig"] == {"S3Uri": f"s3://{stack.bucket}/{prefix}"}
    assert [key for key in keys(account, stack.bucket) if key.startswith(prefix)] == [f"{prefix}/epoch-000001.npz"]
    body = account("s3").get_object(Bucket=stack.bucket, Key=f"{prefix}/epoch-000001.npz")["Body"].read()
    assert body == b"weights"
