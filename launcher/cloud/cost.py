"""What a job on SageMaker can cost at most, and how long it may run to stay below a limit.

    hosts x (price of an instance-hour + volume_size x price of a GB-month / 672 hours) x (seconds / 3600)

A month has at least 672 hours. The seconds are max_run, or max_wait of a spot job, which counts its waits too; then the
120 s in which a job that is stopped may save its model, and those that its machines are kept alive. Retries are within
them: SageMaker counts all attempts together. Not in it: S3, CloudWatch, traffic, taxes, and uploading a large model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from launcher.cloud.prices import Price
from launcher.cloud.settings import DAY, Settings
from launcher.errors import UserError
from launcher.job import TrainingJob

_HOURS = 28 * 24  # of the shortest month
_SAVING = 120  # seconds, between the signal and the end of a job
_SHORTEST = 60  # seconds; in less than that no script has begun
# Their disk is in the machine and in its price.
_OWN_DISK = ("c5d", "g4dn", "g5", "g6", "g6e", "m5d", "p3dn", "p4d", "p4de", "p5", "r5d")


@dataclass(frozen=True)
class Cost:
    """What a job can cost.

    Attributes:
        per_hour: US dollars, of all hosts with their disks; None where the price is not known.
        most: US dollars; None likewise.
        seconds: that the most is reckoned with, of each host.
        with_disks: whether the disks are in it; not where only their price is not known.
        spot: whether it is less, as AWS sets the price of spare machines by the hour.
        price: of one instance.
    """

    per_hour: float | None
    most: float | None
    seconds: int
    with_disks: bool
    spot: bool
    price: Price


def of(job: TrainingJob, settings: Settings, price: Price) -> Cost:
    """What a job can cost, its machines at that price.

    Raises:
        UserError: its times are not those of a job on SageMaker.
    """
    run, wait = settings.limits(job.max_run)
    seconds = (wait or run) + _beside(settings)
    own_disk = settings.instance_type.split(".")[1] in _OWN_DISK
    disk = 0.0 if own_disk or price.disk is None else settings.volume_size * price.disk / _HOURS
    per_hour = None if price.per_hour is None else job.hosts * (price.per_hour + disk)
    most = None if per_hour is None else per_hour * seconds / 3600
    return Cost(per_hour, most, seconds, own_disk or price.disk is not None, settings.spot, price)


def limit(job: TrainingJob, settings: Settings, price: Price) -> TrainingJob:
    """The job, as long as it cannot cost more than `settings.max_cost`.

    A job without a max_run that could gets the longest that the limit allows.

    Raises:
        UserError: it could cost more, or its price is not known.
    """
    if settings.max_cost is None:
        return job
    cost, asked = of(job, settings, price), f"--max-cost {settings.max_cost:g}"
    if cost.per_hour is None or cost.most is None:
        raise UserError(
            f"{asked}: the price of {settings.instance_type} in {price.region} is not known here: leave the limit out, "
            "and look at https://aws.amazon.com/sagemaker/pricing for what --max-run to give"
        )
    if cost.most <= settings.max_cost:
        return job
    longest = _longest_run(settings, cost.per_hour)
    what = f"{job.hosts} x {settings.instance_type} cost {dollars(cost.per_hour)} an hour"
    if longest < _SHORTEST:
        raise UserError(f"{asked}: {what}: that does not pay for a minute, whatever max_run is")
    if job.max_run is not None or settings.max_wait is not None:
        time = "--max-wait" if settings.max_wait is not None else "--max-run"
        allowed = longest if settings.max_wait is None else _billed(settings, cost.per_hour)
        raise UserError(
            f"{asked}: the job could cost {dollars(cost.most)}: {what}, for at most {duration(cost.seconds)}. "
            f"Give {time} {allowed} or less, or fewer hosts, or another --instance-type"
        )
    return replace(job, max_run=float(longest))


def _beside(settings: Settings) -> int:
    """Seconds that are paid beside those of the job's own limits."""
    return _SAVING + math.ceil(settings.keep_alive or 0)


def _billed(settings: Settings, per_hour: float) -> int:
    """Seconds of a job's own that its limit pays for."""
    return math.floor((settings.max_cost or 0) / per_hour * 3600) - _beside(settings)


def _longest_run(settings: Settings, per_hour: float) -> int:
    """Of a job without a max_run: a spot job waits as long again, unless it says how long."""
    billed = _billed(settings, per_hour)
    return min(DAY, billed // 2 if settings.spot and settings.max_wait is None else billed)


def duration(seconds: float) -> str:
    """`90 s`, `45 min`, `26.1 h`."""
    if seconds < 600:
        return f"{seconds:g} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def dollars(amount: float) -> str:
    """`$0.45`, or `$0.0045` below ten cents: rounded up, since it is said of what something costs at most."""
    digits = 2 if amount >= 0.1 else 4
    return f"${math.ceil(round(amount * 10**digits, 6)) / 10**digits:,.{digits}f}"
