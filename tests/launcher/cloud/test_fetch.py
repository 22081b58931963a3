"""What a job on SageMaker left, brought here: whole, usable, and only what is the stack's."""

from __future__ import annotations

import io
import json
import tarfile

import boto3
import pytest
from sent_jobs import create

from launcher import archive, jobfile
from launcher.job import TrainingJob
from launcher.local import runner
from launcher.run import Run


def packed(**files):
    """The bytes of a gzipped tar file with these contents."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def members(path):
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}


@pytest.fixture
def code(stack):
    """The address of a packed script, as a job's hyperparameters have it."""
    boto3.client("s3").put_object(
        Bucket=stack.bucket, Key="code/1/sourcedir.tar.gz", Body=packed(**{"script.py": b"def model_fn(d): pass\n"})
    )
    return {
        "sagemaker_submit_directory": f"s3://{stack.bucket}/code/1/sourcedir.tar.gz",
        "sagemaker_program": "script.py",
    }


def test_the_model_gets_the_code_that_an_endpoint_needs_and_the_output_is_there(sent, run, code):
    job = sent(values=code).becomes("Completed")
    job.leaves("output/model.tar.gz", packed(weights=b"w")).leaves("output/output.tar.gz", packed(plot=b"p"))
    found = json.loads(run("fetch", "--json").stdout)
    assert found["model"] == str(job.run.model)
    assert members(job.run.model) == {"weights": b"w", "code/script.py": b"def model_fn(d): pass\n"}
    assert members(job.run.output) == {"plot": b"p"}
    assert sorted(path.name for path in job.run.folder.iterdir() if path.name.startswith(".")) == []


def test_code_that_the_model_has_stays(sent, run, code):
    job = sent(values=code).becomes("Completed").leaves("output/model.tar.gz", packed(code__mine_py=b"1"))
    run("fetch")
    assert members(job.run.model) == {"code/mine_py": b"1"}


def test_lines_and_measurements_are_fetched_too_and_a_second_time_nothing_twice(sent, run, calls):
    job = sent().prints("[Epoch 0] Validation: accuracy=0.5").becomes("Completed")
    job.leaves("output/model.tar.gz", packed(weights=b"w"))
    run("fetch")
    calls.clear()
    assert f"{job.name}: Completed" in run("fetch", job.name).stdout
    assert len(job.run.metrics.read_text().splitlines()) == 1
    assert "GetObject" not in [operation for _, operation, _ in calls]


def test_checkpoints_are_where_those_of_a_local_run_are(sent, run, stack):
    job = sent(CheckpointConfig={"S3Uri": f"s3://{stack.bucket}/x/checkpoints"}).becomes("Stopped", "Stopped: x")
    s3 = boto3.client("s3")
    s3.put_object(Bucket=stack.bucket, Key="x/checkpoints/epoch-000001.npz", Body=b"1")
    s3.put_object(Bucket=stack.bucket, Key="x/checkpoints-of-another/epoch-000001.npz", Body=b"2")
    directory = job.run.host("algo-1") / "checkpoints"
    assert json.loads(run("fetch", "--json").stdout)["checkpoints"] == 1
    assert [path.read_bytes() for path in directory.iterdir()] == [b"1"]
    s3.put_object(Bucket=stack.bucket, Key="x/checkpoints/epoch-000002.npz", Body=b"3")
    run("fetch")
    assert sorted(path.name for path in directory.iterdir()) == ["epoch-000001.npz", "epoch-000002.npz"]
    assert [path.name for path in directory.parent.iterdir()] == ["checkpoints"]


def test_a_checkpoint_with_a_name_that_leads_out_is_refused(sent, run, stack):
    job = sent(CheckpointConfig={"S3Uri": f"s3://{stack.bucket}/x/checkpoints"})
    boto3.client("s3").put_object(Bucket=stack.bucket, Key="x/checkpoints/../../evil", Body=b"1")
    assert "leads out of its directory" in run("fetch", status=2).stderr
    assert not (job.run.host("algo-1") / "checkpoints").exists()


def test_a_damaged_model_is_refused_and_none_is_left(sent, run):
    job = sent().becomes("Completed").leaves("output/model.tar.gz", packed(weights=b"w" * 9999)[:-20])
    assert "no model.tar.gz that can be extracted" in run("fetch", status=2).stderr
    assert not job.run.model.exists()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("InProgress", "no model yet: `glaunch logs -f"),
        ("Failed", "it left no model: see `glaunch explain"),
        ("Completed", "its script saved none"),
    ],
)
def test_a_job_without_a_model_says_so(sent, run, state, told):
    sent().becomes(state)
    assert told in run("fetch").stdout


def test_a_job_that_is_gone_leaves_what_is_here(sent, run):
    job = sent().becomes("Completed").leaves("output/model.tar.gz", packed(weights=b"w"))
    run("fetch")
    job.is_deleted()
    assert "any more: what is here of it stays" in run("fetch", status=2).stderr
    assert job.run.model.exists()


