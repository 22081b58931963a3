"""Checkpoints of a training: all that it needs to go on, bit for bit, after the epoch that one was written at.

They are in SageMaker's `checkpoints` directory, which a spot instance finds filled when it comes back. The order of an
epoch and what is random in it depend on the seed and its number alone, so no generator's state is among them.
"""

import json
import os
import re
import sys
import time
import zipfile
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from gluon_job.errors import InputError

_NAME = re.compile(r"epoch-(\d{6})\.npz")
_EVERY = re.compile(r"(\d+(?:\.\d+)?) ?(epochs?|s|seconds?)?")
_ABOUT = "about"  # the array that holds everything small, as JSON


class Interval(NamedTuple):
    """How often a checkpoint is due: every so many epochs or, at the end of an epoch, every so many seconds."""

    count: float
    seconds: bool


class Checkpoints:
    """The checkpoints of one job.

    Args:
        directory: it need not exist.
        every: None writes none; what is there is read all the same.
        keep: how many, the last ones.
    """

    def __init__(self, directory: str, every: Optional[Interval] = None, keep: int = 3) -> None:
        self._directory, self._every, self._keep = directory, every, keep
        self._written = time.monotonic()

    @property
    def are_written(self) -> bool:
        return self._every is not None

    def is_due(self, epoch: int) -> bool:
        """Whether one is to be written after this epoch, counted from 0."""
        if self._every is None:
            return False
        if self._every.seconds:
            return time.monotonic() - self._written >= self._every.count
        return (epoch + 1) % int(self._every.count) == 0

    def write(self, epoch: int, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Writes the checkpoint of an epoch, whole or not at all, and removes those that are too old.

        One that cannot be written is told, and the training goes on without.

        Args:
            epoch: the last that was trained, counted from 0.
            about: JSON values, and arrays by name: what `latest` answers.
        """
        path = os.path.join(self._directory, f"epoch-{epoch:06d}.npz")
        self._written = time.monotonic()
        try:
            os.makedirs(self._directory, exist_ok=True)
            _write(path, {**arrays, _ABOUT: np.array(json.dumps(about))})
            for old in self._epochs()[: -self._keep]:
                os.remove(os.path.join(self._directory, f"epoch-{old:06d}.npz"))
        except OSError as error:
            print(f"Checkpoint not written: {error}; the training goes on", file=sys.stderr, flush=True)
        else:
            print(f"[Epoch {epoch}] Checkpoint: {os.path.basename(path)}", flush=True)

    def latest(self) -> Optional[Tuple[Dict[str, Any], Dict[str, np.ndarray]]]:
        """What the last whole checkpoint was written with, or None where there is none."""
        for epoch in reversed(self._epochs()):
            path = os.path.join(self._directory, f"epoch-{epoch:06d}.npz")
            try:
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[name] for name in file.files}
                return json.loads(str(arrays.pop(_ABOUT))), arrays
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                print(f"Checkpoint {path} is damaged ({error}): the one before it counts", file=sys.stderr, flush=True)
        return None

    def _epochs(self) -> List[int]:
        if not os.path.isdir(self._directory):
            return []
        return sorted(int(match[1]) for match in map(_NAME.fullmatch, os.listdir(self._directory)) if match)


def _write(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    part = path + ".part"
    try:
        with open(part, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        if os.path.exists(part):
            os.remove(part)
        raise


def interval(text: str) -> Interval:
    """What `2 epochs`, `2`, `30 seconds` or `30s` means; InputError for anything else."""
    match = _EVERY.fullmatch(text.strip())
    seconds = match is not None and (match[2] or "").startswith("s")
    if match is None or float(match[1]) <= 0 or not (seconds or float(match[1]).is_integer()):
        raise InputError(f"a checkpoint every {text!r}: expected a number of epochs, as `2`, or of seconds, as `30s`")
    return Interval(float(match[1]), seconds)


def of_this_job(variables: Mapping[str, str] = os.environ) -> Checkpoints:
    """The checkpoints of the job that this process runs.

    They are in `checkpoints` of SAGEMAKER_BASE_DIR, by default /opt/ml; GLAUNCH_CHECKPOINT_EVERY is an `interval`,
    GLAUNCH_CHECKPOINT_KEEP a number.
    """
    every = variables.get("GLAUNCH_CHECKPOINT_EVERY")
    return Checkpoints(
        os.path.join(variables.get("SAGEMAKER_BASE_DIR") or "/opt/ml", "checkpoints"),
        interval(every) if every else None,
        int(variables.get("GLAUNCH_CHECKPOINT_KEEP") or 3),
    )
