"""How the weights move: the same arithmetic as mxnet's optimizers of these names, on whole buffers."""

import math
from typing import Any, Mapping, Sequence

from gluon_job.compat import mx
from gluon_job.weights import Segment, Weights

_STATES = {"sgd": 1, "adam": 2, "rmsprop": 1}
_BETA1, _BETA2 = 0.9, 0.999  # adam's
_GAMMA = 0.9  # rmsprop's
_EPSILON = 1e-8


class Optimizer:
    """Updates the weights of one device. mxnet's own spends more time in Python than a small net in its step.

    Attributes:
        steps: updates so far.
        states: what it remembers, buffers like the weights: sgd the momentum, adam mean and variance, rmsprop the
            mean square.
    """

    def __init__(self, weights: Weights, values: Mapping[str, Any]):
        self._weights, self._values = weights, values
        self.steps = 0
        self.states = [mx.nd.zeros_like(weights.values) for _ in range(_STATES[values["optimizer"]])]
        self._buffers = [
            [buffer[segment.begin : segment.end] for buffer in (weights.values, weights.gradients, *self.states)]
            for segment in weights.segments
        ]
        self._update = getattr(self, "_" + values["optimizer"])

    def update(self, learning_rate: float, samples: int) -> None:
        """Moves the weights by their gradients, which are sums over this many samples."""
        self.steps += 1
        for segment, buffers in zip(self._weights.segments, self._buffers):
            self._update(segment, buffers, learning_rate * segment.lr_mult, 1 / samples)

    def _sgd(self, segment: Segment, buffers: Sequence[Any], learning_rate: float, scale: float) -> None:
        mx.nd.sgd_mom_update(
            *buffers,
            lr=learning_rate,
            momentum=self._values["momentum"],
            wd=self._values["weight_decay"] * segment.wd_mult,
            rescale_grad=scale,
            out=buffers[0],
        )

    def _adam(self, segment: Segment, buffers: Sequence[Any], learning_rate: float, scale: float) -> None:
        correction = math.sqrt(1 - _BETA2**self.steps) / (1 - _BETA1**self.steps)
        mx.nd.adam_update(
            *buffers,
            lr=learning_rate * correction,
            beta1=_BETA1,
            beta2=_BETA2,
            epsilon=_EPSILON,
            wd=self._values["weight_decay"] * segment.wd_mult,
            rescale_grad=scale,
            out=buffers[0],
        )

    def _rmsprop(self, segment: Segment, buffers: Sequence[Any], learning_rate: float, scale: float) -> None:
        mx.nd.rmsprop_update(
            *buffers,
            lr=learning_rate,
            gamma1=_GAMMA,
            epsilon=_EPSILON,
            wd=self._values["weight_decay"] * segment.wd_mult,
            rescale_grad=scale,
            out=buffers[0],
        )
