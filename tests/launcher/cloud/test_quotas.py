"""Quotas: what a job needs, and what Service Quotas says, as far as it does."""

from __future__ import annotations

import pytest
from botocore.client import BaseClient

from launcher.cloud import quotas
from launcher.cloud.aws import Aws
from launcher.cloud.settings import Settings
from launcher.config import Config


@pytest.fixture
def listed(monkeypatch, account):
    """`listed(page, ...)`: the quotas that AWS lists, `{name: value}` a page; it returns the pages asked for."""
    asked = []
    call = BaseClient._make_api_call

    def give(*pages):
        def answer(self, operation, arguments):
            if operation != "ListServiceQuotas":
                return call(self, operation, arguments)
            number = int(arguments.get("NextToken", 0))
            asked.append(number)
            more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
            return {"Quotas": [{"QuotaName": name, "Value": value} for name, value in pages[number].items()], **more}

        monkeypatch.setattr(BaseClient, "_make_api_call", answer)
        return asked

    return give


def read(settings, hosts):
    return quotas.read(settings, hosts, Aws(Config(region="eu-west-1")))


def test_a_quota_is_read_until_it_is_found(listed):
    asked = listed(
        {"ml.c5.xlarge for endpoint usage": 9.0},
        {"ml.c5.xlarge for training job usage": 4.0, "ml.c5.xlarge for spot training job usage": 1.0},
        {"ml.p3.2xlarge for training job usage": 0.0},
    )
    found, problem = read(Settings(), 4)
    assert (found, problem) == ([quotas.Quota("ml.c5.xlarge for training job usage", 4, 4.0)], "")
    assert found[0].is_enough
    assert asked == [0, 1]
    assert not read(Settings(), 5)[0][0].is_enough


def test_spot_and_warm_machines_have_quotas_of_their_own(listed):
    listed({"ml.c5.xlarge for spot training job usage": 1.0, "ml.c5.xlarge for training warm pool usage": 0.0})
    found, problem = read(Settings(spot=True, keep_alive=60), 1)
    assert [(quota.value, quota.is_enough) for quota in found] == [(1.0, True), (0.0, False)]
    assert not problem


def test_a_quota_that_aws_does_not_have_is_said_and_stops_nothing(listed):
    listed({"another": 1.0})
    found, problem = read(Settings(), 2)
    assert (found[0].value, found[0].is_enough) == (None, True)
    assert "ml.c5.xlarge for training job usage" in problem


def test_quotas_that_may_not_be_read_are_said_and_stop_nothing(account, refuse):
    refuse("ListServiceQuotas", "AccessDeniedException", "not authorized")
    found, problem = read(Settings(), 2)
    assert (found[0].value, found[0].is_enough) == (None, True)
    assert "denies ListServiceQuotas" in problem
