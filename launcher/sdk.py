"""Runs a program that uses the SageMaker SDK, or a notebook, on this machine.

    GLAUNCH_LOCAL=1 python -m launcher.sdk SCRIPT.py [ARGUMENT...]

GLAUNCH_LOCAL=1 runs its jobs and endpoints here; GLAUNCH_LOCAL=0 runs the program as it is, on AWS. At the end the jobs
that it did not wait for are waited for, and its endpoints are stopped. The exit status is the program's, and 1 when one
of its jobs failed.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from launcher import local_mode
from launcher.errors import JobFailed, UserError
from launcher.run import FAILED, Run

_POLL = 0.05  # seconds
_MAGIC = ("%", "!", "?")


def main(words: list[str]) -> int:
    """Runs the program that the words of a command line name; the exit status."""
    try:
        program, here = _program(words)
        sys.argv = words
        sys.path[0] = str(program.parent.absolute())
        if not here:
            return _execute(program)
        with local_mode() as mode:
            status = _execute(program)
            _await(mode.runs)
            return _conclude(mode.runs) or status
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


def _program(words: list[str]) -> tuple[Path, bool]:
    """The program, and whether its jobs run here."""
    if not words or words[0].startswith("-"):
        raise UserError("which program? GLAUNCH_LOCAL=1 python -m launcher.sdk SCRIPT.py [ARGUMENT...]")
    program, wanted = Path(words[0]), os.environ.get("GLAUNCH_LOCAL")
    if not program.is_file():
        raise UserError(f"no program {program}")
    if wanted not in ("0", "1"):
        raise UserError("GLAUNCH_LOCAL says where its jobs run: 1 is here, 0 is on AWS")
    return program, wanted == "1"


def _execute(program: Path) -> int:
    """Runs it to its end; the exit status that it wants."""
    try:
        if program.suffix == ".ipynb":
            _execute_cells(program)
        else:
            runpy.run_path(str(program), run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _execute_cells(program: Path) -> None:
    names = {"__name__": "__main__", "__file__": str(program)}
    for number, source in _cells(program):
        exec(compile(source, f"{program}[{number}]", "exec"), names)  # noqa: S102 - as a notebook's kernel does


def _cells(notebook: Path) -> Iterator[tuple[int, str]]:
    """The code cells, with their numbers from 1; what only IPython understands is left out."""
    try:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{notebook} is no notebook: {error!r}") from None
    for number, source in enumerate(sources, 1):
        if source.lstrip().startswith("%%"):
            continue
        lines = source.splitlines()
        yield number, "\n".join("pass" if line.startswith(_MAGIC) else line for line in lines)


def _await(runs: list[Run]) -> None:
    for run in runs:
        if not run.status.is_over:
            print(f"waiting for {run.name} (Ctrl-C stops it)", file=sys.stderr)
        while not run.status.is_over:
            time.sleep(_POLL)


def _conclude(runs: list[Run]) -> int:
    failed = [run for run in runs if run.status.state == FAILED]
    for run in failed:
        print(f"{run.name} failed: {run.status.reason} (glaunch explain {run.name})", file=sys.stderr)
    return JobFailed.exit_status if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
