"""The code of a job: what kind of script it is, and the directory that travels to the hosts."""

from __future__ import annotations

import ast
import importlib.util
import shutil
from pathlib import Path

from launcher import ignore, library
from launcher.errors import UserError
from launcher.job import TrainingJob

OWN_MAIN, OLDER = "own main", "older"
_WRAPPER = "glaunch_main.py"


def kind(script: Path) -> str:
    """How a script runs: `OWN_MAIN` as a program, as in today's containers, whatever functions it defines;
    `OLDER` if it only defines `train()` (and perhaps `save()`) for the container to call, and does not itself.

    Raises:
        UserError: it cannot be read or parsed, or running it would do nothing.
    """
    try:
        body = ast.parse(importlib.util.decode_source(script.read_bytes()), str(script)).body
    except OSError as error:
        raise UserError(f"cannot read the script {script}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:  # ValueError: not in the encoding that it declares
        line = getattr(error, "lineno", None)
        place = f", line {line}" if line else ""
        raise UserError(f"{script}{place}: {getattr(error, 'msg', error)}") from None
    if any(_is_main_guard(statement) or _starts(statement) for statement in body):
        return OWN_MAIN
    if any(isinstance(statement, ast.FunctionDef) and statement.name == "train" for statement in body):
        return OLDER
    if any(_acts(statement) for statement in body):
        return OWN_MAIN
    raise UserError(f"{script} defines no train() and runs nothing: see `glaunch run --help` for what a script needs")


def stage(job: TrainingJob, directory: Path) -> str:
    """Copies the job's code into an empty or missing directory; returns the program to run there.

    `gluon_job` travels with a script that uses it. A script of the older kind gets the small main that it lacks.
    What the source directory's `.glaunchignore` names stays (`launcher.ignore`).

    Raises:
        UserError: as `kind`, or the source directory holds what cannot be copied, or its ignore file is wrong.
        OSError: the disk is full.
    """
    script_kind = kind(job.script)
    if job.source_dir is None:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(job.script, directory)
    else:
        _copy(job.source_dir, directory)
        if not (directory / job.program).exists():
            raise UserError(f"{job.source_dir / ignore.FILE} leaves out the script {job.program} itself")
    program = job.program
    if script_kind == OLDER:
        program = _WRAPPER
        (directory / program).write_text(_MAIN.format(program=job.program, name=job.script.stem), "utf-8")
    if not (directory / "gluon_job").exists() and _uses_gluon_job(directory):
        _copy(library.directory() / "gluon_job", directory / "gluon_job")
    return program


def _copy(source: Path, target: Path) -> None:
    path = source
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in ignore.travelling(source):
            path = source / name
            if path.is_dir():
                (target / name).mkdir(exist_ok=True)
            else:
                shutil.copy2(path, target / name)
    except OSError as error:
        raise UserError(f"cannot copy {path}: {error.strerror or error}") from None


def _uses_gluon_job(directory: Path) -> bool:
    return any(b"gluon_job" in path.read_bytes() for path in directory.rglob("*.py") if path.is_file())


_MAIN = '''"""Calls train() and save() of a script, as SageMaker's containers did up to MXNet 1.3."""

import importlib.util
import os
import sys

from gluon_job import contract

if __name__ == "__main__":
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), {program!r})
    sys.path.insert(0, os.path.dirname(program))
    spec = importlib.util.spec_from_file_location({name!r}, program)
    script = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    contract.main(script.train, getattr(script, "save", None))
'''


def _is_main_guard(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If):
        return False
    parts = list(ast.walk(statement.test))
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    return "__name__" in names and "__main__" in values


def _starts(statement: ast.stmt) -> bool:
    """Whether a top-level statement calls train() or main()."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    called = [part.func for part in ast.walk(statement) if isinstance(part, ast.Call)]
    return any(isinstance(function, ast.Name) and function.id in ("train", "main") for function in called)


def _acts(statement: ast.stmt) -> bool:
    """Whether a top-level statement does more than define or import something."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)  # a docstring
    if isinstance(statement, (ast.If, ast.Try)):
        return any(_acts(inner) for inner in [*statement.body, *statement.orelse])
    return isinstance(statement, (ast.For, ast.While, ast.With, ast.Raise))
