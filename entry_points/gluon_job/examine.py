"""What a trained model does with its validation data: `python -m gluon_job.examine ARRAYS`, from the parent of this.

Reads one JSON object from standard input: `model_dir` (an extracted model.tar.gz, or null), `script` (the name of an
entry point here, or null for a script of someone's own), `hyperparameters`, `channel_input_dirs` (null where the data
are gone), and `batches` of an epoch and `epochs` that were trained (null where that is not known). Prints one object of
the parts that could be made, and writes the arrays of `classifier` or `detector` to the file ARRAYS, as numpy.savez
does.
"""

import importlib
import json
import os
import sys
from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from gluon_job import detector, examine_classifier, examine_detector, examine_recommender, layer_table
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import parse
from gluon_job.inference import METADATA
from gluon_job.schedule import learning_rate

_POINTS = 240  # of the learning rate, at most
_EXAMINERS = {"classifier": examine_classifier, "detector": examine_detector, "recommender": examine_recommender}


def examine(request: Mapping[str, Any], arrays_path: str) -> Dict[str, Any]:
    """The object above.

    Its keys: `problems`, in words, of the parts that are missing; `values` of all hyperparameters, those
    that were not given too; `rates` (`epochs` done and the `rates` then); `layers` (see `layer_table`); `classifier`
    (see `examine_classifier`), `detector` (see `examine_detector`) or `recommender` (see `examine_recommender`).
    """
    found: Dict[str, Any] = {"problems": []}
    values, module = _values(request["script"], request["hyperparameters"])
    if module is not None:
        found["values"] = values
    if module is not None and request["batches"] and request["epochs"]:
        found["rates"] = _rates(values, module, request["batches"], request["epochs"])
    model_dir = request["model_dir"]
    if model_dir is None:
        return found
    try:
        found["layers"] = layer_table.read(model_dir)
    except InputError as error:
        found["problems"].append(f"No table of layers: {error}.")
    kind = _kind(model_dir)
    if kind is None:
        found["problems"].append(
            "Nothing was predicted: the model does not say what its inputs and answers mean, as the classifiers, "
            "detectors and recommenders of glaunch's entry points do."
        )
    elif request["channel_input_dirs"] is not None:
        try:
            found[kind], arrays = _EXAMINERS[kind].examine(model_dir, values, request["channel_input_dirs"])
            np.savez(arrays_path, **arrays)
        except (InputError, FloatingPointError, OSError, mx.MXNetError) as error:
            found["problems"].append(f"Nothing was predicted: {str(error).strip().splitlines()[0]}.")
    return found


def _values(script: Optional[str], given: Mapping[str, Any]) -> Any:
    """Every hyperparameter with its value, and the entry point; those given, and None, of a script we do not know."""
    if script is None:
        return dict(given), None
    module = importlib.import_module(script)
    try:
        return parse(given, module.HYPERPARAMETERS), module
    except InputError:
        return dict(given), None


def _rates(values: Dict[str, Any], module: Any, batches: int, epochs: int) -> Dict[str, List[float]]:
    if values["learning_rate"] is None:
        # mnist_cnn's default depends on its architecture.
        optimizer = values["optimizer"] or ("rmsprop" if values["architecture"] == "single_dropout" else "sgd")
        values = {**values, "learning_rate": module.LEARNING_RATES[optimizer]}
    steps = np.unique(np.linspace(0, batches * epochs - 1, min(_POINTS, batches * epochs)).astype(int)).tolist()
    return {
        "epochs": [step / batches for step in steps],
        "rates": [learning_rate(values, step, batches) for step in steps],
    }


def _kind(model_dir: str) -> Optional[str]:
    try:
        with open(os.path.join(model_dir, METADATA), encoding="utf-8") as file:
            content = json.load(file)
        if content.get("labels") and content["output"] == "logits":
            return "classifier"
        if content.get("labels") and content["output"] == detector.OUTPUT:
            return "detector"
        return "recommender" if content["output"] == "score" and "feedback" in content else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


if __name__ == "__main__":
    print(json.dumps(examine(json.load(sys.stdin), sys.argv[1])))
