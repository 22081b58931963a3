"""Images in the memory of the devices of this host, and the training steps that take batches of them."""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from gluon_job import watchdog
from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.parallel import SharedWeights
from gluon_job.step import Graphs, Prediction, TrainingStep, judged

_SCORED = 500  # images scored at a time

Outcome = List[Tuple[Any, np.ndarray]]  # of each device: probabilities (N, classes) on it, labels (N,)


class Share(NamedTuple):
    """A device's part of an epoch: of every batch some samples, or one that counts nothing where there are too few.

    Attributes:
        indices: int32 (N,) on the device that has the images.
        labels: float32 (N,) on the device; true_labels: the same as int (N,) in memory.
        begins: where each batch begins among them, and where the last one ends.
    """

    indices: Any
    labels: Any
    true_labels: np.ndarray
    begins: List[int]


class Replicas(SharedWeights):
    """The devices train on images that they hold. Nothing here waits for a device except `score`.

    Args:
        net: an initialized HybridBlock; it is read here and written by `store` alone.
        graphs: the net's.
        images: uint8 (N, ...) on the first context.
        labels: int (N,).
        values: the hyperparameters of `Optimizer`.
        contexts: the devices of this host.
        cluster: the hosts; all of them take the same steps.
    """

    def __init__(
        self,
        net: Any,
        graphs: Graphs,
        images: Any,
        labels: np.ndarray,
        values: Mapping[str, Any],
        contexts: Sequence[Any],
        cluster: Cluster,
    ):
        super().__init__(net, values, contexts, cluster)
        self._images, self._labels, self._ignored = images, labels, graphs.ignored
        self._steps = [TrainingStep(graphs.training, weights.arrays) for weights in self._weights]
        self._prediction = Prediction(graphs.prediction)

    def replace(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Goes on with other samples, as many as before."""
        self._images[:] = images
        self._labels = labels

    def arrays(self) -> Dict[str, Any]:
        """Every parameter by name, on the first device: a copy, safe for inference."""
        return self._weights[0].copies()

    def share(self, batches: Sequence[np.ndarray]) -> List[Share]:
        """What each device computes of batches: the indices of their samples."""
        # All at once: mxnet uploads an array when everything queued before it is done.
        shares = []
        for k, ctx in enumerate(self._contexts):
            parts = [np.array_split(batch, len(self._contexts))[k] for batch in batches]
            indices = np.concatenate([part if len(part) else [0] for part in parts])
            labels = np.concatenate([self._labels[part] if len(part) else [self._ignored] for part in parts])
            shares.append(
                Share(
                    mx.nd.array(indices, ctx=self._images.context, dtype=np.int32),
                    mx.nd.array(labels, ctx=ctx, dtype=np.float32),
                    labels,
                    np.cumsum([0] + [max(1, len(part)) for part in parts]).tolist(),
                )
            )
        return shares

    def train(self, shares: Sequence[Share], begin: int, samples: Sequence[int], rates: Sequence[float]) -> Outcome:
        """A step with each of some batches, the first of which is the one numbered `begin` of the shares.

        Args:
            shares: of an epoch.
            begin: the first batch.
            samples: of each batch, on all hosts together.
            rates: the learning rate of each step.
        """
        guard, end = watchdog.current(), begin + len(samples)
        if guard:
            guard.step()
        inputs = [self._gather(share, ctx, begin, end) for share, ctx in zip(shares, self._contexts)]
        outputs: List[List[Any]] = [[] for _ in inputs]
        for i, (count, rate) in enumerate(zip(samples, rates)):
            for (images, labels, sizes), step, output in zip(inputs, self._steps, outputs):
                output.append(step.backward(images[i], labels[i], sizes[i]))
            self.update(rate, count)
        return [
            (mx.nd.concat(*output, dim=0), share.true_labels[share.begins[begin] : share.begins[end]])
            for output, share in zip(outputs, shares)
        ]

    def score(self, images: np.ndarray, labels: np.ndarray) -> Dict[str, float]:
        """The `accuracy`, from 0 to 1, and the `loss`, the mean cross-entropy, on images uint8 (N, ...).

        Each host scores a part of them; all learn the result.
        """
        total = len(images)
        images, labels = (
            images[self._cluster.index :: self._cluster.size],
            labels[self._cluster.index :: self._cluster.size],
        )
        arrays = [weights.copies() for weights in self._weights]
        waiting = []
        for i, begin in enumerate(range(0, len(images), _SCORED)):
            k = i % len(self._contexts)
            batch = mx.nd.array(images[begin : begin + _SCORED], ctx=self._contexts[k], dtype=np.uint8)
            waiting.append(self._prediction(arrays[k], batch))
        found = judged(np.concatenate([logits.asnumpy() for logits in waiting]), labels) if waiting else (0, 0.0)
        correct, loss = self._cluster.sum("scored", found)
        return {"accuracy": correct / total, "loss": loss / total}

    def _gather(self, share: Share, ctx: Any, begin: int, end: int) -> Tuple[List[Any], List[Any], List[int]]:
        """The images, the labels and the size of each of a device's batches."""
        first, last = share.begins[begin], share.begins[end]
        images = mx.nd.take(self._images, share.indices[first:last]).as_in_context(ctx)
        places = list(zip(share.begins[begin:end], share.begins[begin + 1 : end + 1]))
        return (
            [images[start - first : stop - first] for start, stop in places],
            [share.labels[start:stop] for start, stop in places],
            [stop - start for start, stop in places],
        )
