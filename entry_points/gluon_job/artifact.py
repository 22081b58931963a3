"""The trained model on disk, in the form AWS's MXNet inference container loads by default.

`model-symbol.json` and `model-0000.params` are MXNet's own, `model-shapes.json` is the toolkit's input signature
(https://github.com/aws/sagemaker-mxnet-inference-toolkit), and `model-metadata.json` is ours: what a client must
know to make an input and to read an answer.
"""

import json
import os
from typing import Any, Dict, Sequence, Tuple

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.inference import METADATA
from gluon_job.step import SCALE

SYMBOL, PARAMETERS = "model-symbol.json", "model-0000.params"
SHAPES = "model-shapes.json"


def save(
    net: Any,
    model_dir: str,
    input_shape: Sequence[int],
    labels: Sequence[str],
    scale: float = SCALE,
    output: str = "logits",
) -> None:
    """Writes the four files of a classifier, or of another net of one input and one output.

    Args:
        net: a trained HybridBlock; float32 (N, *input_shape) in, the output, such as logits (N, classes), out.
        model_dir: an existing directory.
        input_shape: the shape of one sample, without the batch.
        labels: the name of each class.
        scale: what raw samples (0-255) are multiplied by before they enter the net.
        output: what the net gives.
    """
    net.hybridize()
    net(mx.nd.zeros((1, *input_shape), ctx=next(iter(net.collect_params().values())).list_ctx()[0]))
    net.export(os.path.join(model_dir, "model"))
    write_json(model_dir, SHAPES, [{"name": "data", "shape": [1, *input_shape]}])
    write_json(
        model_dir,
        METADATA,
        {
            "input": {"shape": list(input_shape), "dtype": "float32", "scale": scale},
            "output": output,
            "labels": list(labels),
        },
    )


def save_any(net: Any, model_dir: str) -> None:
    """Saves what a script without a `save()` returned: a Module, or a hybridized HybridBlock that has been run.

    A HybridBlock does not know the shape of its input: `model-shapes.json`, which AWS's default `model_fn` reads, is
    written for a Module only.

    Raises:
        InputError: it is neither, so that the script must define `save(net, model_dir)`.
    """
    if isinstance(net, mx.mod.Module):
        net.symbol.save(os.path.join(model_dir, SYMBOL))
        net.save_params(os.path.join(model_dir, PARAMETERS))
        write_json(model_dir, SHAPES, [{"name": item.name, "shape": list(item.shape)} for item in net.data_shapes])
        return
    try:
        net.export(os.path.join(model_dir, "model"))
    except (AttributeError, RuntimeError) as error:
        raise InputError(
            f"train() returned {type(net).__name__}, which cannot be saved as it is ({error}): "
            "define save(net, model_dir) in the script"
        ) from None


def load_net(model_dir: str, input_name: str = "data") -> Any:
    """The net, a hybridized SymbolBlock of one input; InputError names a missing file."""
    symbol, parameters = existing(model_dir, SYMBOL), existing(model_dir, PARAMETERS)
    # As SymbolBlock.imports, which does not know the input's type and warns of it.
    net = mx.gluon.SymbolBlock(mx.sym.load(symbol), mx.sym.var(input_name, dtype="float32"))
    net.collect_params().load(parameters, ctx=mx.cpu())
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def load_symbol(model_dir: str) -> Tuple[Any, Dict[str, Any], Dict[str, Any]]:
    """The net as a Symbol, its parameters and its running statistics by name; InputError names a missing file."""
    symbol, stored = mx.sym.load(existing(model_dir, SYMBOL)), mx.nd.load(existing(model_dir, PARAMETERS))
    parameters = {name[len("arg:") :]: value for name, value in stored.items() if name.startswith("arg:")}
    return symbol, parameters, {name[len("aux:") :]: stored[name] for name in stored if name.startswith("aux:")}


def metadata(model_dir: str) -> Dict[str, Any]:
    """What `save` wrote of a classifier's input and answer; InputError when it is missing."""
    return read_json(model_dir, METADATA)


def input_signature(model_dir: str) -> Tuple[str, Tuple[int, ...]]:
    """The name of the only input and its shape without the batch; InputError: it is missing, or not the only one."""
    inputs = read_json(model_dir, SHAPES)
    if len(inputs) != 1:
        raise InputError(f"the model has {len(inputs)} inputs: only models of one are known here")
    return inputs[0]["name"], tuple(inputs[0]["shape"][1:])


def existing(model_dir: str, name: str) -> str:
    """The path of a file of an artifact; InputError when it is missing."""
    path = os.path.join(model_dir, name)
    if not os.path.exists(path):
        raise InputError(f"{model_dir} has no {name}: it is not a model that this script saved")
    return path


def read_json(model_dir: str, name: str) -> Any:
    """The content of a JSON file of an artifact; InputError when it is missing."""
    with open(existing(model_dir, name), encoding="utf-8") as file:
        return json.load(file)


def write_json(model_dir: str, name: str, content: Any) -> None:
    """Writes a JSON file of an artifact."""
    with open(os.path.join(model_dir, name), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
