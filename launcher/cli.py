"""The command `glaunch`: one function a verb, each a few calls into the modules that do the work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from launcher import __version__
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    import subprocess

    from rich.console import Console

    from launcher.run import Run

_F = TypeVar("_F", bound=Callable[..., Any])
INTERRUPTED = 130


def main() -> None:
    """Runs the command line and exits: 0 done, 1 the job failed, 2 wrong use, 130 interrupted."""
    try:
        sys.exit(cli(prog_name="glaunch", standalone_mode=False) or 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        click.secho(f"glaunch: {error}", fg="red", err=True)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        click.secho("glaunch: interrupted", fg="yellow", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `glaunch logs | head`
        sys.stderr.close()
        sys.exit(0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="glaunch")
def cli() -> None:
    """Train Gluon (MXNet) models here exactly as on Amazon SageMaker: no Docker, no AWS account.

    \b
    glaunch run mnist_mlp              train on the sample digits
    glaunch run train.py --data DIR    train with a script of your own
    glaunch ls                         what has been run
    """


def _json_option(function: _F) -> _F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)


def _complete_run(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from launcher.run import Run

    return [CompletionItem(run.name) for run in Run.all() if run.name.startswith(start)]


def _complete_script(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    from launcher import library

    names = [CompletionItem(name) for name in library.built_in() if name.startswith(start)]
    return names or [CompletionItem(start, type="file")]


def _run_argument(function: _F) -> _F:
    return click.argument("run_name", metavar="[RUN]", required=False, shell_complete=_complete_run)(function)


@cli.command()
@click.argument("script", metavar="SCRIPT|JOB.yaml", shell_complete=_complete_script)
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A hyperparameter; the value is JSON.")
@click.option("--data", "data_word", metavar="DIR|NAME", help="The channel `training`: a directory or a data set.")
@click.option("--channel", "channels", multiple=True, metavar="NAME=DIR", help="Another channel.")
@click.option("--source-dir", type=click.Path(path_type=Path), help="A directory that travels with the script.")
@click.option("--hosts", type=click.IntRange(1, 64), help="How many hosts, with MXNet's parameter server.")
@click.option("--name", help="The base of the run's name.")
@click.option("--max-run", type=float, metavar="SECONDS", help="Stop the job after that long.")
@click.option("--detach", is_flag=True, help="Return at once; the job goes on.")
@_json_option
def run(script: str, detach: bool, as_json: bool, **words: Any) -> int:
    """Run a job on this machine.

    SCRIPT is a built-in entry point (mnist_mlp, mnist_cnn) or a Python file that defines train() and save(), or runs
    as a program; a JOB.yaml describes the whole job. Without data, the built-in ones train on 5,000 sample digits.

    \b
    glaunch run mnist_mlp -p epochs=3 -p hidden='[16, 16]'
    glaunch run mnist_cnn --data fashion-mnist --hosts 2
    glaunch run train.py --source-dir . --channel training=data/
    """
    from launcher import compose, tables
    from launcher.local import runner
    from launcher.run import COMPLETED, Run

    started = Run.create(compose.job(script, **words))
    process = runner.launch(started, detach=detach)
    if detach:
        _say(as_json, {"name": started.name, "folder": str(started.folder)}, started.name)
        return 0
    _attend(started, process, _console(stderr=as_json))
    status = started.status
    if as_json:
        tables.print_json(tables.run_as_object(started))
    else:
        _conclude(started)
    return 0 if status.state == COMPLETED else JobFailed.exit_status


@cli.command("ls")
@_json_option
def list_runs(as_json: bool) -> None:
    """List the runs, the latest first.

    \b
    glaunch ls
    glaunch ls --json | jq '.[0].metrics'
    """
    from launcher import tables
    from launcher.run import Run

    runs = Run.all()
    if as_json:
        tables.print_json([_object_or_error(run) for run in runs])
    elif runs:
        tables.print_runs(runs, _console())
    else:
        click.echo("no runs yet: try `glaunch run mnist_mlp`")


@cli.command()
@_run_argument
@_json_option
def show(run_name: str | None, as_json: bool) -> None:
    """Show one run.

    Its state, values, data, results and files. The latest run by default.

    \b
    glaunch show
    glaunch show mnist-mlp-2026-01-31
    """
    from launcher import tables
    from launcher.run import Run

    found = Run.find(run_name)
    if as_json:
        tables.print_json(tables.run_as_object(found))
    else:
        tables.print_run(found, _console())


@cli.command()
@_run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job is over.")
@click.option("--host", default="algo-1", show_default=True, help="Whose log.")
@_json_option
def logs(run_name: str | None, follow: bool, host: str, as_json: bool) -> None:
    """Print what a host of a run printed.

    The latest run by default.

    \b
    glaunch logs -f
    """
    import json

    from launcher import log
    from launcher.run import Run

    found = Run.find(run_name)
    if host not in found.hosts:
        raise UserError(f"run {found.name} has no host {host!r}: it has {', '.join(found.hosts)}")
    for name, line in log.follow({host: found.log(host)}, lambda: not follow or found.status.is_over):
        click.echo(json.dumps({"host": name, "line": line}) if as_json else line)


@cli.command()
@_run_argument
@_json_option
def stop(run_name: str | None, as_json: bool) -> None:
    """Stop a running job.

    No process of it is left when the command returns. The latest run by default.

    \b
    glaunch stop mnist-mlp-2026-01-31
    """
    from launcher.run import Run

    found = Run.find(run_name)
    found.stop()
    state = found.status.state
    _say(as_json, {"name": found.name, "state": state}, f"{found.name}: {state}")


@cli.command()
@_run_argument
@_json_option
def explain(run_name: str | None, as_json: bool) -> None:
    """Tell why a run failed.

    It names your own exception, its file and line, and what usually helps. The latest run by default.

    \b
    glaunch explain
    """
    from launcher import diagnose, tables
    from launcher.run import FAILED, Run

    found = Run.find(run_name)
    status = found.status
    if status.state != FAILED:
        reason = f": {status.reason}" if status.reason else ""
        _say(as_json, {"name": found.name, "state": status.state}, f"{found.name} is {status.state}{reason}")
        return
    cause = diagnose.explain(found)
    if as_json:
        frame = cause.frame._asdict() if cause.frame else None
        tables.print_json({"name": found.name, **cause._asdict(), "frame": frame})
    else:
        tables.print_cause(cause, _console())


@cli.command()
@click.argument("run_names", metavar="RUN...", nargs=-1, required=True, shell_complete=_complete_run)
@_json_option
def rm(run_names: tuple[str, ...], as_json: bool) -> None:
    """Delete runs, with their logs and models.

    A running job must be stopped first.

    \b
    glaunch rm mnist-mlp-2026-01-31
    """
    from launcher.run import Run

    found = [Run.find(name) for name in run_names]
    for run in found:
        run.remove()
        if not as_json:
            click.echo(f"deleted {run.name}")
    if as_json:
        _say(as_json, [run.name for run in found], "")


@cli.group()
def data() -> None:
    """Data sets: list them, fetch them."""


@data.command("ls")
@_json_option
def data_ls(as_json: bool) -> None:
    """List the known data sets.

    Their sizes, and where they are on this machine.

    \b
    glaunch data ls
    """
    from launcher import data, tables

    entries = data.listing()
    if as_json:
        tables.print_json([vars(entry) for entry in entries])
    else:
        tables.print_data(entries, _console())


@data.command("get")
@click.argument("name")
@_json_option
def data_get(name: str, as_json: bool) -> None:
    """Fetch a data set.

    It is checked, resumed where it broke off, and there whole or not at all.

    \b
    glaunch data get fashion-mnist
    """
    from launcher import data
    from launcher.bar import bytes_bar

    with bytes_bar(name, _console(stderr=True)) as progress:
        path = data.get(name, progress=progress)
    _say(as_json, {"name": name, "path": str(path)}, str(path))


@cli.command()
@_json_option
def doctor(as_json: bool) -> int:
    """Check this machine, and say what to do.

    Python, MXNet and numpy, processors and threads, disk, sample digits.

    \b
    glaunch doctor
    """
    from launcher import doctor, tables

    checks = doctor.examine()
    if as_json:
        tables.print_json([check._asdict() for check in checks])
    else:
        tables.print_checks(checks, _console())
    return 1 if any(check.state == "bad" for check in checks) else 0


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion for a shell.

    \b
    glaunch completion bash > ~/.local/share/bash-completion/completions/glaunch
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "glaunch", "_GLAUNCH_COMPLETE").source())


def _attend(run: Run, process: subprocess.Popen[bytes], console: Console) -> None:
    """Shows a job of ours until it is over; Ctrl-C stops it, a second one at once."""
    from launcher import progress

    try:
        progress.watch(run, lambda: process.poll() is not None, console)
    except BaseException:
        click.secho(f"stopping {run.name} (Ctrl-C again: at once)", fg="yellow", err=True)
        try:
            run.stop()
        except KeyboardInterrupt:
            run.stop(deadline=0)
        raise


def _conclude(run: Run) -> None:
    from launcher import tables
    from launcher.run import COMPLETED

    console, status = _console(), run.status
    if status.state != COMPLETED:
        console.print(f"[red]{status.state}[/red] {run.name}", highlight=False)
        console.print(status.reason, markup=False, highlight=False, soft_wrap=True)
        console.print(f"[dim]glaunch explain {run.name}[/dim]", highlight=False)
        return
    console.print(f"[green]{status.state}[/green] {run.name} in {tables.duration(status.seconds)}", highlight=False)
    if "validation:accuracy" in status.metrics:
        console.print(f"validation accuracy {status.metrics['validation:accuracy']:.4f}", highlight=False)
    console.out(f"model {tables.from_home(run.model)}", highlight=False)


def _object_or_error(run: Run) -> dict[str, Any]:
    from launcher import tables

    try:
        return tables.run_as_object(run)
    except UserError as error:
        return {"name": run.name, "error": str(error)}


def _say(as_json: bool, content: Any, text: str) -> None:
    if as_json:
        from launcher import tables

        tables.print_json(content)
    else:
        click.echo(text)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, emoji=False)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no width: keep a path in one piece
    return console
