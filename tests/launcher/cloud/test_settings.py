"""What SageMaker would refuse is refused when the settings are made, by the name of the value."""

from __future__ import annotations

import math
import re

import pytest

from launcher.cloud.settings import Limits, Settings
from launcher.errors import UserError

NETWORK = {"subnets": ["subnet-0a1b2c3d"], "security_groups": ["sg-0a1b2c3d"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"instance_type": "c5.xlarge"}, "instance_type: 'c5.xlarge' is not a type of SageMaker's, as ml.c5.xlarge"),
        ({"instance_type": "local"}, "they begin with `ml.`"),
        ({"volume_size": 0}, "volume_size: 1 to 16384 GiB, not 0"),
        ({"volume_size": 20_000}, "volume_size: 1 to 16384 GiB"),
        ({"max_wait": 100}, "max_wait: only spot jobs wait for machines: add spot"),
        ({"spot": True, "max_wait": 0}, "max_wait: more than 0"),
        ({"spot": True, "max_wait": math.nan}, "max_wait: more than 0"),
        ({"keep_alive": -1}, "keep_alive: more than 0"),
        ({"keep_alive": 100_000}, "keep_alive: more than 0 and at most 21600 s (6 hours), not 100000"),
        ({"subnets": ["subnet-0a1b2c3d"]}, "subnets without security_groups: a job in a VPC needs both"),
        ({"security_groups": ["sg-0a1b2c3d"]}, "security_groups without subnets"),
        ({**NETWORK, "subnets": ["sg-0a1b2c3d"]}, "subnets: 'sg-0a1b2c3d' is not the id of one, as subnet-0a1b2c3d"),
        ({**NETWORK, "security_groups": ["sg-0a1b2c3d"] * 6}, "security_groups: at most 5, not 6"),
        ({**NETWORK, "subnets": ["subnet-0a1b2c3d"] * 17}, "subnets: at most 16, not 17"),
        ({"kms_key": "my key"}, "kms_key: 'my key' is neither the id nor the ARN nor the alias of a key"),
        ({"input_mode": "Pipe"}, "MXNet's scripts read files: FastFile streams too, with files"),
        ({"input_mode": "fastfile"}, "input_mode: one of File, FastFile, not 'fastfile'"),
        ({"framework_version": "latest"}, "framework_version: 'latest' is no version"),
        ({"tags": {"glaunch": "mine"}}, "tags: 'glaunch': keys that begin so belong to glaunch"),
        ({"tags": {"Glaunch-run": "x"}}, "tags: 'Glaunch-run': keys that begin so belong to glaunch"),
        ({"tags": {"aws:x": "y"}}, "keys that begin so belong to AWS"),
        ({"tags": {"a": "b;c"}}, "tags: 'a': 'b;c': a key of 1 to 128 characters"),
        ({"tags": {"a" * 129: "b"}}, "a key of 1 to 128 characters"),
        ({"tags": {"a": "b" * 257}}, "a value of at most 256"),
        ({"tags": {f"key{number}": "" for number in range(49)}}, "tags: at most 48 beside glaunch's own, not 49"),
        ({"max_cost": 0}, "max_cost: more than 0 US dollars, not 0"),
        ({"max_cost": math.nan}, "max_cost: more than 0"),
    ],
)
def test_a_value_that_sagemaker_would_refuse_is_refused_by_name(values, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Settings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"tags": {"team/a": "Straße 1, no: = + - @ _".replace(",", "")}},
        {"kms_key": "alias/glaunch"},
        {"instance_type": "ml.c7i-flex.large"},
        {**NETWORK, "subnets": ["subnet-0123456789abcdef0"]},
        {"spot": True, "max_wait": 3600.0, "keep_alive": 21_600},
    ],
)
def test_what_sagemaker_takes_is_taken(values):
    assert Settings(**values)


@pytest.mark.parametrize(
    ("settings", "max_run", "limits"),
    [
        ({}, None, Limits(86_400, None)),
        ({}, 0.5, Limits(1, None)),
        ({"spot": True}, None, Limits(86_400, 172_800)),
        ({"spot": True}, 90.2, Limits(91, 182)),
        ({"spot": True, "max_wait": 91}, 90.2, Limits(91, 91)),
        ({"spot": True}, 20 * 86_400, Limits(20 * 86_400, 28 * 86_400)),
    ],
)
def test_a_job_may_run_a_day_and_a_spot_job_wait_as_long_again(settings, max_run, limits):
    assert Settings(**settings).limits(max_run) == limits


def test_a_spot_job_may_not_wait_less_than_it_may_run():
    with pytest.raises(UserError, match="max_wait: 60 s is less than max_run, which is 61 s"):
        Settings(spot=True, max_wait=60).limits(61)
    with pytest.raises(UserError, match="which is 86400 s"):
        Settings(spot=True, max_wait=3600).limits(None)


@pytest.mark.parametrize("max_run", [29 * 86_400, math.inf])
def test_a_job_may_not_run_for_a_month(max_run):
    with pytest.raises(UserError, match="max_run: at most 28 days"):
        Settings().limits(max_run)


def test_settings_are_equal_whatever_sequence_they_were_made_of():
    assert Settings(**NETWORK) == Settings(subnets=("subnet-0a1b2c3d",), security_groups=("sg-0a1b2c3d",))
