"""A training of a benchmark: a real `glaunch run`, whose record is not among the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def metrics(entry_point: str, data: Path, values: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that a run of an entry point ends with, by name; CalledProcessError when it fails."""
    words = [word for name, value in values.items() for word in ("-p", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "launcher", "run", entry_point, "--data", str(data), "--json", *words]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "GLAUNCH_HOME": home}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)["metrics"]
    return found
