"""Jobs whose inputs and outputs are in S3."""

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import TrainingInput

from launcher.sdk_session import ProcessLocalSession


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="theirs")
        for name in "abcd":
            s3.put_object(Bucket="theirs", Key=f"data/{name}", Body=name.encode())
        yield s3


def keys(s3):
    return [one["Key"] for one in s3.list_objects_v2(Bucket="theirs").get("Contents", [])]


def test_inputs_outputs_and_code_of_a_bucket(bucket, estimator, seen, session):
    made = estimator(output_path="s3://theirs/out", code_location="s3://theirs/code")
    made.fit({"train": "s3://theirs/data", "test": TrainingInput("s3://theirs/data/b")})
    name = made.latest_training_job.name
    assert made.model_data == f"s3://theirs/out/{name}/output/model.tar.gz"
    assert {f"out/{name}/output/model.tar.gz", f"code/{name}/source/sourcedir.tar.gz"} <= set(keys(bucket))
    assert seen(session, made.model_data)["files"] == {"train": ["a", "b", "c", "d"], "test": ["b"]}
    predictor = made.deploy(1, "local")
    assert predictor.predict([1])["name"] == "algo-1"


def test_outputs_that_cannot_be_written_fail_the_job(bucket, estimator):
    made = estimator(output_path="s3://nobodys/out", code_location="s3://theirs/code")
    with pytest.raises(UnexpectedStatusException, match="the outputs cannot be written to s3://nobodys/out"):
        made.fit()


def test_without_credentials_s3_says_so(no_instance, estimator):
    with pytest.raises(NoCredentialsError, match="Unable to locate credentials"):
        estimator().fit({"train": "s3://theirs/data"})


def test_a_session_of_a_named_bucket_uses_that_one(bucket, work, make_estimator):
    with ProcessLocalSession(default_bucket="theirs") as session:
        made = make_estimator(sagemaker_session=session)
        made.fit()
        assert made.model_data.startswith("s3://theirs/")
        assert any(key.endswith("output/model.tar.gz") for key in keys(bucket))
