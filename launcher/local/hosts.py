"""One host of a run: its directory as SageMaker would make it, and the command that starts the script there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from launcher import source
from launcher.job import TrainingJob
from launcher.local import container, requirements
from launcher.local.supervisor import Command
from launcher.run import Run

_IMAGE = Path(__file__).parent / "image"
_MINE = ("GLAUNCH_", "SM_", "SAGEMAKER_", "DMLC_")  # variables of our own shell that a container would not have


def prepare(run: Run, job: TrainingJob, host: str) -> Command:
    """Makes what SageMaker would make on a host before it starts the script, and the command that starts it.

    What an earlier attempt left is removed, but for its checkpoints.

    Raises:
        UserError: the code or a channel cannot be used.
    """
    base, log = run.host(host), run.log(host)
    _clear(base, job)
    program = source.stage(job, base / "code")
    python = sys.executable
    if (base / "code" / "requirements.txt").exists():
        python = requirements.install(base / "code" / "requirements.txt", log)
    variables = container.prepare(base, job_name=run.name, job=job, program=program, current_host=host, hosts=run.hosts)
    arguments = [python, program, *container.command_line_arguments(job.hyperparameters)]
    return Command(host, arguments, _environment(variables, job), base / "code", log)


def _clear(base: Path, job: TrainingJob) -> None:
    if not base.exists():
        base.mkdir(parents=True)
        if job.checkpoints.directory:
            shutil.copytree(job.checkpoints.directory, base / "checkpoints")
        return
    for entry in base.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            if entry.name != "checkpoints":
                shutil.rmtree(entry)
        else:
            entry.unlink()


def _environment(variables: Mapping[str, str], job: TrainingJob) -> dict[str, str]:
    """The variables of a host: this shell's, less what only glaunch knows, and the container's over them."""
    inherited = inherited_variables()
    # The script's own directory is on the path for the processes it starts, as it is in a container.
    path = image_path(variables["SAGEMAKER_BASE_DIR"] + "/code")
    threads = (
        {} if job.hosts == 1 or "OMP_NUM_THREADS" in inherited else {"OMP_NUM_THREADS": _share_of_cores(job.hosts)}
    )
    settings = {**job.deadlines.variables(), **job.checkpoints.variables()}  # of our own scripts
    return {**inherited, **variables, **threads, "PYTHONPATH": path, **settings, **job.environment}


def _share_of_cores(hosts: int) -> str:
    """The OpenMP threads of one of several hosts: machines would not share their cores."""
    return str(max(1, len(os.sched_getaffinity(0)) // hosts))


def inherited_variables() -> dict[str, str]:
    """This shell's variables that a container may have too: not those of glaunch, SageMaker or a parameter server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_MINE) and name != "PORT"}


def image_path(*directories: str) -> str:
    """PYTHONPATH with what AWS's image offers first, then the directories given, then this shell's own."""
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_IMAGE), *directories, *([inherited] if inherited else [])])
