"""The learning rate of each step of a training."""

import math
from typing import Any, Mapping


def learning_rate(values: Mapping[str, Any], step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over all epochs.

    Args:
        values: the hyperparameters learning_rate, epochs, schedule, step_epochs, step_factor and warmup_epochs.
        step: from 0 to epochs * steps_per_epoch - 1.
        steps_per_epoch: batches in an epoch, the short last one included.
    """
    base, epoch = values["learning_rate"], step / steps_per_epoch
    if epoch < values["warmup_epochs"]:
        return base * (step + 1) / (values["warmup_epochs"] * steps_per_epoch)
    if values["schedule"] == "step":
        return base * values["step_factor"] ** sum(epoch >= boundary for boundary in values["step_epochs"])
    if values["schedule"] == "cosine":
        left = values["epochs"] - values["warmup_epochs"]
        return base * (1 + math.cos(math.pi * (epoch - values["warmup_epochs"]) / left)) / 2
    return base
