"""What a device computes for a batch: the training step and the predictions, each as one graph."""

from typing import Any, Dict, Mapping, Tuple

import numpy as np

from gluon_job.compat import mx
from gluon_job.graph import optimized

SCALE = 1 / 255
IMAGES, LABELS = "step_images", "step_labels"
IGNORED = -1  # the label of a sample that counts nothing
_SCALED = "step_scaled"


class Graphs:
    """The symbols of a net's training step and prediction.

    Attributes:
        training: images uint8 (N, ...) and labels float32 (N,) in, probabilities float32 (N, classes) out. Its gradient
            is that of the cross-entropy summed over the batch; a sample whose label is `ignored` counts nothing.
        prediction: images uint8 (N, ...) in, logits float32 (N, classes) out.
        has_statistics: the net learns from a batch as a whole, as batch normalization does.
        ignored: the label of a sample that counts nothing.
    """

    ignored = IGNORED

    def __init__(self, net: Any):
        shapes = {p.name: p.shape for p in net.collect_params().values()}
        # Without BlockGrad the first layer would compute the gradient of the images too.
        images = mx.sym.BlockGrad(mx.sym.cast(mx.sym.var(IMAGES), dtype="float32") * SCALE)
        logits = optimized(net(mx.sym.var(_SCALED)), shapes)(**{_SCALED: images})
        self.training = mx.sym.SoftmaxOutput(logits, mx.sym.var(LABELS), use_ignore=True, ignore_label=IGNORED)
        self.prediction = logits
        self.has_statistics = bool(logits.list_auxiliary_states())


class TrainingStep:
    """The compiled training step of one device.

    Args:
        symbol: `Graphs.training`.
        arrays: the parameters by name, with their gradients beside them; always these, because a graph with a fixed
            plan keeps to the arrays it first ran with.
    """

    def __init__(self, symbol: Any, arrays: Mapping[str, Any]):
        names = symbol.list_inputs()
        self._symbol, self._plans = symbol, {}
        self._images, self._labels = names.index(IMAGES), names.index(LABELS)
        self._inputs = [arrays.get(name) for name in names]

    def backward(self, images: Any, labels: Any, size: int) -> Any:
        """Leaves the gradients of a batch of `size` samples beside the parameters; the probabilities.

        Of a symbol with several outputs, all of which know their gradient, it is the first one.
        """
        self._inputs[self._images], self._inputs[self._labels] = images, labels
        # A plan is made for a size: the short last batch of an epoch has its own.
        if size not in self._plans:
            self._plans[size] = _compiled(self._symbol, static_alloc=True, static_shape=True)
        with mx.autograd.record():
            outputs = self._plans[size](*self._inputs)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        mx.autograd.backward(outputs)
        return outputs[0]


class Prediction:
    """The compiled prediction: `Graphs.prediction` of images with these parameters by name."""

    def __init__(self, symbol: Any):
        self._operator, self._names = _compiled(symbol), symbol.list_inputs()

    def __call__(self, arrays: Mapping[str, Any], images: Any) -> Any:
        inputs: Dict[str, Any] = {**arrays, IMAGES: images}
        return self._operator(*[inputs[name] for name in self._names])


def judged(logits: np.ndarray, labels: np.ndarray) -> Tuple[int, float]:
    """How many of logits (N, classes) are largest at the label, of int (N,), and the sum of the cross-entropy."""
    exact, rows = logits.astype(np.float64), np.arange(len(labels))
    exact -= exact.max(axis=1, keepdims=True)
    loss = np.log(np.exp(exact).sum(axis=1)) - exact[rows, labels]
    return int((logits.argmax(axis=1) == labels).sum()), float(loss.sum())


def _compiled(symbol: Any, **flags: bool) -> Any:
    names = symbol.list_inputs()
    data = [i for i, name in enumerate(names) if name in (IMAGES, LABELS)]
    parameters = [i for i in range(len(names)) if i not in data]
    return mx.nd.CachedOp(symbol, [("data_indices", data), ("param_indices", parameters), *flags.items()])
