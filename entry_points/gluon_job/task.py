"""What a training is about: what its samples are, what the net's answers mean, and how good they are."""

from types import MappingProxyType
from typing import Any, Mapping, Optional, Tuple

import numpy as np

from gluon_job.progress import Accuracy
from gluon_job.step import Graphs


class Task:
    """The classification of images, which is what `fit` trains for unless it gets a task of another class.

    Attributes:
        dtype: of the samples on the devices.
        identity: what a training that goes on from a checkpoint must have in common with it, as JSON values.
    """

    dtype: Any = np.uint8
    identity: Mapping[str, Any] = MappingProxyType({})

    def graphs(self, net: Any) -> Any:
        """As `step.Graphs`: what the devices compute."""
        return Graphs(net)

    def meter(self) -> Any:
        """As `progress.Accuracy`: what an epoch comes to."""
        return Accuracy()

    def samples(self, epoch: int) -> Optional[Tuple[np.ndarray, np.ndarray]]:
        """The training data of an epoch, as many as before; None where they are the same in all."""
        del epoch
        return None

    def score(self, replicas: Any, validation: Any) -> Mapping[str, float]:
        """The metrics of the validation data by name; every host asks for them, and all get the same."""
        return replicas.score(*validation)
