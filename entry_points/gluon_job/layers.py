"""A network from its description: a list of layers, each an object with a type and its values."""

from typing import Any, Dict, Mapping, Sequence

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter, did_you_mean, parse

nn = mx.gluon.nn

_ACTIVATION = Hyperparameter(None, "applied to the outputs", kind=str, choices=["relu", "tanh", "sigmoid", "softrelu"])
_UNITS = Hyperparameter(64, "number of outputs", low=1)
_SIZE = Hyperparameter(2, "height and width of the window, and its step", low=1)

ACCEPTED: Dict[str, Dict[str, Hyperparameter]] = {
    "conv": {
        "channels": Hyperparameter(32, "number of filters", low=1),
        "kernel": Hyperparameter(3, "height and width of a filter", low=1),
        "stride": Hyperparameter(1, "step of the filter", low=1),
        "padding": Hyperparameter(0, "rows and columns of zeros added on each side", low=0),
        "activation": _ACTIVATION,
    },
    "pool": {
        "size": _SIZE,
        "kind": Hyperparameter("max", "what is kept of a window", choices=["max", "average"]),
    },
    "dense": {"units": _UNITS, "activation": _ACTIVATION},
    "dropout": {"rate": Hyperparameter(0.25, "share of the values dropped while training", low=0, high=0.95)},
    "batch_norm": {},
}


def build(described: Sequence[Mapping[str, Any]], classes: int, prefix: str) -> Any:
    """A HybridSequential of the described layers, ended by a dense layer of `classes` outputs.

    Raises:
        InputError: an unknown type of layer, or a value that its type does not accept; it names the layer's place.
    """
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        for place, description in enumerate(described):
            try:
                net.add(_layer(dict(description)))
            except InputError as error:
                raise InputError(f"layers[{place}]: {error}") from None
        net.add(nn.Dense(classes))
    return net


def check(net: Any, input_shape: Sequence[int]) -> None:
    """Follows the shape of one sample through the layers of a network that `build` made.

    Raises:
        InputError: a layer that does not fit what comes to it (a kernel larger than the image, conv after dense).
    """
    shape = (1, *input_shape)
    for place, layer in enumerate(net):
        try:
            _, (shape,), _ = layer(mx.sym.var("data")).infer_shape(data=shape)
        except mx.MXNetError as error:
            reason = str(error).strip().rpartition(": ")[2]
            raise InputError(
                f"layers[{place}] does not fit its input, which has the shape {list(shape[1:])}: {reason}"
            ) from None


def _layer(values: Dict[str, Any]) -> Any:
    kind = values.pop("type", None)
    if not isinstance(kind, str) or kind not in ACCEPTED:
        raise InputError(
            f"a layer's type is one of {', '.join(ACCEPTED)}, not {kind!r}{did_you_mean(str(kind), ACCEPTED)}"
        )
    values = parse(values, ACCEPTED[kind])
    if kind == "conv":
        return nn.Conv2D(
            values["channels"],
            values["kernel"],
            values["stride"],
            values["padding"],
            activation=values["activation"],
        )
    if kind == "pool":
        return (nn.MaxPool2D if values["kind"] == "max" else nn.AvgPool2D)(values["size"])
    if kind == "dense":
        return nn.Dense(values["units"], activation=values["activation"])
    return nn.Dropout(values["rate"]) if kind == "dropout" else nn.BatchNorm()
