"""The same weights on all devices, of this host and the others."""

from typing import Any, Dict, Mapping, Optional, Sequence

import numpy as np

from gluon_job import threads
from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.optimizer import Optimizer
from gluon_job.weights import Weights


class SharedWeights:
    """The same weights on every device, at all times: each has gradients of its share of a batch, and they are summed.

    Nothing here waits for a device, except to give the state away.

    Args:
        net: an initialized HybridBlock; it is read here and written by `store` alone.
        values: the hyperparameters of `Optimizer`.
        contexts: the devices of this host.
        cluster: the hosts; all of them take the same steps.
    """

    def __init__(self, net: Any, values: Mapping[str, Any], contexts: Sequence[Any], cluster: Cluster):
        self._contexts, self._cluster = list(contexts), cluster
        self._weights = [Weights(net, ctx) for ctx in self._contexts]
        self.optimizers = [Optimizer(weights, values) for weights in self._weights]
        first, *others = [weights.values for weights in self._weights]
        cluster.copy_from_first("weights", first)
        for other in others:
            first.copyto(other)
        self._kvstore = None
        if len(self._contexts) > 1:
            self._kvstore = mx.kv.create("device")
            self._kvstore.init(0, self._weights[0].gradients)

    @property
    def threads(self) -> int:
        """Of all contexts together."""
        return len(self._contexts) * threads.openmp()

    @property
    def contexts(self) -> int:
        """How many devices of this host share a batch."""
        return len(self._contexts)

    @property
    def steps(self) -> int:
        """Of each optimizer so far."""
        return self.optimizers[0].steps

    def update(self, learning_rate: float, samples: float) -> None:
        """Moves all weights alike, by the sum of all gradients; `samples` is what they are sums over."""
        gradients = [weights.gradients for weights in self._weights]
        if self._kvstore:
            self._kvstore.pushpull(0, gradients, out=gradients)
        if self._cluster.size > 1:
            self._cluster.sum_in_place("gradients", gradients[0])
            for other in gradients[1:]:
                gradients[0].copyto(other)
        for optimizer in self.optimizers:
            optimizer.update(learning_rate, samples)

    def average_statistics(self) -> None:
        """Gives all hosts the mean of what batch normalization has seen on each."""
        first, *others = [weights.statistics for weights in self._weights]
        for name, array in first.items():
            self._cluster.sum_in_place(name, array)
            array[:] = array / self._cluster.size
            for other in others:
                array.copyto(other[name])

    def store(self) -> None:
        """Gives the net these weights."""
        self._weights[0].store()

    def state(self) -> Dict[str, np.ndarray]:
        """All that a training needs to go on from here, but for `Optimizer.steps`: arrays by name."""
        return {name: array.asnumpy() for name, array in self._buffers(0).items()}

    def resume(self, state: Optional[Mapping[str, np.ndarray]], steps: int) -> None:
        """Goes on, on all hosts, from the state that the first of them gives, after so many steps."""
        first, *others = [self._buffers(k) for k in range(len(self._contexts))]
        for name, array in first.items():
            if state is not None:
                array[:] = state[name]
            self._cluster.copy_from_first("resumed " + name, array)
            for other in others:
                array.copyto(other[name])
        for optimizer in self.optimizers:
            optimizer.steps = steps

    def _buffers(self, k: int) -> Dict[str, Any]:
        """What changes in training on a device."""
        weights, states = self._weights[k], self.optimizers[k].states
        return {
            "weights": weights.values,
            **{f"optimizer {i}": state for i, state in enumerate(states)},
            **{f"statistic {name}": array for name, array in weights.statistics.items()},
        }
