"""The verbs of searches for hyperparameters: start one, look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from launcher.commands.aws_options import AWS, aws_options, settings_from
from launcher.commands.job_options import job_options
from launcher.commands.shared import console, json_option, say
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from launcher.job import TrainingJob
    from launcher.tuning.search import Search
    from launcher.tuning.study import Study


def complete_tuning(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from launcher.tuning import study

    return [CompletionItem(one.name) for one in study.every() if one.name.startswith(start)]


@click.command()
@job_options
@click.option("--param", "ranges", multiple=True, metavar="NAME=RANGE", help="What is tuned, and where to look.")
@click.option("--jobs", type=int, default=12, show_default=True, help="How many trials.")
@click.option("--parallel", type=int, default=1, show_default=True, help="How many of them at the same time.")
@click.option("--strategy", type=click.Choice(["bayesian", "random"]), default="bayesian", show_default=True)
@click.option("--objective", metavar="METRIC", help="What counts: validation:accuracy, or what the script is about.")
@click.option("--minimize/--maximize", default=None, help="Whether less is better; of a loss or an error it is.")
@click.option("--seed", type=int, help="Make the search repeatable.")
@click.option("--detach", is_flag=True, help="On AWS: return at once; the search goes on.")
@aws_options
@json_option
def tune(
    script: str | None,
    ranges: tuple[str, ...],
    jobs: int,
    parallel: int,
    strategy: str,
    objective: str | None,
    minimize: bool | None,
    seed: int | None,
    detach: bool,
    on: str,
    profile: str,
    aws_words: dict[str, Any],
    as_json: bool,
    **words: Any,
) -> int:
    """Look for good hyperparameters: many runs of one job, here or on SageMaker.

    A RANGE is log:0.001:0.3 or float:0:0.9 (any number), int:32:256 or logint:8:512 (whole numbers), or
    choice:sgd,adam. Each trial is a run as any other. With --on aws SageMaker's own tuner does the search; --max-cost
    is that of all trials together.

    \b
    glaunch tune mnist_cnn --param learning_rate=log:0.001:0.3 --jobs 12 --parallel 3
    glaunch tune mnist_mlp --param optimizer=choice:sgd,adam --param batch_size=int:32:256 -p epochs=3
    glaunch tune mnist_cnn --param learning_rate=log:0.001:0.3 --on aws --max-cost 10
    """
    from launcher import compose
    from launcher.tuning import conductor, space
    from launcher.tuning.search import Search, is_minimized, measure_of

    if script is None:
        raise UserError("which job? name a script, a built-in entry point or a job file")
    job = compose.job(script, **words)
    metric = objective or measure_of(job.script)
    less = is_minimized(metric) if minimize is None else minimize
    search = Search(space.parse(ranges), jobs, parallel, strategy, metric, less, seed)
    conductor.check(search, job, compose.hyperparameters(words["parameters"]))
    if on == AWS:
        from launcher.commands import aws_tune

        settings = settings_from(aws_words, compose.settings(script))
        done = aws_tune.tune(job, search, settings, profile, detach, console(stderr=True))
    elif detach:
        raise UserError("--detach: a search on this machine ends with this command; on SageMaker it goes on: --on aws")
    else:
        job.require_here()
        done = _tune_here(job, search, console(stderr=True))
    return _conclude(done, as_json)


@click.command()
@click.argument("name", metavar="[TUNING]", required=False, shell_complete=complete_tuning)
@click.option("--stop", is_flag=True, help="End one on SageMaker, and its trials.")
@click.option("--rm", "remove", is_flag=True, help="Delete its record; the runs of its trials stay.")
@json_option
def tunings(name: str | None, stop: bool, remove: bool, as_json: bool) -> None:
    """List the searches for hyperparameters, or show one: a line a trial, the best first, and the chart.

    \b
    glaunch tunings
    glaunch tunings mnist-cnn-261231
    glaunch tunings mnist-cnn-261231 --stop
    """
    from launcher.tuning import chart, study, tables

    if name is None:
        if stop or remove:
            raise UserError(f"which one? `glaunch tunings NAME {'--stop' if stop else '--rm'}`")
        _list(as_json)
        return
    found = _fresh(study.find(name))
    if stop:
        found = _stop(found)
    if remove:
        found.remove()
        say(as_json, {"name": found.name, "removed": True}, f"deleted {found.name}; the runs of its trials stay")
        return
    chart.draw(found)
    if as_json:
        say(True, tables.as_object(found), "")
    else:
        tables.print_study(found, console())


def _list(as_json: bool) -> None:
    from launcher.tuning import study, tables

    found = study.every()
    if as_json:
        say(True, [tables.as_object(one) for one in found], "")
    elif found:
        tables.print_studies(found, console())
    else:
        click.echo("no tunings yet: try `glaunch tune mnist_mlp --param learning_rate=log:0.001:0.3`")


def _fresh(study: Study) -> Study:
    """Brought up to date; what stands against that is told, and is no obstacle."""
    if not study.is_remote or study.is_over:
        return study
    from launcher.cloud import tunings as cloud

    try:
        return cloud.update(study, cloud.access(study))
    except UserError as error:
        click.secho(f"{error}. What is shown is of the last look", fg="yellow", err=True)
        return study


def _stop(study: Study) -> Study:
    if study.is_over:
        raise UserError(f"the tuning {study.name} is over: it is {study.state}")
    if not study.is_remote:
        raise UserError(f"the tuning {study.name} runs in another terminal: Ctrl-C there ends it, and its trials")
    from launcher.cloud import tunings as cloud

    return cloud.stop(study, cloud.access(study))


def _tune_here(job: TrainingJob, search: Search, screen: Console) -> Study:
    from launcher.tuning import chart, conductor, progress, study
    from launcher.tuning.sampler import Sampler

    sampler = Sampler(search)
    made = study.create(job, search)
    at_once = f", {search.parallel} at a time" if search.parallel > 1 else ""
    screen.out(f"{made.name}: {search.jobs} trials{at_once}, for the {search.goal}", highlight=False)
    try:
        with progress.shown(made, screen) as on_trial:
            done = conductor.conduct(made, job, sampler, on_trial)
    except KeyboardInterrupt:
        click.secho(f"stopped; what there is: `glaunch tunings {made.name}`", fg="yellow", err=True)
        raise
    chart.draw(done)
    return done


def _conclude(study: Study, as_json: bool) -> int:
    from launcher.tuning import tables

    if as_json:
        say(True, tables.as_object(study), "")
    elif study.is_over:
        tables.print_study(study, console())
    return 0 if study.best or not study.is_over else JobFailed.exit_status
