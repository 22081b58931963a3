"""How `glaunch tune --on aws` sends a search, and shows it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from launcher.cloud.prices import Price
    from launcher.cloud.settings import Settings
    from launcher.job import TrainingJob
    from launcher.tuning.search import Search
    from launcher.tuning.study import Study


def tune(job: TrainingJob, search: Search, settings: Settings, profile: str, detach: bool, screen: Console) -> Study:
    """Sends a search to SageMaker, and shows it until it is over; the study as it then is.

    Raises:
        UserError: it could cost too much, or as `launcher.cloud.tuner.submit` and `launcher.cloud.tunings.follow` do.
    """
    from launcher.cloud import checks, prices, tuner
    from launcher.cloud.aws import Aws
    from launcher.commands.aws_run import steps
    from launcher.config import Config
    from launcher.tuning import study

    config = Config.load(profile)
    aws = Aws(config)
    checks.require(checks.job(job, settings, config, aws.region))
    price = prices.training(settings.instance_type, aws.region, aws)
    job = tuner.limit(search, job, settings, price)
    _tell_cost(job, search, settings, price, screen)
    made = study.create(job, search, settings, region=aws.region, profile=profile)
    with steps(screen) as on_step:
        tuner.submit(made, job, settings, config, aws, on_step)
    screen.print(f"sent {made.name}, for the {search.goal}", highlight=False)
    if detach:
        click.echo(f"glaunch tunings {made.name}", err=True)
        return made
    return _attend(made, screen)


def _attend(study: Study, screen: Console) -> Study:
    """Shows a search until it is over; Ctrl-C asks whether to detach, to stop it or to go on."""
    from launcher.cloud import follow, tunings
    from launcher.tuning import chart, progress

    while True:
        try:
            with progress.shown(study, screen) as on_trial:
                done = tunings.follow(study, on_trial, lambda text: screen.out(text, style="dim", highlight=False))
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                _say(_goes_on(study))
                raise
        else:
            chart.draw(done)
            return done
        answer = follow.ask(study.name)
        if answer == "detach":
            _say(_goes_on(study))
            return study
        if answer == "stop":
            _say(f"stopping {study.name} and its trials")
            tunings.stop(study, tunings.access(study))


def _tell_cost(job: TrainingJob, search: Search, settings: Settings, price: Price, screen: Console) -> None:
    from launcher.cloud import cost

    what = f"{search.jobs} trials, {search.parallel} at a time, of {job.hosts} x {settings.instance_type}"
    found = cost.of(job, settings, price)
    if found.per_hour is None or found.most is None:
        screen.print(f"{what}; its price is not known", highlight=False)
        return
    spot = "less, as spot" if settings.spot else f"{cost.dollars(found.per_hour)} an hour each"
    screen.print(f"{what}: {spot}, at most {cost.dollars(search.jobs * found.most)} in all", highlight=False)


def _goes_on(study: Study) -> str:
    return f"The search goes on: `glaunch tunings {study.name}` shows it, with --stop it ends"


def _say(text: str) -> None:
    click.secho(text, fg="yellow", err=True)
