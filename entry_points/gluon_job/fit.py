"""The training loop: fast because the device never waits for Python.

Images stay uint8 on the device. Sixteen batches are gathered at a time, each batch is one graph, and while the device
works on one group Python prepares the next and reads the losses of the previous one.
"""

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from gluon_job import threads
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.schedule import learning_rate
from gluon_job.step import Prediction, TrainingStep

HYPERPARAMETERS = {
    "optimizer": Hyperparameter("sgd", "how the weights move", choices=["sgd", "adam", "rmsprop"]),
    "learning_rate": Hyperparameter(None, "the first one; by default the optimizer's usual", kind=float, above=0),
    "momentum": Hyperparameter(0.9, "of sgd", low=0, high=1),
    "weight_decay": Hyperparameter(0.0, "pull of every weight towards zero", low=0),
    "batch_size": Hyperparameter(100, "samples a step", low=1),
    "epochs": Hyperparameter(10, "passes over the training data", low=1),
    "seed": Hyperparameter(1, "of the first weights, the order of the samples and dropout", low=0, high=2**31 - 1),
    "log_interval": Hyperparameter(100, "batches between two progress lines; 0 for none", low=0),
    "patience": Hyperparameter(0, "epochs without a better validation before stopping; 0 for never", low=0),
    "schedule": Hyperparameter("constant", "of the learning rate", choices=["constant", "step", "cosine"]),
    "step_epochs": Hyperparameter([], "epochs at which the schedule `step` lowers the rate", kind=[int], low=1),
    "step_factor": Hyperparameter(0.1, "what the schedule `step` multiplies the rate with", above=0, high=1),
    "warmup_epochs": Hyperparameter(0, "epochs in which the rate rises from zero", low=0),
}
GROUP = 16  # batches gathered at a time
SCORED = 1000  # images scored at a time
_SECONDS_BETWEEN_LINES = 2.0
_SECONDS_A_GROUP = 0.5


class Epoch(NamedTuple):
    """What an epoch came to: accuracies from 0 to 1, the mean cross-entropy, training samples a second."""

    epoch: int
    accuracy: float
    loss: float
    validation_accuracy: Optional[float]
    samples_per_second: float


def fit(
    net: Any,
    training: Tuple[np.ndarray, np.ndarray],
    validation: Optional[Tuple[np.ndarray, np.ndarray]],
    hyperparameters: Mapping[str, Any],
    contexts: Sequence[Any],
) -> List[Epoch]:
    """Trains a network in place and prints its progress.

    The same seed, data, contexts and number of threads give the same parameters, bit for bit.

    Args:
        net: a HybridBlock; float32 images (N, 1, height, width) from 0 to 1 in, logits (N, classes) out. Parameters
            without values get them from the seed.
        training, validation: images uint8 (N, 1, height, width) and labels int (N,).
        hyperparameters: a value for each of HYPERPARAMETERS.
        contexts: the devices that share every batch.

    Raises:
        InputError: more samples in a batch than there are, patience without validation data, a loss not finite.
    """
    return _Fit(net, training, validation, hyperparameters, contexts).run()
