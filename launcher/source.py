"""The code of a job: what kind of script it is, and the directory that travels to the hosts."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

from launcher import library
from launcher.errors import UserError
from launcher.job import TrainingJob

OWN_MAIN, OLDER = "own main", "older"
_WRAPPER = "glaunch_main.py"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".ipynb_checkpoints", ".venv", ".DS_Store")


def kind(script: Path) -> str:
    """How a script runs: `OWN_MAIN` as a program, as in today's containers, whatever functions it defines;
    `OLDER` if it only defines `train()` (and perhaps `save()`) for the container to call.

    Raises:
        UserError: it cannot be read or parsed, or running it would do nothing.
    """
    try:
        tree = ast.parse(script.read_bytes(), str(script))
    except OSError as error:
        raise UserError(f"cannot read the script {script}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        place = f", line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else f": {error}"
        raise UserError(f"{script}{place}") from None
    if any(_is_main_guard(statement) for statement in tree.body):
        return OWN_MAIN
    if any(isinstance(statement, ast.FunctionDef) and statement.name == "train" for statement in tree.body):
        return OLDER
    if any(_acts(statement) for statement in tree.body):
        return OWN_MAIN
    raise UserError(f"{script} defines no train() and runs nothing: see `glaunch run --help` for what a script needs")


def stage(job: TrainingJob, directory: Path) -> str:
    """Copies the job's code into an empty or missing directory; returns the program to run there.

    `gluon_job` travels with a script that uses it. A script of the older kind gets the small main that it lacks.

    Raises:
        UserError: as `kind`; OSError when the disk is full.
    """
    script_kind = kind(job.script)
    if job.source_dir is None:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(job.script, directory)
    else:
        shutil.copytree(job.source_dir, directory, ignore=_LEFT_OUT, dirs_exist_ok=True)
    program = job.program
    if script_kind == OLDER:
        program = _WRAPPER
        module = job.program[: -len(".py")].replace("/", ".")
        (directory / program).write_text(_MAIN.format(module=module), "utf-8")
    if not (directory / "gluon_job").exists() and _uses_gluon_job(directory):
        shutil.copytree(library.directory() / "gluon_job", directory / "gluon_job", ignore=_LEFT_OUT)
    return program


def _uses_gluon_job(directory: Path) -> bool:
    return any(b"gluon_job" in path.read_bytes() for path in directory.rglob("*.py"))


_MAIN = '''"""Calls train() and save() of {module}, as SageMaker's containers did up to MXNet 1.3."""

import importlib

from gluon_job import contract

if __name__ == "__main__":
    script = importlib.import_module("{module}")
    contract.main(script.train, getattr(script, "save", None))
'''


def _is_main_guard(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    sides = [statement.test.left, *statement.test.comparators]
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    values = [side.value for side in sides if isinstance(side, ast.Constant)]
    return "__name__" in names and "__main__" in values


def _acts(statement: ast.stmt) -> bool:
    """Whether a top-level statement does more than define or import something."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)  # a docstring
    return isinstance(statement, (ast.For, ast.While, ast.With, ast.If))
