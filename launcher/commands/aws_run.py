"""How `glaunch run --on aws` sends a job, and what it says meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from launcher.cloud.aws import Aws
    from launcher.cloud.jobs import Step
    from launcher.cloud.prices import Price
    from launcher.cloud.settings import Settings
    from launcher.job import TrainingJob
    from launcher.run import Run


def send(job: TrainingJob, settings: Settings, profile: str, screen: Console) -> tuple[Run, Aws]:
    """Makes a run of a job and sends it to SageMaker; the run, and the access to AWS to look after it with.

    Args:
        job: what is run.
        settings: how SageMaker runs it.
        profile: the name of the configuration.
        screen: where it says what it does.

    Raises:
        UserError: it could cost too much, or as `launcher.cloud.jobs.submit` does. What can be seen to be wrong without
            AWS leaves no run folder.
    """
    from launcher.cloud import checks, cost, jobs, prices
    from launcher.cloud.aws import Aws
    from launcher.config import Config
    from launcher.run import Run

    config = Config.load(profile)
    aws = Aws(config)
    checks.require(checks.job(job, settings, config, aws.region))
    price = prices.training(settings.instance_type, aws.region, aws)
    job = cost.limit(job, settings, price)
    _tell_cost(job, settings, price, screen)
    run = Run.create(job)
    with steps(screen) as on_step:
        jobs.submit(run, job, settings, config, aws, on_step, profile=profile, price=price.per_hour)
    screen.print(f"sent {run.name}", highlight=False)
    return run, aws


def _tell_cost(job: TrainingJob, settings: Settings, price: Price, screen: Console) -> None:
    from launcher.cloud import cost

    what = f"{job.hosts} x {settings.instance_type} in {price.region}"
    found = cost.of(job, settings, price)
    if found.per_hour is None or found.most is None:
        screen.print(f"{what}; its price is not known", highlight=False)
        return
    spot = "less, as spot" if settings.spot else f"{cost.dollars(found.per_hour)} an hour"
    screen.print(f"{what}: {spot}, at most {cost.dollars(found.most)}", highlight=False)


@contextmanager
def steps(screen: Console) -> Iterator[Step]:
    """What is told of the steps: a line that changes, with a bar for bytes, on a terminal; elsewhere a line a step."""
    if not screen.is_terminal:

        def tell(doing: str, done: int = 0, total: int = 0) -> None:  # noqa: ARG001 - as a Step
            if not total:
                screen.print(doing, highlight=False)

        yield tell
        return
    from rich.filesize import decimal
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[size]}"))
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("", total=None, size="")

        def show(doing: str, done: int = 0, total: int = 0) -> None:
            size = f"{decimal(done)} of {decimal(total)}" if total else ""
            progress.update(task, description=doing, completed=done, total=total or None, size=size)

        yield show
