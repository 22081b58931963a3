"""A model of a few bytes that an endpoint can serve, and one that it cannot."""

from __future__ import annotations

import tarfile
from pathlib import Path

ECHO = """
import json

def model_fn(model_dir):
    return None

def transform_fn(net, data, content_type, accept):
    return json.dumps({"got": json.loads(data)})
"""
BROKEN = """
def model_fn(model_dir):
    raise ValueError("these are no weights")

def transform_fn(net, data, content_type, accept):
    return "{}"
"""


def pack(directory: Path, name: str, **scripts: str) -> Path:
    """NAME.tar.gz, a model whose code has these files."""
    code = directory / name / "code"
    code.mkdir(parents=True)
    for stem, text in scripts.items():
        (code / f"{stem}.py").write_text(text)
    with tarfile.open(directory / f"{name}.tar.gz", "w:gz") as archive:
        archive.add(directory / name, ".")
    return directory / f"{name}.tar.gz"
