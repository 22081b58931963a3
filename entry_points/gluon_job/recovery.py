"""Where a training is, and how it goes on from there when its job is started again."""

import math
from typing import Any, Dict, Mapping, NamedTuple, Optional

import numpy as np

from gluon_job.checkpoint import Checkpoints
from gluon_job.cluster import Cluster
from gluon_job.errors import InputError
from gluon_job.parallel import SharedWeights
from gluon_job.progress import Epoch

_NOW, _BEST = "now/", "best/"


class Position(NamedTuple):
    """The next epoch, from 0, and the best one so far with its score; -1 and minus infinity where there is none."""

    epoch: int = 0
    best_epoch: int = -1
    best_score: float = -math.inf

    def after(self, epoch: Epoch, patience: int) -> "Position":
        """Without patience the last epoch is the best."""
        score = -math.inf if epoch.score is None else epoch.score
        if not patience or score > self.best_score:
            return Position(self.epoch + 1, self.epoch, score)
        return self._replace(epoch=self.epoch + 1)

    @property
    def is_best(self) -> bool:
        """Whether the epoch before the next is the best one."""
        return self.best_epoch == self.epoch - 1

    def is_end(self, values: Mapping[str, Any]) -> bool:
        """Whether, with the hyperparameters `epochs` and `patience`, the training is over."""
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch >= values["epochs"] or bool(values["patience"] and waited >= values["patience"])


class Recovery:
    """Writes checkpoints on the first host, and begins on all hosts where the last of them was.

    Attributes:
        threads: of the training that is resumed, or 0: with as many it goes on with the same bits.

    Args:
        checkpoints: the first host's; None for no recovery.
        job: what must be the same when a training goes on, as JSON values.

    Raises:
        InputError: a checkpoint of another job.
    """

    def __init__(self, checkpoints: Optional[Checkpoints], cluster: Cluster, job: Mapping[str, Any]) -> None:
        self._checkpoints, self._cluster, self._job = checkpoints if cluster.is_first else None, cluster, dict(job)
        self._about, self._arrays = (self._checkpoints and self._checkpoints.latest()) or ({}, {})
        self._best: Dict[str, np.ndarray] = {}
        self.threads: int = self._about.get("threads", 0)
        if self._about:
            _check(self._about["job"], self._job)

    def resume(self, replicas: SharedWeights) -> Position:
        """Gives all hosts the state of the last checkpoint, and the net its best weights; where that was."""
        mine = [*self._about["position"], self._about["steps"], 1] if self._about else [0] * 5
        *position, steps, found = self._cluster.sum("position", mine if self._cluster.is_first else [0] * 5)
        if not found:
            return Position()
        at = Position(int(position[0]), int(position[1]), float(position[2]))
        if not at.is_best:
            self._best = _part(self._arrays, _BEST)
            replicas.resume(self._best or None, int(steps))
            replicas.store()
        replicas.resume(_part(self._arrays, _NOW) or None, int(steps))
        if at.is_best:
            replicas.store()
        if self._cluster.is_first:
            print(f"Resumed after epoch {at.epoch - 1}", flush=True)
        self._arrays = {}
        return at

    def note(self, position: Position, replicas: SharedWeights, patience: int) -> None:
        """Called after each epoch: writes a checkpoint when one is due."""
        if self._checkpoints is None or not self._checkpoints.are_written:
            return
        is_due = self._checkpoints.is_due(position.epoch - 1)
        state = replicas.state() if is_due or (patience and position.is_best) else {}
        if patience and position.is_best:
            self._best = state
        if is_due:
            arrays = {_NOW + name: array for name, array in state.items()}
            if not position.is_best:
                arrays.update((_BEST + name, array) for name, array in self._best.items())
            about = {"position": position, "steps": replicas.steps, "threads": replicas.contexts, "job": self._job}
            self._checkpoints.write(position.epoch - 1, about, arrays)


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> Dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def _check(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise InputError(
                f"the checkpoint is of another job: its {name} is {theirs.get(name)!r}, here {value!r}; "
                "give it what it was made with, or begin without it"
            )
