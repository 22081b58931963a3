"""The two helpers that AWS's MXNet training image offers to scripts."""

import json
import os

SYMBOL_PATH = "model-symbol.json"
PARAMS_PATH = "model-0000.params"
SHAPES_PATH = "model-shapes.json"


def scheduler_host(hosts):
    """The host that runs the parameter server's scheduler: the first."""
    return hosts[0]


def save(model_dir, model, current_host=None, hosts=None):
    """Writes a bound `mxnet.mod.Module` as AWS's inference image loads it. Only the scheduler's host does.

    Args:
        model_dir: an existing directory: gets the symbol, the parameters, and the names and shapes of the inputs.
        model: the module.
        current_host: this host; `$SM_CURRENT_HOST` by default.
        hosts: all hosts, in order; `$SM_HOSTS` by default.
    """
    current_host = current_host or os.environ["SM_CURRENT_HOST"]
    hosts = hosts or json.loads(os.environ["SM_HOSTS"])
    if current_host != scheduler_host(hosts):
        return
    model.symbol.save(os.path.join(model_dir, SYMBOL_PATH))
    model.save_params(os.path.join(model_dir, PARAMS_PATH))
    shapes = [{"name": description.name, "shape": list(description.shape)} for description in model.data_shapes]
    with open(os.path.join(model_dir, SHAPES_PATH), "w", encoding="utf-8") as file:
        json.dump(shapes, file)
