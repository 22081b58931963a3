"""The layers of a saved net: what each makes of a sample, and how many values it has learned."""

import json
import math
from typing import Any, Dict, List

from gluon_job import artifact
from gluon_job.compat import mx
from gluon_job.errors import InputError


def read(model_dir: str) -> List[Dict[str, Any]]:
    """Of each operator of an artifact's net, in the order of computation, an object that JSON can hold.

    It has `name`, `operator` (MXNet's name), `shape` (of its output for one sample, without the batch), `parameters`
    and `statistics`: the values it has learned or gathered, those that a layer before shares counted there alone, and
    constants, such as a detector's default boxes, nowhere.

    Raises:
        InputError: a file is missing, or the net is not one of a single input whose shapes can be told.
    """
    symbol, parameters, statistics = artifact.load_symbol(model_dir)
    name, shape = artifact.input_signature(model_dir)
    internals = symbol.get_internals()
    try:
        shapes = dict(zip(internals.list_outputs(), internals.infer_shape(**{name: (1, *shape)})[1]))
    except (mx.MXNetError, TypeError) as error:
        raise InputError(f"the shapes of the net cannot be told ({str(error).strip().splitlines()[-1]})") from None
    nodes = json.loads(symbol.tojson())["nodes"]
    constants = {node["name"] for node in nodes if node.get("attrs", {}).get("__init__", "").startswith("Constant_")}
    sizes = [
        {key: math.prod(value.shape) for key, value in kind.items() if key not in constants}
        for kind in (parameters, statistics)
    ]
    return [_layer(node, nodes, shapes, sizes) for node in nodes if node["op"] != "null"]


def _layer(node: Any, nodes: List[Any], shapes: Dict[str, Any], sizes: List[Dict[str, int]]) -> Dict[str, Any]:
    inputs = [nodes[place[0]]["name"] for place in node["inputs"]]
    counts = [sum(kind.pop(name, 0) for name in inputs) for kind in sizes]
    shape = shapes.get(f"{node['name']}_output") or shapes.get(f"{node['name']}_output0") or ()
    return {
        "name": node["name"],
        "operator": node["op"],
        "shape": list(shape[1:]),
        "parameters": counts[0],
        "statistics": counts[1],
    }
