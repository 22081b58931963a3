"""What a job can cost at most, and the limit to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.cloud import cost
from launcher.cloud.prices import Price
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import TrainingJob

PRICE = Price("ml.c5.xlarge", "eu-west-1", per_hour=0.36, disk=0.1344, source="a list", date="2026-11-20")
BARE = replace(PRICE, disk=0.0)
UNKNOWN = replace(PRICE, per_hour=None, disk=None)


@pytest.fixture
def job(script):
    def make(hosts=1, max_run=None):
        return TrainingJob(script("print(1)\n"), hosts=hosts, max_run=max_run)

    return make


def test_the_most_is_the_time_limit_of_all_hosts_with_their_disks(job):
    found = cost.of(job(hosts=3, max_run=3480), Settings(volume_size=50), PRICE)  # an hour with the 120 s to save in
    assert found.seconds == 3600
    assert found.most == pytest.approx(3 * (0.36 + 50 * 0.1344 / 672))
    assert found.most == pytest.approx(found.per_hour)
    assert found.with_disks


def test_a_job_without_a_limit_may_run_for_a_day(job):
    assert cost.of(job(), Settings(), PRICE).seconds == 86_400 + 120


def test_a_spot_job_is_reckoned_with_its_waits_and_a_warm_pool_with_its_rest(job):
    assert cost.of(job(max_run=1000), Settings(spot=True), PRICE).seconds == 2000 + 120
    assert cost.of(job(max_run=1000), Settings(spot=True, max_wait=1500), PRICE).seconds == 1500 + 120
    assert cost.of(job(max_run=1000), Settings(keep_alive=600), PRICE).seconds == 1000 + 120 + 600


def test_a_disk_inside_the_machine_is_in_its_price_and_an_unknown_one_is_said(job):
    found = cost.of(job(), Settings(instance_type="ml.g4dn.xlarge", volume_size=1000), PRICE)
    assert (found.per_hour, found.with_disks) == (0.36, True)
    found = cost.of(job(), Settings(), replace(PRICE, disk=None))
    assert (found.per_hour, found.with_disks) == (0.36, False)


def test_an_unknown_price_is_no_cost(job):
    found = cost.of(job(), Settings(), UNKNOWN)
    assert (found.per_hour, found.most) == (None, None)


def test_without_a_limit_a_job_stays_as_it_is(job):
    made = job(max_run=50)
    assert cost.limit(made, Settings(), UNKNOWN) is made


def test_a_job_that_is_cheap_enough_stays_as_it_is(job):
    made = job(hosts=2, max_run=3480)
    assert cost.limit(made, Settings(max_cost=0.72), BARE) is made
    assert cost.limit(job(), Settings(max_cost=9), BARE).max_run is None  # a day costs 8.65


@pytest.mark.parametrize("settings", [Settings(), Settings(spot=True), Settings(keep_alive=600)])
def test_a_job_without_max_run_gets_the_longest_that_the_limit_pays(job, settings):
    settings = replace(settings, max_cost=1.0)
    limited = cost.limit(job(hosts=2), settings, PRICE)
    assert cost.of(limited, settings, PRICE).most <= 1.0
    longer = replace(limited, max_run=limited.max_run + 2)
    assert cost.of(longer, settings, PRICE).most > 1.0


def test_a_job_that_could_cost_more_is_refused_with_what_would_do(job):
    settings = Settings(max_cost=0.36)
    with pytest.raises(UserError, match=r"could cost \$0.73.*--max-run 3480 or less") as error:
        cost.limit(job(max_run=7100), settings, BARE)
    assert "ml.c5.xlarge" in str(error.value)
    assert cost.limit(job(max_run=3480), settings, BARE).max_run == 3480


def test_a_wait_that_could_cost_more_is_refused(job):
    settings = Settings(spot=True, max_wait=86_400, max_cost=0.36)
    with pytest.raises(UserError, match="--max-wait 3480 or less"):
        cost.limit(job(max_run=600), settings, BARE)


def test_a_limit_that_pays_for_nothing_is_refused(job):
    with pytest.raises(UserError, match="does not pay for a minute"):
        cost.limit(job(hosts=8), Settings(max_cost=0.01), BARE)


def test_a_limit_to_an_unknown_price_is_refused(job):
    with pytest.raises(UserError, match=r"ml\.c5\.xlarge in eu-west-1 is not known"):
        cost.limit(job(), Settings(max_cost=5), UNKNOWN)


@pytest.mark.parametrize(
    ("amount", "said"), [(1234.561, "$1,234.57"), (0.231, "$0.24"), (0.0045, "$0.0045"), (2.0, "$2.00"), (0.3, "$0.30")]
)
def test_dollars_are_rounded_up(amount, said):
    assert cost.dollars(amount) == said
