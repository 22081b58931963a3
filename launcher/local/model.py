"""A model.tar.gz, extracted, as something that answers requests. For a worker process: mxnet may be imported here.

Every call comes from one thread: several that call one hybridized net get wrong answers, and each new one leaks memory.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from launcher.errors import UserError
from launcher.local.handlers import Handlers, Question, attempt, gluon_job
from launcher.local.program import find_script

_BATCH_LIMIT = 64  # requests: enough to fill a call of the net, few enough that none waits long
_TEXT = ("application/json", "text/csv")
_METADATA = "model-metadata.json"


class Request(NamedTuple):
    """A request: the body, and its headers Content-Type and Accept, "" where they are missing."""

    body: bytes
    content_type: str
    accept: str


class Answer(NamedTuple):
    """An answer: the body and its content type."""

    body: bytes
    content_type: str


class Refusal(Exception):
    """The client's fault, in one sentence.

    Attributes:
        status: of HTTP, 400 to 499.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Respond = Callable[[Sequence[Question]], list[Any]]


class Model:
    """A loaded model.

    Attributes:
        batch_limit: how many requests `answer` takes at once.
        is_ours: whether no code answers but this project's, which comes to an end.
    """

    def __init__(self, respond: Respond, batch_limit: int, description: dict[str, Any], *, is_ours: bool) -> None:
        self.batch_limit, self.is_ours = batch_limit, is_ours
        self._respond, self._description = respond, description

    def answer(self, requests: Sequence[Request]) -> list[Answer | Exception]:
        """For each request, in order, its answer, a Refusal, or the exception that the script raised."""
        answers: list[Any] = [attempt(_question, request) for request in requests]
        asked = [index for index, question in enumerate(answers) if not isinstance(question, Exception)]
        given = self._responses([answers[index] for index in asked])
        for index, response in zip(asked, given):
            accept = answers[index][2]
            answers[index] = response if isinstance(response, Exception) else attempt(_answer, response, accept)
        return [_refusal(answer) if isinstance(answer, Exception) else answer for answer in answers]

    def _responses(self, questions: list[Question]) -> list[Any]:
        if not questions:
            return []
        given = attempt(self._respond, questions)
        if isinstance(given, list) and len(given) == len(questions):
            return given
        if not isinstance(given, Exception):
            given = ValueError(f"transform_batch_fn did not return a list of {len(questions)} answers")
        return [given] * len(questions)

    def warm_up(self) -> None:
        """Answers an example, or a sample of zeros, so that the first client does not wait for what the net prepares.

        Raises:
            Exception: what the script raised. One that has formats of its own may refuse the sample, in silence.
        """
        shape, example = self._description["shape"], self._description["example"]
        if example is None and shape is not None:
            example = np.zeros((1, *shape)).tolist()
        if example is not None:
            [answer] = self.answer([Request(json.dumps(example).encode(), _TEXT[0], _TEXT[0])])
            if isinstance(answer, Exception) and self._description["kind"] != "script":
                raise answer

    def describe(self) -> dict[str, Any]:
        """What a client may want to know, as JSON.

        `kind` is `classifier` (it answers with classes and probabilities), `script` (with what its functions make) or
        `default` (with numbers); `runtime` is `mxnet` or `onnx`; `script` is the name of the file or None; `shape` (of
        one sample), `labels`, `scale` (of raw values) and `example` (a request) are None where they are not known;
        `warning` says what AWS's container would not do, or is "".
        """
        return dict(self._description)


def load(directory: Path, runtime: str = "mxnet") -> Model:
    """The model in a directory, an extracted model.tar.gz.

    Args:
        directory: with `code/` for a model that brings its functions.
        runtime: `mxnet`, or `onnx` for the exported file on ONNX Runtime, without MXNet.

    Raises:
        UserError: it is no model that can be served.
        Exception: what the script raised.
    """
    description = {"runtime": runtime, "script": None, "warning": "", **_metadata(directory)}
    if runtime == "onnx":
        return _load_onnx(directory, description)
    # mxnet 1.9 reads numpy.bool when it is imported, which numpy 1.24 removed.
    vars(np).setdefault("bool", np.bool_)
    path = find_script(directory / "code")
    script = None if path is None else _import(path)
    handlers = Handlers(directory, script, _BATCH_LIMIT)
    kind = "default" if path is None else "classifier" if hasattr(script, "transform_batch_fn") else "script"
    description.update(kind=kind, script=path and path.name, warning=handlers.warning)
    if description["shape"] is None and handlers.shape is not None:
        description["shape"] = list(handlers.shape)
    if handlers.batch_limit > 1:
        return Model(handlers.answer_batch, handlers.batch_limit, description, is_ours=handlers.is_ours)
    return Model(
        lambda questions: [attempt(handlers.answer, question) for question in questions], 1, description, is_ours=False
    )


def _load_onnx(directory: Path, description: dict[str, Any]) -> Model:
    inference = gluon_job("inference")
    if description["shape"] is not None and description["labels"] is None:
        raise UserError("ONNX Runtime serves classifiers here, and this model has no labels: serve it with MXNet")
    try:
        classifier = inference.Classifier(str(directory), runtime="onnx")
    except inference.InputError as error:
        raise UserError(str(error)) from None
    description["kind"] = "classifier"
    return Model(
        lambda questions: inference.transform_batch(classifier, questions), _BATCH_LIMIT, description, is_ours=True
    )


def _import(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, script)
    spec.loader.exec_module(script)
    return script


def _metadata(directory: Path) -> dict[str, Any]:
    """What the artifact says of its input and its labels."""
    try:
        content = json.loads((directory / _METADATA).read_text("utf-8"))
        taken = content["input"]
        return {
            "labels": content.get("labels"),
            "shape": taken["shape"],
            "scale": taken["scale"],
            "example": content.get("example"),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"labels": None, "shape": None, "scale": None, "example": None}


def _question(request: Request) -> Question:
    """The request as AWS's container hands it to a script; a charset, which that leaves to the script, is applied."""
    formats = gluon_job("formats")
    kind, _ = formats.content_type(request.content_type)
    accept = request.accept.strip()
    if accept in ("", "*/*"):
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or _TEXT[0]
    if kind not in _TEXT:
        return request.body, request.content_type, accept
    return formats.text(request.body, request.content_type), kind, accept


def _answer(response: Any, accept: str) -> Answer:
    first = accept.partition(",")[0].partition(";")[0].strip()
    body, content_type = response if isinstance(response, tuple) else (response, first)
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, (bytes, bytearray)):
        body = json.dumps(body).encode()
    return Answer(bytes(body), str(content_type))


def _refusal(error: Exception) -> Exception:
    """The client's fault as a Refusal; any other exception as it is."""
    # By name: an artifact brings its own gluon_job, or none.
    if any(kind.__name__ == "InputError" for kind in type(error).__mro__):
        return Refusal(getattr(error, "status", 400), str(error))
    # What scripts for AWS's sagemaker-inference raise to choose the status themselves.
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:
        return Refusal(status, str(getattr(error, "message", error)))
    return error
