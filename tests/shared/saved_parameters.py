"""The parameters of the models that runs have saved."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np

_PROGRAM = """
import sys
import numpy as np
np.bool = np.bool_
import mxnet as mx
for path in sys.argv[1:]:
    np.savez(path + ".npz", **{name: value.asnumpy() for name, value in mx.nd.load(path).items()})
"""


def extract(directory: Path, run: dict) -> Path:
    """The file of parameters of a run, as `glaunch show --json` tells it, put into a directory."""
    path = directory / f"{run['name']}.params"
    with tarfile.open(run["model"]) as archive:
        path.write_bytes(archive.extractfile("model-0000.params").read())
    return path


def read(directory: Path, *runs: dict) -> list[dict[str, np.ndarray]]:
    """Of each run the arrays by name; their files are left in the directory."""
    paths = [extract(directory, run) for run in runs]
    subprocess.run([sys.executable, "-c", _PROGRAM, *paths], check=True, timeout=100)  # it imports MXNet
    return [dict(np.load(f"{path}.npz")) for path in paths]
