"""A script's functions as AWS's MXNet inference toolkit calls them, with its defaults for those that are missing.

The toolkit: https://github.com/aws/sagemaker-mxnet-inference-toolkit, on top of
https://github.com/aws/sagemaker-inference-toolkit.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from launcher import library
from launcher.errors import UserError
from launcher.local.program import FUNCTIONS

_HOOKS = ("pre_model_fn", "model_warmup_fn", "transform_batch_fn")
SYMBOL, PARAMETERS, SHAPES = "model-symbol.json", "model-0000.params", "model-shapes.json"
_JSON, _CSV, _NPY = "application/json", "text/csv", "application/x-npy"

Question = tuple[Any, str, str]  # the body (text where its type is one of text), its content type, and what is accepted


def gluon_job(name: str) -> Any:
    """A module of the `gluon_job` that comes with this glaunch: an artifact brings its own, perhaps an older one."""
    alias = "glaunch_gluon_job"
    if alias not in sys.modules:
        path = library.directory() / "gluon_job"
        spec = importlib.util.spec_from_file_location(
            alias, path / "__init__.py", submodule_search_locations=[str(path)]
        )
        assert spec is not None
        sys.modules[alias] = importlib.util.module_from_spec(spec)  # its __init__ prepares training, and is not run
    return importlib.import_module(f"{alias}.{name}")


class Handlers:
    """A loaded model with the functions that answer for it.

    Attributes:
        batch_limit: how many questions `answer_batch` takes; 1 where `answer` must answer each alone.
        is_ours: whether `model_fn` gave a model of `gluon_job`: then no code but that answers.
        shape: of one sample, or None where the model does not say.
        warning: what AWS's container would not do as it is done here, or "".
    """

    def __init__(self, directory: Path, script: ModuleType | None, batch_limit: int) -> None:
        self._given = {name: getattr(script, name, None) for name in FUNCTIONS + _HOOKS}
        self._context = SimpleNamespace(system_properties={"model_dir": str(directory), "gpu_id": None})
        self.shape = _input_shape(directory)
        self.warning = ""
        given = [name for name in ("input_fn", "predict_fn", "output_fn") if self._given[name]]
        if self._given["transform_fn"] and given:
            raise UserError(f"the script defines transform_fn and {given[0]}: AWS's container takes one or the other")
        if self._given["pre_model_fn"]:
            self._call(self._given["pre_model_fn"], str(directory))
        self._model = self._call(self._given["model_fn"] or _default_model, str(directory))
        if self._given["model_warmup_fn"]:
            self._call(self._given["model_warmup_fn"], str(directory), self._model)
        self.is_ours = type(self._model).__module__.startswith("gluon_job.")
        self._kind = _kind(self._model)
        self._check()
        self.batch_limit = batch_limit if self._given["transform_batch_fn"] or self._takes_rows_together() else 1

    def answer(self, question: Question) -> Any:
        """What the script returns: a body, or a body and its content type; raises what the script raises."""
        if self._given["transform_fn"]:
            return self._call(self._given["transform_fn"], self._model, *question)
        data, content_type, accept = question
        return self._output(self._predict(self._input(data, content_type)), accept)

    def answer_batch(self, questions: Sequence[Question]) -> list[Any]:
        """For each question what `answer` returns, or the exception it would raise."""
        if self._given["transform_batch_fn"]:
            answers: list[Any] = self._given["transform_batch_fn"](self._model, list(questions))
            return answers
        inputs = [attempt(self._input, data, content_type) for data, content_type, _ in questions]
        together = [index for index, value in enumerate(inputs) if self._is_rows(value)]
        predictions = self._predict_together([inputs[index] for index in together])
        answers = []
        for index, (_, _, accept) in enumerate(questions):
            prediction = predictions.pop(0) if index in together else attempt(self._predict, inputs[index])
            answers.append(attempt(self._output, prediction, accept))
        return answers

    def _predict_together(self, inputs: Sequence[Any]) -> list[Any]:
        if not inputs:
            return []
        mx = importlib.import_module("mxnet")
        prediction = attempt(self._predict, mx.nd.concat(*inputs, dim=0) if len(inputs) > 1 else inputs[0])
        if isinstance(prediction, Exception):
            return [prediction] * len(inputs)
        ends = list(itertools.accumulate(len(value) for value in inputs))
        return [prediction[end - len(value) : end] for end, value in zip(ends, inputs)]

    def _is_rows(self, value: Any) -> bool:
        return _kind(value) == "NDArray" and value.shape[1:] == self.shape

    def _takes_rows_together(self) -> bool:
        """Whether rows get the same prediction together as each alone: tried, because a script may do anything."""
        if self.shape is None or self._given["transform_fn"] or self._kind == "Module":
            return False
        mx = importlib.import_module("mxnet")
        rows = mx.nd.random.uniform(shape=(3, *self.shape))
        try:
            together = self._predict(rows).asnumpy()
            alone = [self._predict(rows[i : i + 1]).asnumpy() for i in range(3)]
        except Exception:  # it wants something else than rows
            return False
        return all(np.allclose(together[i : i + 1], alone[i], rtol=1e-5, atol=1e-6) for i in range(3))

    def _check(self) -> None:
        """Raises or warns where AWS's container would not serve this model."""
        if self._given["transform_fn"] or self._kind in ("Module", "Block"):
            return
        name = type(self._model).__name__
        if not self._given["predict_fn"]:
            raise UserError(
                f"model_fn returned {name}, neither a Module nor a Gluon Block: define transform_fn in the script"
            )
        self.warning = (
            f"model_fn returned {name}, neither a Module nor a Gluon Block: AWS's container will refuse it "
            "unless the script defines transform_fn"
        )

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        # A function of one parameter more takes the server's context, too.
        if len(inspect.signature(function).parameters) == len(arguments) + 1:
            return function(*arguments, self._context)
        return function(*arguments)

    def _input(self, data: Any, content_type: str) -> Any:
        function = self._given["input_fn"]
        if function is None:
            return self._default_input(data, content_type)
        if "model" in inspect.signature(function).parameters:
            return function(data, content_type, self._model)
        return self._call(function, data, content_type)

    def _predict(self, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        if self._given["predict_fn"]:
            return self._call(self._given["predict_fn"], value, self._model)
        return self._model.predict(value) if self._kind == "Module" else self._model(value)

    def _output(self, prediction: Any, accept: str) -> Any:
        if isinstance(prediction, Exception):
            raise prediction
        if self._given["output_fn"]:
            return self._call(self._given["output_fn"], prediction, accept)
        kind = gluon_job("formats").negotiate(accept, self._types)
        return _encode(prediction.asnumpy(), kind), kind

    def _default_input(self, data: Any, content_type: str) -> Any:
        mx = importlib.import_module("mxnet")
        formats = gluon_job("formats")
        if content_type not in self._types:
            raise formats.UnsupportedTypeError(
                f"content type {content_type!r} is not supported: send {', '.join(self._types)}, or define input_fn"
            )
        values = formats.decode(data, content_type)
        if not np.isfinite(values).all():
            raise formats.InputError("the input has values that are not finite numbers")
        if self._kind != "Module":
            return mx.nd.array(values)
        size = self._model.data_shapes[0].shape[0]
        return mx.io.NDArrayIter(_rows(values, self.shape, formats), batch_size=size, last_batch_handle="pad")

    @property
    def _types(self) -> tuple[str, ...]:
        return (_JSON, _NPY, _CSV) if self._kind == "Module" else (_JSON, _NPY)


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns, or the exception it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return error


def _kind(value: Any) -> str:
    """`Module`, `Block` or `NDArray` for MXNet's own, without importing it for a script that does not."""
    mx = sys.modules.get("mxnet")
    if mx is not None:
        for kind in (mx.mod.BaseModule, mx.gluon.Block, mx.nd.NDArray):
            if isinstance(value, kind):
                return str(kind.__name__).replace("Base", "")
    return ""


def _input_shape(directory: Path) -> tuple[int, ...] | None:
    """Of one sample of the only input, from model-shapes.json; None where it is not known."""
    try:
        [described] = json.loads((directory / SHAPES).read_text("utf-8"))
        return tuple(map(int, described["shape"][1:]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _default_model(model_dir: str) -> Any:
    """A Module of the files that MXNet's `export` and the toolkit's default `save` write.

    Raises:
        UserError: one of them is missing.
    """
    for name in (SYMBOL, PARAMETERS, SHAPES):
        if not os.path.exists(os.path.join(model_dir, name)):
            raise UserError(f"the model has no code that defines model_fn, and no {name} to do without")
    mx = importlib.import_module("mxnet")
    signature = json.loads(Path(model_dir, SHAPES).read_text("utf-8"))
    size = int(os.environ.get("SAGEMAKER_DEFAULT_MODEL_FIRST_DIMENSION_SIZE") or 1)
    symbol, parameters, states = mx.model.load_checkpoint(os.path.join(model_dir, "model"), 0)
    module = mx.mod.Module(symbol, data_names=[item["name"] for item in signature], label_names=None)
    module.bind([(item["name"], (size, *item["shape"][1:])) for item in signature], for_training=False)
    module.set_params(parameters, states, allow_missing=True)
    return module


def _rows(values: Any, shape: tuple[int, ...] | None, formats: Any) -> Any:
    """The values as rows of samples (N, *shape); a sample may come flat, or without others."""
    if shape is None:
        return values
    size = math.prod(shape)
    if not values.size or not (values.shape in ((size,), shape) or values.shape[1:] in ((size,), shape)):
        raise formats.InputError(f"the input has the shape {list(values.shape)}: a sample has {list(shape)}")
    return values.reshape((-1, *shape))


def _encode(values: Any, kind: str) -> Any:
    if kind == _JSON:
        return json.dumps(values.tolist())
    body = io.BytesIO()
    if kind == _NPY:
        np.save(body, np.array(values.tolist()), allow_pickle=False)  # doubles, as AWS's container answers
    else:
        np.savetxt(body, values, delimiter=",", fmt="%s")
    return body.getvalue()
