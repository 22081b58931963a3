"""The parameters of a net on one device, packed for training."""

from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from gluon_job.compat import mx
from gluon_job.errors import InputError

_ALIGNMENT = 16  # floats: a cache line, where oneDNN's vectors like to begin


class Segment(NamedTuple):
    """The part of the buffers, from `begin` to before `end`, of the parameters with the same multipliers."""

    begin: int
    end: int
    lr_mult: float
    wd_mult: float


class Weights:
    """A copy of a net's parameters whose trainable part is one buffer: one operator updates it, one key sums it.

    The net itself is left alone until `store`. Training may use the views in `arrays`; inference may not, because
    oneDNN then reorders a convolution's weights in place and overwrites its neighbours: it uses `copies()`.

    Attributes:
        values, gradients: float32 (size,) on the device; the trainable parameters one after the other.
        arrays: every parameter by name; the trainable ones are views of `values`.
        statistics: those of them that no gradient moves, such as batch normalization's running ones.
        segments: what to update together.
    """

    def __init__(self, net: Any, ctx: Any):
        self._parameters = net.collect_params()
        trained = sorted(
            (p for p in self._parameters.values() if p.grad_req != "null"), key=lambda p: (p.lr_mult, p.wd_mult)
        )
        places, self.segments = _places(trained)
        size = self.segments[-1].end if self.segments else 0
        if not size:
            raise InputError("the net has no parameters to train")
        self.values, self.gradients = mx.nd.zeros(size, ctx=ctx), mx.nd.zeros(size, ctx=ctx)
        self.statistics: Dict[str, Any] = {
            p.name: p.list_data()[0].copyto(ctx) for p in self._parameters.values() if p.grad_req == "null"
        }
        self.arrays = dict(self.statistics)
        views, gradients = [], []
        for parameter, (begin, end) in zip(trained, places):
            view = self.values[begin:end].reshape(parameter.shape)
            view[:] = parameter.list_data()[0]
            self.arrays[parameter.name] = view
            views.append(view)
            gradients.append(self.gradients[begin:end].reshape(parameter.shape))
        mx.autograd.mark_variables(views, gradients)

    def copies(self) -> Dict[str, Any]:
        """Every parameter by name, apart from the buffer: safe for inference."""
        return {name: array.copy() for name, array in self.arrays.items()}

    def store(self) -> None:
        """Gives the net these values, on all its devices."""
        for name, array in self.arrays.items():
            self._parameters[name].set_data(array.copy())


def _places(parameters: List[Any]) -> Tuple[List[Tuple[int, int]], List[Segment]]:
    """Where each parameter begins and ends in the buffer, and the segments; both in the order given."""
    places, segments, begin = [], [], 0
    for parameter in parameters:
        value = parameter.list_data()[0]
        if value.stype != "default" or parameter.list_grad()[0].stype != "default" or value.dtype != np.float32:
            raise InputError(f"parameter {parameter.name} is sparse or not float32: fit() trains dense float32 nets")
        size = value.size
        places.append((begin, begin + size))
        begin += size + -size % _ALIGNMENT
        multipliers = (parameter.lr_mult, parameter.wd_mult)
        if segments and segments[-1][2:] == multipliers:
            segments[-1] = segments[-1]._replace(end=begin)
        else:
            segments.append(Segment(places[-1][0], begin, *multipliers))
    return places, segments
