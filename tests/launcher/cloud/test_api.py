"""What AWS's own description of a call says against its arguments."""

from __future__ import annotations

import pytest

from launcher.cloud import api, estimator
from launcher.cloud.estimator import Names, Places
from launcher.cloud.settings import Settings
from launcher.job import Channel, TrainingJob

ROLE = "arn:aws:iam::123456789012:role/a-role"
PLACES = Places(
    "s3://a-bucket/code/sourcedir.tar.gz", "train.py", {"training": "s3://a-bucket/data/"}, "s3://a-bucket/runs"
)


def problems(job, settings=None, **names):
    made = Names(**{"job_name": "a-job", "role": ROLE, "stack": "glaunch", "region": "eu-west-1", **names})
    request = estimator.training_request(job, settings or Settings(), PLACES, made)
    return api.problems("CreateTrainingJob", request)


@pytest.fixture
def train(script):
    return script("print(1)\n", "train.py")


def test_a_full_request_is_as_aws_describes_it(train):
    job = TrainingJob(
        train,
        hyperparameters={"text": "a\nb", "umlaut": "ä", "empty": ""},
        channels={"training": Channel("s3://a-bucket/data/")},
        hosts=2,
        environment={"LINES": "a\nb"},
        retries=30,
    )
    settings = Settings(spot=True, keep_alive=60, kms_key="alias/a", tags={"team": "vision"})
    assert problems(job, settings) == []


@pytest.mark.parametrize(
    ("words", "names", "message"),
    [
        (
            {"hyperparameters": {"text": "x" * 2500}},
            {},
            "hyperparameters.text: 2,502 characters, and AWS takes at most 2,500",
        ),
        ({"hyperparameters": {"n" * 257: 1}}, {}, "257 characters, and AWS takes at most 256"),
        (
            {"hyperparameters": {f"v{n}": n for n in range(96)}},
            {},
            "hyperparameters: 101 entries, glaunch's and SageMaker's",
        ),
        ({"environment": {"LONG": "x" * 513}}, {}, "environment.LONG: 513 characters, and AWS takes at most 512"),
        ({"environment": {f"V{n}": "" for n in range(101)}}, {}, "environment: 101 entries"),
        ({"retries": 31}, {}, "retries: 31, and AWS takes at most 30"),
        ({}, {"job_name": "a_job"}, "name: 'a_job' has not the form that AWS takes"),
        ({}, {"job_name": "a" * 64}, "name: 64 characters, and AWS takes at most 63"),
    ],
)
def test_what_is_too_long_too_many_or_of_another_form_is_named(train, words, names, message):
    assert any(message in found for found in problems(TrainingJob(train, **words), **names))


def test_a_role_that_is_none_is_found_and_no_account_is_told(train):
    (found,) = problems(TrainingJob(train), role="arn:aws:iam::123456789012:user/a-user")
    assert found.startswith("role: 'arn:aws:iam::************:user/a-user' has not the form")


def test_a_value_that_aws_does_not_know_is_found():
    wrong = {"ResourceConfig": {"InstanceType": "ml.c5.huge", "InstanceCount": 1}}
    assert api.problems("CreateTrainingJob", wrong) == [
        "ResourceConfig.InstanceType: 'ml.c5.huge' is none of AWS's values"
    ]


def test_the_instance_types_are_those_of_training():
    known = api.training_instance_types()
    assert {"ml.c5.xlarge", "ml.p3.2xlarge"} <= set(known)
    assert "ml.inf1.xlarge" not in known
