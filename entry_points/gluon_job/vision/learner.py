"""A training step on batches that come from outside, of any net and loss that are a graph."""

import json
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

from gluon_job import watchdog
from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.parallel import SharedWeights
from gluon_job.step import SCALE

LOSS_SCALE = 128.0  # of half precision: gradients as small as 1e-7 would be lost in it
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures, which GluonCV trained with

Arrays = Dict[str, np.ndarray]


class Normalized(mx.gluon.HybridBlock):
    """A net of GluonCV that takes pictures, float32 (N, 3, height, width), from 0 to 1."""

    def __init__(self, net: Any) -> None:
        super().__init__(prefix="normalized_")
        self.net = net
        with self.name_scope():
            self.mean = self.params.get_constant("mean", np.reshape(np.float32(_MEAN), (1, 3, 1, 1)))
            self.deviation = self.params.get_constant("deviation", np.reshape(np.float32(_DEVIATION), (1, 3, 1, 1)))

    def normalized(self, pictures: Any) -> Any:
        """The symbol of pictures as the net within takes them, given that of what this one takes."""
        return mx.sym.broadcast_div(mx.sym.broadcast_sub(pictures, self.mean.var()), self.deviation.var())

    def hybrid_forward(self, F: Any, x: Any, mean: Any, deviation: Any) -> Any:  # noqa: N803
        return self.net(F.broadcast_div(F.broadcast_sub(x, mean), deviation))


def scaled(name: str = "images") -> Any:
    """The symbol of a batch's pictures, uint8, as a net takes them, float32 from 0 to 1; no gradient goes there."""
    return mx.sym.BlockGrad(mx.sym.cast(mx.sym.var(name), dtype="float32") * SCALE)


def with_frozen_statistics(symbol: Any, net: Any) -> Any:
    """The same graph; where batch normalization is frozen it uses the statistics it has, and leaves them alone."""
    frozen = {parameter.name for parameter in net.collect_params().values() if parameter.grad_req == "null"}
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        if node["op"] == "BatchNorm" and graph["nodes"][node["inputs"][2][0]]["name"] in frozen:  # its beta
            node.setdefault("attrs", {})["use_global_stats"] = "True"
    return mx.sym.load_json(json.dumps(graph))


def in_half_precision(symbol: Any) -> Any:
    """The same graph with its convolutions and dense layers in float16; parameters and outputs stay float32."""
    from mxnet.contrib import amp

    outputs = [mx.sym.cast(output, dtype="float32") for output in amp.convert_symbol(symbol, target_dtype="float16")]
    return outputs[0] if len(outputs) == 1 else mx.sym.Group(outputs)


class Learner(SharedWeights):
    """Trains on batches of arrays by name.

    Args:
        net: an initialized HybridBlock.
        loss: a symbol whose first output is the loss of each sample, float32 (N,), made by `mx.sym.MakeLoss`; others
            are of each sample too. Its inputs are the net's parameters and a batch's arrays.
        scale: what the gradients of the loss are multiples of.
        values, contexts, cluster: as of SharedWeights.
    """

    def __init__(
        self,
        net: Any,
        loss: Any,
        scale: float,
        values: Mapping[str, Any],
        contexts: Sequence[Any],
        cluster: Cluster,
    ) -> None:
        super().__init__(net, values, contexts, cluster)
        self._scale = scale
        self._operators = [Operator(loss, weights.arrays, static_alloc=True) for weights in self._weights]

    def train(self, batch: Arrays, samples: int, learning_rate: float) -> List[Tuple[List[Any], int]]:
        """A step, for which nothing waits: of each device the symbol's outputs, and how many samples are in them.

        Args:
            batch: of this host; with no samples it takes part and counts nothing.
            samples: of all hosts.
        """
        guard = watchdog.current()
        if guard:
            guard.step()
        outputs = []
        for k, (ctx, operator) in enumerate(zip(self._contexts, self._operators)):
            share, size = _share(batch, k, len(self._contexts))
            with mx.autograd.record():
                found = operator(share, ctx)
            found[0].backward()
            outputs.append((found, size))
        self.update(learning_rate, samples * self._scale)
        return outputs

    def predict(self, symbol: Any, batches: Iterable[Arrays]) -> Iterator[np.ndarray]:
        """The symbol's only output for each batch, with today's parameters; the devices take turns."""
        # Copies: oneDNN would reorder the shared buffer's convolutions in place.
        operators = [Operator(symbol, weights.copies()) for weights in self._weights]
        waiting: List[Any] = []
        for i, batch in enumerate(batches):
            k = i % len(operators)
            waiting += operators[k](batch, self._contexts[k])
            if len(waiting) > len(operators):
                yield waiting.pop(0).asnumpy()
        for found in waiting:
            yield found.asnumpy()


class Operator:
    """A symbol with its parameters, to be called with a batch's arrays by name."""

    def __init__(self, symbol: Any, parameters: Mapping[str, Any], **flags: bool) -> None:
        names = symbol.list_inputs()
        self._parameters = [parameters.get(name) for name in names]
        self._data = [(i, name) for i, name in enumerate(names) if name not in parameters]
        places = [i for i, _ in self._data]
        others = [i for i in range(len(names)) if i not in places]
        self._operator = mx.nd.CachedOp(symbol, [("data_indices", places), ("param_indices", others), *flags.items()])

    def __call__(self, arrays: Arrays, ctx: Any) -> List[Any]:
        """The outputs, on the device."""
        inputs = list(self._parameters)
        for i, name in self._data:
            inputs[i] = mx.nd.array(arrays[name], ctx=ctx, dtype=arrays[name].dtype)
        found = self._operator(*inputs)
        return found if isinstance(found, list) else [found]


def _share(batch: Arrays, k: int, count: int) -> Tuple[Arrays, int]:
    """A device's part of a batch, or one sample of zeros, which has no part in the loss, where it has none."""
    share = {name: np.array_split(array, count)[k] for name, array in batch.items()}
    size = len(next(iter(share.values())))
    if size == 0:
        share = {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in batch.items()}
    return share, size
