"""The verb that runs a job, here or on SageMaker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.aws_options import AWS, aws_options, settings_from
from launcher.commands.job_options import job_options, resume_option
from launcher.commands.shared import console, json_option, say
from launcher.errors import JobFailed

if TYPE_CHECKING:
    import subprocess

    from rich.console import Console

    from launcher.cloud.settings import Settings
    from launcher.job import TrainingJob
    from launcher.run import Run


@click.command()
@job_options
@resume_option
@click.option("--kill-after", type=float, metavar="SECONDS", help="A drill: kill a host then, and see the job recover.")
@click.option("--detach", is_flag=True, help="Return at once; the job goes on.")
@aws_options
@json_option
def run(
    script: str | None, detach: bool, as_json: bool, on: str, profile: str, aws_words: dict[str, Any], **words: Any
) -> int:
    """Run a job, on this machine or on SageMaker.

    SCRIPT is a built-in entry point (mnist_mlp, matrix_factorization ...) or a Python file that defines train() and
    save(), or runs as a program; a JOB.yaml describes the whole job. Without data, the built-in ones train on 5,000
    sample digits, and the recommender on generated ratings.
    With --on aws the same job is sent to SageMaker; there a channel may also be an s3:// URI.

    \b
    glaunch run mnist_mlp -p epochs=3 -p hidden='[16, 16]'
    glaunch run mnist_cnn --data fashion-mnist --hosts 2
    glaunch run train.py --source-dir . --channel training=data/
    glaunch run --resume mnist-mlp-2026-01-31 -p epochs=20
    glaunch run mnist_mlp --on aws --hosts 2 --spot --max-cost 5
    """
    from launcher import compose, tables
    from launcher.run import COMPLETED

    job = compose.job(script, **words)
    if on == AWS:
        settings = settings_from(aws_words, compose.settings(script, words["resume"]))
        started, attend = _send(job, settings, profile)
    else:
        job.require_here()
        started, attend = _start(job, detach)
    if detach:
        say(as_json, {"name": started.name, "folder": str(started.folder)}, started.name)
        return 0
    attend(console(stderr=as_json))
    status = started.status
    if as_json:
        tables.print_json(tables.run_as_object(started))
    elif status.is_over:
        _conclude(started)
    return 0 if status.state == COMPLETED or not status.is_over else JobFailed.exit_status


def _start(job: TrainingJob, detach: bool) -> tuple[Run, Callable[[Console], object]]:
    from launcher.local import runner
    from launcher.run import Run

    started = Run.create(job)
    process = runner.launch(started, detach=detach)
    return started, lambda screen: _attend(started, process, screen)


def _send(job: TrainingJob, settings: Settings, profile: str) -> tuple[Run, Callable[[Console], object]]:
    from launcher.cloud import follow
    from launcher.commands import aws_run

    sent, aws = aws_run.send(job, settings, profile, console(stderr=True))
    return sent, lambda screen: follow.attend(sent, aws, screen)


def _attend(run: Run, process: subprocess.Popen[bytes], screen: Console) -> None:
    """Shows a job of ours until it is over; Ctrl-C stops it, a second one at once."""
    from launcher import progress

    try:
        progress.watch(run, lambda: process.poll() is not None, screen)
    except BaseException:
        click.secho(f"stopping {run.name} (Ctrl-C again: at once)", fg="yellow", err=True)
        try:
            run.stop()
        except KeyboardInterrupt:
            run.stop(deadline=0)
        raise


def _conclude(run: Run) -> None:
    from launcher import metrics, tables
    from launcher.run import COMPLETED

    screen, status = console(), run.status
    if run.job_content.get("kill_after") and not status.restarts:
        screen.print("[yellow]no drill: the job was over before a host was to be killed[/yellow]", highlight=False)
    if status.state != COMPLETED:
        screen.print(f"[red]{status.state}[/red] {run.name}", highlight=False)
        screen.print(status.reason, markup=False, highlight=False, soft_wrap=True)
        screen.print(f"[dim]glaunch explain {run.name}[/dim]", highlight=False)
        return
    screen.print(f"[green]{status.state}[/green] {run.name} in {tables.duration(status.seconds)}", highlight=False)
    headline = metrics.headline(status.metrics)
    if headline:
        screen.print("validation {} {:.4f}".format(*headline), highlight=False)
    if run.model.exists():
        screen.out(f"model {tables.from_home(run.model)}", highlight=False)
    else:
        screen.print(f"[dim]glaunch fetch {run.name}[/dim]  the model", highlight=False)
