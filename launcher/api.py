"""Jobs and endpoints from Python, a notebook for one: what the commands do, returned instead of printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher import compose, log, serving
from launcher.errors import JobFailed
from launcher.local import runner
from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings
from launcher.run import COMPLETED, Run


def train(
    script: str | Path,
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    data: str | Path | None = None,
    channels: Mapping[str, str | Path] | None = None,
    source_dir: str | Path | None = None,
    hosts: int | None = None,
    name: str | None = None,
    detach: bool = False,
) -> Run:
    """Runs a job on this machine and, unless it is detached, waits for its end.

    Args:
        script: a built-in entry point (`mnist_mlp`, ...), a script or a job file.
        hyperparameters: what the script gets, as JSON values; those of a job file hold where they are not given here.
        data: the channel `training`: a directory or the name of a data set. Without data a built-in entry point takes
            its samples.
        channels: directories of other channels, by name.
        source_dir: a directory that travels with the script.
        hosts: how many; one, or what the job file says.
        name: the base of the run's name.
        detach: return when the job has started; it goes on when this process ends.

    Raises:
        UserError: something is not there or not valid.
        JobFailed: the job failed or was stopped; the message is its reason.
    """
    words = [f"{channel}={place}" for channel, place in (channels or {}).items()]
    job = compose.job(
        str(script),
        data_word=None if data is None else str(data),
        channels=words,
        source_dir=None if source_dir is None else Path(source_dir),
        hosts=hosts,
        name=name,
    )
    job = replace(job, hyperparameters={**job.hyperparameters, **(hyperparameters or {})})
    job.require_here()
    run = Run.create(job)
    process = runner.launch(run, detach=detach)
    if detach:
        return run
    try:
        process.wait()
    except BaseException:
        run.stop()
        raise
    return wait(run)


def wait(run: Run) -> Run:
    """The run, when it is over.

    Raises:
        JobFailed: it failed or was stopped; the message is its reason.
    """
    for _ in follow(run):
        pass
    status = run.status
    if status.state != COMPLETED:
        raise JobFailed(f"{run.name}: {status.state}: {status.reason}\n`glaunch explain {run.name}` says more")
    return run


def follow(run: Run) -> Iterator[tuple[str, str]]:
    """The lines that each host prints, as (host, line), from the first one to the end of the run."""
    yield from log.follow({host: run.log(host) for host in run.hosts}, lambda: run.status.is_over)


def history(run: Run) -> dict[str, list[float]]:
    """What a run measured after each epoch, by the metric's name: `train:accuracy`, `validation:accuracy`, ..."""
    from launcher.report import curves

    return {name: line.values for name, line in curves.read(run).lines.items()}


def deploy(model: Run | str | Path, name: str | None = None, *, workers: int = 1) -> Endpoint:
    """Serves a model on this machine, on a free port; a context manager, that ends it.

    Args:
        model: a run or the beginning of its name, or a model.tar.gz.
        name: of the endpoint; the job's by default. One that is over is replaced.
        workers: processes that answer.

    Raises:
        UserError: there is no such model, or an endpoint of that name is running.
        JobFailed: the model cannot be loaded.
    """
    settings = Settings(port=0, workers=workers)
    if str(model).endswith(".gz") or (isinstance(model, Path) and model.is_file()):
        path = Path(str(model)).expanduser()
        return Endpoint.start(path, name or serving.file_name(path), settings)
    run = model if isinstance(model, Run) else Run.find(str(model))
    settings = replace(settings, environment=serving.environment(serving.program_of(run)))
    return Endpoint.start(serving.model_of(run), name or serving.base_name(run), settings)
