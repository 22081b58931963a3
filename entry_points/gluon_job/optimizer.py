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
            [buffer[s.begin : s.end].reshape((1, -1)) for buffer in (weights.values, weights.gradients, *self.states)]
            for s in weights.segments
        ]
        self._one = mx.nd.ones((1, 1), ctx=weights.values.context)
        self._update = getattr(self, "_" + values["optimizer"])

    def update(self, learning_rate: float, samples: int) -> None:
        """Moves the weights by their gradients, which are sums over this many samples."""
        self.steps += 1
        for segment, buffers in zip(self._weights.segments, self._buffers):
            self._update(segment, buffers, learning_rate * segment.lr_mult, 1 / samples)

    def _sgd(self, segment: Segment, buffers: Sequence[Any], learning_rate: float, scale: float) -> None:
        weights, gradients, momentum = buffers
        decay = self._values["weight_decay"] * segment.wd_mult
        self._add(momentum, gradients, -learning_rate * scale, self._values["momentum"])
        if decay:
            self._add(momentum, weights, -learning_rate * decay)
        self._add(weights, momentum)

    def _add(self, total: Any, term: Any, factor: float = 1.0, kept: float = 1.0) -> None:
        """Total becomes `kept` * total + `factor` * term.

        A product of matrices, because the BLAS library's loop uses the processor's vectors and is several times as
        fast as those of mxnet's own operators.
        """
        mx.nd.linalg.gemm(self._one, term, total, alpha=factor, beta=kept, out=total)

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
