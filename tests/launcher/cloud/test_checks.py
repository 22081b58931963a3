"""What AWS would refuse of a job is found before anything is sent."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from launcher.cloud import checks
from launcher.cloud.aws import Aws
from launcher.cloud.settings import Settings
from launcher.config import Config
from launcher.errors import UserError
from launcher.job import Channel, Checkpoints, TrainingJob

CONFIG = Config(region="eu-west-1", bucket="a-bucket", role="a-role")


@pytest.fixture
def train(script):
    return script("print(1)\n", "train.py")


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        (
            {},
            {"instance_type": "ml.c5.xlagre"},
            "instance_type: SageMaker trains on no ml.c5.xlagre: did you mean ml.c5.xl",
        ),
        ({}, {"instance_type": "ml.inf1.xlarge"}, "instance_type: SageMaker trains on no ml.inf1.xlarge"),
        ({}, {"instance_type": "ml.trn1.2xlarge"}, "AWS has no MXNet image for the accelerators of ml.trn1.2xlarge"),
        ({}, {"instance_type": "ml.p5.48xlarge"}, "the GPUs of ml.p5.48xlarge are newer than CUDA 11.2"),
        ({}, {"framework_version": "1.5.0"}, "framework_version: AWS has no MXNet image 1.5.0"),
        ({"kill_after": 3.0}, {}, "kill_after: the drill is for this machine"),
        ({"max_run": 100.0}, {"spot": True, "max_wait": 50}, "max_wait: 50 s is less than max_run"),
        ({"max_run": 1e9}, {}, "max_run: at most 28 days"),
    ],
)
def test_what_no_account_could_run_is_found_without_aws(train, words, settings, message):
    (found,) = checks.job(TrainingJob(train, **words), Settings(**settings), CONFIG, "eu-west-1")
    assert message in found


def test_a_good_job_has_nothing_wrong(train):
    for instance_type in ("ml.m5.large", "ml.g5.xlarge", "ml.p4d.24xlarge"):
        assert checks.job(TrainingJob(train), Settings(instance_type=instance_type), CONFIG, "eu-west-1") == []


def test_everything_that_is_wrong_is_told_at_once(train):
    job, settings = TrainingJob(train, kill_after=1.0), Settings(instance_type="ml.c5.huge")
    found = checks.job(job, settings, Config(), "eu-west-1")
    assert [text.split(":")[0] for text in found] == [
        "no bucket is known",
        "no role is known",
        "kill_after",
        "instance_type",
    ]
    with pytest.raises(
        UserError, match=r"cannot run on SageMaker:\n- no bucket is known: `glaunch infra up`.*\n- no role"
    ):
        checks.require(found)


def test_a_script_of_the_older_kind_needs_an_image_that_gluon_job_runs_on(script):
    older = TrainingJob(script("def train(hyperparameters): return 1\n"))
    program = TrainingJob(script("print(1)\n", "program.py"))
    settings = Settings(framework_version="1.7.0")
    (found,) = checks.job(older, settings, CONFIG, "eu-west-1")
    assert "gluon_job, which script.py needs, runs on Python 3.8, and AWS's image 1.7.0 has py3: take 1.9.0" in found
    assert checks.job(program, settings, CONFIG, "eu-west-1") == []


def test_a_good_account_has_nothing_wrong(train, stack, account):
    account("s3").put_object(Bucket=stack.bucket, Key="digits/one", Body=b"1")
    channels = {"training": Channel(f"s3://{stack.bucket}/digits")}
    assert checks.account(TrainingJob(train, channels=channels), stack, Aws(stack)) == []
    assert re.fullmatch(rf"arn:aws:iam::\d+:role/{stack.role}", checks.role_arn(stack, Aws(stack)))


def test_a_role_that_is_not_there_or_not_for_sagemaker_is_found(train, stack, account):
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account("iam").create_role(RoleName="for-ec2", AssumeRolePolicyDocument=document)
    job = TrainingJob(train)
    for role, message in (
        ("missing", "there is no role missing: `glaunch infra up`"),
        ("for-ec2", "its trust policy lacks"),
    ):
        (found,) = checks.account(job, replace(stack, role=role), Aws(stack))
        assert message in found


def test_a_denied_look_at_the_role_names_what_is_needed(train, stack, refuse):
    refuse(
        "GetRole", "AccessDenied", "user arn:aws:iam::123456789012:user/me is not authorized to perform: iam:GetRole"
    )
    (found,) = checks.account(TrainingJob(train), stack, Aws(stack))
    assert "AWS denies GetRole" in found
    assert "glaunch infra policy" in found
    assert "123456789012" not in found


def test_a_bucket_that_is_not_there_is_found(train, stack):
    (found,) = checks.account(TrainingJob(train), replace(stack, bucket="another-bucket"), Aws(stack))
    assert "there is no bucket another-bucket" in found


def test_data_in_s3_that_is_missing_or_far_away_is_found(train, stack, account):
    account("s3", region_name="ap-south-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "ap-south-1"}
    )
    channels = {"empty": f"s3://{stack.bucket}/nothing", "lost": "s3://no-such-bucket/x", "far": "s3://far-away/x"}
    job = TrainingJob(
        train,
        channels={name: Channel(uri) for name, uri in channels.items()},
        checkpoints=Checkpoints(source=f"s3://{stack.bucket}/runs/earlier/checkpoints"),
    )
    empty, lost, far, checkpoints = checks.account(job, stack, Aws(stack))
    assert empty == f"channel empty: there is nothing at s3://{stack.bucket}/nothing"
    assert lost == "channel lost: there is no bucket no-such-bucket"
    assert far.startswith(
        "channel far: the bucket far-away is in ap-south-1, and SageMaker reads data of its own region"
    )
    assert checkpoints == f"checkpoints: there is nothing at s3://{stack.bucket}/runs/earlier/checkpoints"


def test_data_that_may_not_be_looked_at_is_found(train, stack, refuse):
    refuse("HeadBucket", "403", "Forbidden")
    job = TrainingJob(train, channels={"training": Channel("s3://not-ours/x")})
    found = checks.account(job, stack, Aws(stack))
    assert "channel training: these credentials may not look into the bucket not-ours" in found
