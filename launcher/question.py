"""Asks a module of `gluon_job` something, in a process of its own: it imports MXNet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from launcher import library
from launcher.errors import JobFailed, UserError


def ask(
    module: str,
    *words: object,
    failing: str,
    deadline: float,
    request: Any = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object on the last line that `python -m gluon_job.MODULE WORDS` prints.

    Args:
        module: of `gluon_job`.
        words: its arguments.
        failing: what has failed if it does, as the beginning of a sentence: `the net could not be built`.
        deadline: seconds.
        request: what it reads from its standard input, as JSON.
        environment: variables beside this process's.

    Raises:
        UserError: it ended with status 2; the message is its own.
        JobFailed: it ended otherwise than well, or not in time.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", f"gluon_job.{module}", *map(str, words)],
            cwd=library.directory(),
            env={**os.environ, **(environment or {}), "PYTHONDONTWRITEBYTECODE": "1"},
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JobFailed(f"{failing}: it took more than {deadline:g} s: is the machine very busy?") from None
    said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
    if ended.returncode == UserError.exit_status:
        raise UserError(said[-1])
    if ended.returncode != 0:
        raise JobFailed(f"{failing}: {said[-1]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer
