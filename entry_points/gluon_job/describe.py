"""What a script of ours would train, without training: `python -m gluon_job.describe`, from this directory's parent.

Reads one JSON object from standard input: `script`, `hyperparameters` and `channel_input_dirs`. The script is a module
with HYPERPARAMETERS and `build` (the net of their values, for images in MNIST's format) or, if it learns from something
else, `outline` (of values and channels: the net, the number of samples to train on, and the shape of one). Prints one:
`values` (every hyperparameter), `samples` to train on, and of the net `parameters`, `dense` and `convolution`
(multiply-adds a sample, forward). Exits with status 2 after an InputError's message.
"""

import importlib
import json
import sys
from typing import Any, Dict, Sequence

from gluon_job import datasets
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import parse

_WRONG_INPUT = 2
_KINDS = {"FullyConnected": "dense", "dot": "dense", "Convolution": "convolution"}


def describe(script: str, hyperparameters: Dict[str, Any], channel_input_dirs: Dict[str, str]) -> Dict[str, Any]:
    """The object above; InputError where the script would raise it before its first step."""
    module = importlib.import_module(script)
    values = parse(hyperparameters, module.HYPERPARAMETERS)
    if hasattr(module, "outline"):
        net, samples, shape = module.outline(values, channel_input_dirs)
    else:
        net, images = module.build(values), datasets.load_images(channel_input_dirs)[0].images
        samples, shape = len(images), images.shape[1:]
    return {"values": values, "samples": samples, **net_size(net, shape)}


def net_size(net: Any, input_shape: Sequence[int]) -> Dict[str, int]:
    """The values that a HybridBlock trains, and the multiply-adds of its kinds of layers for one sample.

    Raises:
        InputError: the net does not take a sample of this shape.
    """
    symbol = net(mx.sym.var("data"))
    try:
        shapes = dict(zip(symbol.list_arguments(), symbol.infer_shape(data=(1, *input_shape))[0]))
        internals = symbol.get_internals()
        outputs = dict(zip(internals.list_outputs(), internals.infer_shape(data=(1, *input_shape))[1]))
    except mx.MXNetError as error:
        reason = str(error).strip().rpartition(": ")[2]
        raise InputError(f"the net does not take images of the shape {list(input_shape)}: {reason}") from None
    # What only the training needs, such as how far a value is trusted, is no argument, and knows its shape itself.
    trained = [shapes.get(p.name, p.shape) for p in net.collect_params().values() if p.grad_req != "null"]
    found = {"parameters": sum(map(_size, trained)), "dense": 0, "convolution": 0}
    nodes = json.loads(symbol.tojson())["nodes"]
    for node in nodes:
        if node["op"] in _KINDS:
            weight = shapes[nodes[node["inputs"][1][0]]["name"]]
            # Every value of the weight meets every place of the output once.
            places = _size(outputs[node["name"] + "_output"][2:])
            found[_KINDS[node["op"]]] += _size(weight) * places
    return found


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


if __name__ == "__main__":
    try:
        print(json.dumps(describe(**json.load(sys.stdin))))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(_WRONG_INPUT)
