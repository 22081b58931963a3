"""Which file of a model's code has the functions that serve it."""

from __future__ import annotations

import ast
import importlib.util
import os
from pathlib import Path

from launcher.errors import UserError

FUNCTIONS = ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn")


def find_script(code: Path) -> Path | None:
    """The file with a model's functions; None when there is none, for AWS's defaults.

    As in AWS's container it is the one that SAGEMAKER_PROGRAM names, else inference.py; else, because a model.tar.gz
    does not say which, the only one that defines one of the functions.

    Raises:
        UserError: there are several, or the one named is missing.
    """
    named = os.environ.get("SAGEMAKER_PROGRAM")
    if named:
        path = code / (named if named.endswith(".py") else f"{named}.py")
        if not path.is_file():
            raise UserError(f"the model's code has no {path.name}, which SAGEMAKER_PROGRAM names")
        return path
    if (code / "inference.py").is_file():
        return code / "inference.py"
    found = [path for path in sorted(code.glob("*.py")) if defines_functions(path)]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"several files of the model define its functions ({names}): set SAGEMAKER_PROGRAM to one")
    return found[0] if found else None


def defines_functions(path: Path) -> bool:
    """Whether a file defines or imports one of the functions; False for what is no file, or no Python."""
    try:
        body = ast.parse(importlib.util.decode_source(path.read_bytes())).body
    except (OSError, SyntaxError, ValueError):
        return False
    names = {getattr(statement, "name", "") for statement in body if isinstance(statement, ast.FunctionDef)}
    imports = [alias for statement in body if isinstance(statement, ast.ImportFrom) for alias in statement.names]
    return not {*FUNCTIONS}.isdisjoint(names | {alias.asname or alias.name for alias in imports})
