"""Programs written for SageMaker, run here unchanged."""

import subprocess
import textwrap

import boto3
import pytest
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.local import LocalSession
from sagemaker.session import Session

import launcher
from launcher.local.endpoint import Endpoint
from launcher.run import COMPLETED, STOPPED, Run
from launcher.sdk_session import ProcessLocalSession

SUBMISSION = """
    import sagemaker
    from sagemaker.mxnet import MXNet

    session = sagemaker.Session()
    role = sagemaker.get_execution_role()
    train = session.upload_data("data", bucket="our-bucket", key_prefix="project/data")
    estimator = MXNet(
        "train.py", role=role, instance_count=1, instance_type="ml.c5.xlarge", framework_version="1.9.0",
        py_version="py38", output_path="s3://our-bucket/models", use_spot_instances=True, max_run=600, max_wait=1200,
        checkpoint_s3_uri="s3://our-bucket/checkpoints", hyperparameters={"epochs": 2},
    )
    estimator.fit({"train": train})
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    answer = predictor.predict([1, 2])
    batch = session.upload_data("data/a", key_prefix="batch")
    transformer = estimator.transformer(1, "ml.m5.large", accept="application/json")
    transformer.transform(batch, content_type="text/csv")
    output = sagemaker.s3.S3Downloader.read_file(transformer.output_path + "/a.out")
"""
CHECKPOINTING = """
    import os
    directory = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
    found = sorted(os.listdir(directory))
    with open(os.path.join(directory, str(len(found))), "w") as file:
        file.write("1")
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "w"), "w") as file:
        file.write("1")
    print("found", found)
"""


def test_a_submission_written_for_aws_runs_here_unchanged(no_instance, work):
    names = {}
    constructors = Session.__init__, LocalSession.__init__
    with launcher.local_mode() as mode:
        exec(textwrap.dedent(SUBMISSION), names)
        assert isinstance(names["session"], ProcessLocalSession)
        assert names["train"] == "s3://our-bucket/project/data"
        assert names["answer"]["body"] == "[1, 2]"
        assert '"body": "a"' in names["output"]
        assert names["estimator"].model_data.startswith("s3://our-bucket/models/")
        assert boto3.client("s3").list_objects_v2(Bucket="our-bucket", Prefix="project/data/")["KeyCount"] == 4
        assert [run.status.state for run in mode.runs] == [COMPLETED]
        assert len(Endpoint.all()) == 1
    assert not Endpoint.all()
    assert (Session.__init__, LocalSession.__init__) == constructors
    assert boto3.DEFAULT_SESSION is None


def test_names_that_were_imported_before_make_sessions_of_this_machine_too(no_instance, work):
    class Derived(Session):
        def __init__(self):
            """Makes nothing."""

    with launcher.local_mode():
        with launcher.local_mode():
            pass
        assert isinstance(Session(default_bucket="ours"), ProcessLocalSession)
        assert type(LocalSession()) is ProcessLocalSession
        assert type(Derived()) is Derived
        assert sagemaker.Session(boto3.Session(region_name="eu-west-1")).boto_region_name == "eu-west-1"


@pytest.fixture
def repository(work, monkeypatch):
    """The URL of a git repository with train.py, which sleeps for long."""
    (work / "repo").mkdir()
    (work / "repo" / "train.py").write_text("import time\ntime.sleep(600)\n")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), ("add", "train.py"), (*identity, "commit", "-q", "-m", "a script")):
        subprocess.run(["git", *words], cwd=work / "repo", check=True)
    # What git is asked for at example.com, it finds here.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{work}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://git.example.com/")
    return "https://git.example.com/repo"


def test_a_notebook_starts_and_stops_it_and_the_sdk_clones_as_for_aws(repository, make_estimator):
    mode = launcher.local_mode()
    mode.start()
    made = make_estimator(git_config={"repo": repository}, instance_type="ml.c5.xlarge")
    made.fit(wait=False)
    mode.stop()
    mode.stop()
    run = Run.find()
    assert run.status.state == STOPPED
    assert (run.folder / "source" / "train.py").read_text().endswith("time.sleep(600)\n")


def test_what_aws_refuses_is_refused(work, make_estimator):
    with launcher.local_mode():
        made = make_estimator(instance_type="ml.c5.xlarge")
        with pytest.raises(ValueError, match="File URIs are supported in local mode only"):
            made.fit("file://data")
        with pytest.raises(ClientError, match="no object in S3"):
            made.fit({"train": f"s3://{Session().default_bucket()}/none"})


def test_the_next_job_finds_the_checkpoints_of_the_last(no_instance, work, script, make_estimator, capsys):
    path = str(script(CHECKPOINTING))
    with launcher.local_mode():
        for found in ([], ["0"]):
            made = make_estimator(script=path, instance_type="ml.c5.xlarge", checkpoint_s3_uri="s3://ours/checkpoints")
            made.fit()
            assert f"found {found}" in capsys.readouterr().out
