"""The trained model as ONNX, which outlives MXNet: converted, and compared with MXNet before it counts.

python -m gluon_job.export MODEL_DIR FILE [TRAINING_DIR]
"""

import contextlib
import json
import os
import sys
import warnings
from typing import Any, Iterator, NamedTuple, Optional

import numpy as np

from gluon_job import artifact, datasets, inference
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter

HYPERPARAMETERS = {
    "require_onnx": Hyperparameter(False, "fail the job when its model cannot be exported as ONNX"),
}
TOLERANCE = 1e-4  # of an output, or of the largest one where that is more than 1
COMPARED = 100  # samples
_OPSET, _IR_VERSION = 13, 7  # the last opset that MXNet's converters know, and the format it came with


class Parity(NamedTuple):
    """How near the answers of the exported file are to MXNet's.

    Attributes:
        samples: how many were compared.
        real: whether they were samples of the training data, and not random numbers.
        difference: the largest of any output; None where onnxruntime is missing, and nothing was compared.
    """

    samples: int
    real: bool
    difference: Optional[float]

    def __str__(self) -> str:
        if self.difference is None:
            return "its form is valid, but its answers were not compared: onnxruntime is not installed here"
        kind = "training samples" if self.real else "random samples"
        return f"answers as MXNet on {self.samples} {kind}, largest difference {self.difference:.1e}"


def after_training(model_dir: str, samples: Optional[np.ndarray], required: bool) -> None:
    """Exports the model that `artifact.save` has written, and prints how that went.

    Args:
        model_dir: gets a model.onnx, if that answers as MXNet does.
        samples: raw images uint8 (N, *shape) to compare with, or None.
        required: whether a model without an export is no good.

    Raises:
        InputError: it was required and failed.
    """
    try:
        parity = export(model_dir, os.path.join(model_dir, inference.ONNX), samples)
    except InputError as error:
        if required:
            raise
        print(f"ONNX: not exported: {error}", flush=True)
    else:
        print(f"ONNX: {inference.ONNX}: {parity}", flush=True)


def export(model_dir: str, target: str, samples: Optional[np.ndarray] = None) -> Parity:
    """Writes the model as an ONNX file for any number of rows; it is there when it answers as MXNet does, or not.

    Args:
        model_dir: with model-symbol.json, model-0000.params and model-shapes.json.
        target: the file.
        samples: raw values (N, *shape) to compare with, scaled as the model's metadata says; else random numbers from 0
            to 1, or to what the metadata say, are taken.

    Raises:
        InputError: a file or the package onnx is missing, a layer has no converter, or the answers differ.
    """
    try:
        import onnx
    except ImportError:
        raise InputError("the package onnx is not installed here: pip install 'gluon-launcher[onnx]'") from None
    name, shape = artifact.input_signature(model_dir)
    partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.getpid()}")
    try:
        _convert(model_dir, partial, shape)
        _tidy(partial, name)
        onnx.checker.check_model(partial)
        parity = _compare(model_dir, partial, name, _rows(model_dir, samples, shape), samples is not None)
        os.replace(partial, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
    return parity


def _convert(model_dir: str, target: str, shape: Any) -> None:
    symbol, parameters = (os.path.join(model_dir, name) for name in (artifact.SYMBOL, artifact.PARAMETERS))
    any_number = [(None, *shape)]
    try:
        with _opset(_OPSET), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            mx.onnx.export_model(
                symbol, parameters, [(1, *shape)], np.float32, target, dynamic=True, dynamic_input_shapes=any_number
            )
    except Exception as error:  # whatever goes wrong in a converter, the trained model is good
        lines = str(error).strip().splitlines()
        raise InputError(f"MXNet cannot convert it: {lines[0] if lines else type(error).__name__}") from None


def _tidy(path: str, input_name: str) -> None:
    """Makes constants of the parameters, which mxnet declares as inputs too: a runtime could not optimize them."""
    import onnx

    model = onnx.load(path)
    [source] = [value for value in model.graph.input if value.name == input_name]
    del model.graph.input[:]
    model.graph.input.append(source)
    model.ir_version = _IR_VERSION
    onnx.save(model, path)


@contextlib.contextmanager
def _opset(version: int) -> Iterator[None]:
    """Lets mxnet take this for onnx's newest opset: it stamps that on nodes in the form of an older one."""
    import onnx.checker
    import onnx.defs

    newest, imports = onnx.defs.onnx_opset_version, dict(onnx.checker.DEFAULT_CONTEXT.opset_imports)
    onnx.defs.onnx_opset_version = lambda: version
    onnx.checker.DEFAULT_CONTEXT.opset_imports = {"": version}
    try:
        yield
    finally:
        onnx.defs.onnx_opset_version, onnx.checker.DEFAULT_CONTEXT.opset_imports = newest, imports


def _rows(model_dir: str, samples: Optional[np.ndarray], shape: Any) -> np.ndarray:
    """What the net is compared on: float32 (N, *shape)."""
    if samples is None:
        return np.random.RandomState(0).rand(COMPARED, *shape).astype(np.float32) * _end(model_dir)
    scale = artifact.metadata(model_dir)["input"]["scale"]
    return samples[:COMPARED].reshape((-1, *shape)).astype(np.float32) * np.float32(scale)


def _end(model_dir: str) -> np.ndarray:
    """What the values of a sample are less than: 1, unless the model's metadata say more."""
    path = os.path.join(model_dir, inference.METADATA)
    known = artifact.metadata(model_dir)["input"] if os.path.exists(path) else {}
    return np.array(known.get("end", 1), np.float32)


def _compare(model_dir: str, path: str, name: str, rows: np.ndarray, real: bool) -> Parity:
    try:
        predict = inference.onnx_predict(path)
    except ImportError:
        return Parity(0, real, None)
    except Exception as error:
        raise InputError(f"ONNX Runtime cannot load the export: {str(error).splitlines()[0]}") from None
    net = artifact.load_net(model_dir, name)
    largest = 0.0
    for part in (rows[:1], rows):  # a converter may fix the number of rows
        expected, found = net(mx.nd.array(part)).asnumpy(), predict(part)
        if found.shape != expected.shape:
            raise InputError(f"the export answers {list(found.shape)} where MXNet answers {list(expected.shape)}")
        difference = np.abs(found - expected).max()
        if not difference <= TOLERANCE * max(1.0, np.abs(expected).max()):  # nor with NaN
            raise InputError(f"the export answers otherwise than MXNet: {difference:.1e} apart")
        largest = max(largest, float(difference))
    return Parity(len(rows), real, largest)


def _training_images(directory: str) -> Optional[np.ndarray]:
    try:
        return datasets.load_images({"training": directory})[0].images
    except (InputError, OSError):
        return None


def main(model_dir: str, target: str, directory: str = "") -> int:
    """Exports a model and prints the Parity as JSON; 1 if that failed, with the reason on standard error."""
    try:
        parity = export(model_dir, target, _training_images(directory) if directory else None)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(parity._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