def test_a_bucket_that_may_not_be_read_says_what_is_needed(sent, run, refuse):
    sent().becomes("Completed")
    refuse("HeadObject", "403", "Forbidden")
    assert "AWS denies HeadObject" in run("fetch", status=2).stderr


def test_a_local_run_has_nothing_to_fetch(recorded, run):
    recorded()
    assert "ran here" in run("fetch", status=2).stderr


def test_a_job_from_another_machine_becomes_a_run_that_can_be_repeated(run, stack, code, alter):
    config = [{
        "ChannelName": "training",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data-1/x/",
                                        "S3DataDistributionType": "ShardedByS3Key"}},
    }]  # fmt: skip
    create("digits-2026-01-31-12-00-00-000", stack, 2, values={**code, "epochs": 3, "f": [0.5]}, InputDataConfig=config)
    key = "runs/digits-2026-01-31-12-00-00-000/output/model.tar.gz"
    boto3.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=packed(weights=b"w"))
    variables = {"GLAUNCH_CHECKPOINT_EVERY": "2 epochs", "GLAUNCH_STALL_SECONDS": "600", "MINE": "1"}
    stopping = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    more = {"Environment": variables, "StoppingCondition": stopping, "EnableManagedSpotTraining": True}
    alter("DescribeTrainingJob", lambda answer: {**answer, **more, "RetryStrategy": {"MaximumRetryAttempts": 2}})
    run("fetch", "digits-2026-01-31-12-00-00-000")
    adopted = Run.find("digits")
    job = adopted.job
    assert (job.hosts, job.hyperparameters, job.max_run) == (2, {"epochs": 3, "f": [0.5]}, 3600)
    assert job.script == adopted.folder / "code" / "script.py"
    assert (job.channels["training"].source, job.channels["training"].distribution) == (
        "s3://data-1/x/",
        "ShardedByS3Key",
    )
    assert (job.environment, job.checkpoints.every, job.retries) == ({"MINE": "1"}, "2 epochs", 2)
    settings = jobfile.read_settings(adopted.folder / "job.yaml")
    assert (settings.instance_type, settings.spot, settings.max_wait) == ("ml.c5.xlarge", True, 7200)
    assert adopted.status.state == "Completed"
    assert "2 x ml.c5.xlarge" in run("show").stdout
    assert members(adopted.model)["weights"] == b"w"


@pytest.mark.parametrize("tags", [{}, {"glaunch": "other"}])
def test_a_job_that_is_not_the_stacks_is_not_touched(run, stack, home, tags):
    create("theirs", stack, tags=tags)
    assert "was not sent by glaunch with the stack glaunch" in run("fetch", "theirs", status=2).stderr
    assert Run.all() == []


def test_a_job_that_nobody_knows_is_told_and_leaves_nothing(run, stack, home):
    done = run("fetch", "nothing", status=2)
    assert "`glaunch ls --on aws` lists them" in done.stderr
    assert Run.all() == []


def test_a_job_whose_code_cannot_be_fetched_leaves_no_half_a_run(run, stack, home, code):
    create("half", stack, values=code)
    boto3.client("s3").delete_object(Bucket=stack.bucket, Key="code/1/sourcedir.tar.gz")
    assert "there is no s3://" in run("fetch", "half", status=2).stderr
    assert Run.all() == []
    assert list(home.glob(".*")) == []


def test_a_real_model_that_was_fetched_can_be_exported(sent, run, stack, home, tmp_path):
    """The model of a local training, as a job on SageMaker would leave it: without code."""
    from launcher import data, library
    from launcher.job import Channel

    trained = Run.create(
        TrainingJob(
            library.built_in()["mnist_mlp"],
            hyperparameters={"epochs": 1, "hidden": [8]},
            channels={"training": Channel(data.sample_digits())},
        )
    )
    assert runner.launch(trained, detach=False).wait(120) == 0
    archive.pack(trained.host("algo-1") / "code", tmp_path / "sourcedir.tar.gz")
    archive.pack(trained.host("algo-1") / "model", tmp_path / "model.tar.gz")
    boto3.client("s3").upload_file(str(tmp_path / "sourcedir.tar.gz"), stack.bucket, "code/2/sourcedir.tar.gz")
    job = sent(values={"sagemaker_submit_directory": f"s3://{stack.bucket}/code/2/sourcedir.tar.gz"})
    job.becomes("Completed").leaves("output/model.tar.gz", (tmp_path / "model.tar.gz").read_bytes())
    run("fetch", job.name)
    assert "code/mnist_mlp.py" in members(job.run.model)
    assert json.loads(run("export", job.name, "--json").stdout)["path"] == str(job.run.folder / "model.onnx")
