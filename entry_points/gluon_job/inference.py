"""A trained classifier behind an endpoint: bytes in, probabilities, bytes out.

It runs in AWS's serving container and in glaunch's own server, with MXNet or with ONNX Runtime.
"""

import json
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import formats, images
from .errors import InputError
from .formats import CSV, JPEG, JSON, NPY, PNG

METADATA, ONNX = "model-metadata.json", "model.onnx"
_ROWS = 256  # a call of the net: more take memory, and are no faster

Predict = Callable[[np.ndarray], np.ndarray]
Request = Tuple[Any, Optional[str], Optional[str]]  # the body, its content type, and the types that are accepted
Answer = Tuple[Any, str]  # the body and its content type


class Classifier:
    """A loaded model; `classifier(samples)` gives probabilities.

    Attributes:
        shape: of one sample, without the batch.
        labels: the name of each class.
        scale: what raw values (0-255) are multiplied by before they enter the net.
    """

    def __init__(self, model_dir: str, runtime: str = "mxnet") -> None:
        self._logits, metadata = (_load_onnx if runtime == "onnx" else _load_mxnet)(model_dir)
        self.shape: Tuple[int, ...] = tuple(metadata["input"]["shape"])
        self.labels: List[str] = metadata["labels"]
        self.scale: float = metadata["input"]["scale"]
        self._size = int(np.prod(self.shape))
        self._layouts = {(self._size,), self.shape, self.shape[1:] if self.shape[0] == 1 else self.shape}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, classes), of float32 samples (N, *shape) in the range the net was trained on."""
        parts = [softmax(self._logits(samples[i : i + _ROWS])) for i in range(0, len(samples), _ROWS)]
        probabilities = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if not np.isfinite(probabilities).all():
            raise FloatingPointError("the net's answer is not finite: its parameters are damaged, or were never good")
        return probabilities

    def read(self, data: Any, content_type: Optional[str]) -> np.ndarray:
        """The samples in a request's body as the net takes them: float32 (N, *shape).

        Raises:
            InputError: as `prepare` and `images.read`, or the body is not what its type says.
        """
        kind, parameters = formats.content_type(content_type or JSON)
        if kind in (PNG, JPEG):
            return images.read(data, parameters, self.shape)[None] * np.float32(self.scale)
        return self.prepare(formats.decode(data, content_type or JSON))

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Samples of any accepted layout as float32 (N, *shape), scaled as in training.

        One sample or a batch, each flat, shaped, or shaped without the single channel. All samples of a request are
        either raw (0 to 255, say) or scaled already (0 to 1): a value above 1 makes them raw. Zeros and ones alone are
        taken as scaled, black and white.

        Raises:
            InputError: not numbers, another shape, a number that is not finite or out of range; or it cannot be told
                whether a sample is raw: one of 0 to 1 among raw ones, or bytes of 0 and 1.
        """
        if samples.dtype.kind not in "buif":
            raise InputError(f"the input holds {samples.dtype}, not numbers")
        if not samples.size or not (samples.shape in self._layouts or samples.shape[1:] in self._layouts):
            raise InputError(
                f"the input has the shape {list(samples.shape)}: "
                f"a sample has {list(self.shape)}, or {self._size} values in a row"
            )
        is_bytes = samples.dtype == np.uint8
        if samples.dtype != np.float32:
            with np.errstate(over="ignore"):  # infinity is refused below
                samples = samples.astype(np.float32)
        batch = samples.reshape((-1, *self.shape))
        low, high = float(batch.min()), float(batch.max())
        if not (low >= 0 and high * self.scale <= 1):  # nor with NaN
            self._refuse(batch, low, high)
        if high > 1:
            brightest = batch.reshape(len(batch), -1).max(axis=1)
            if ((brightest > 0) & (brightest <= 1)).any():
                raise InputError(
                    f"sample {int(((brightest > 0) & (brightest <= 1)).argmax())} has values from 0 to 1, and another "
                    f"up to {high:g}: send all from 0 to 1, or all from 0 to {1 / self.scale:g}"
                )
            return batch * np.float32(self.scale)
        if high == 1 and is_bytes and self.scale != 1:
            raise InputError(
                f"the input has bytes of 0 and 1 alone, where {1 / self.scale:g} is white: "
                "send black and white as floats or booleans"
            )
        return batch

    def _refuse(self, batch: np.ndarray, low: float, high: float) -> None:
        if not np.isfinite(batch).all():
            raise InputError("the input has values that are not finite numbers")
        raise InputError(f"the input has values from {low:g} to {high:g}: expected 0 to 1, or 0 to {1 / self.scale:g}")


def transform(classifier: Classifier, data: Any, input_content_type: str, output_content_type: str) -> Answer:
    """One request: the body of the answer and its content type. InputError when the request cannot be understood."""
    [answer] = transform_batch(classifier, [(data, input_content_type, output_content_type)])
    if isinstance(answer, Exception):
        raise answer
    return answer


def transform_batch(classifier: Classifier, requests: Sequence[Request]) -> List[Union[Answer, Exception]]:
    """Several requests with one call of the net: for each, in order, its answer, or the InputError it alone is due."""
    answers: List[Any] = [None] * len(requests)
    waiting: List[Tuple[int, str, np.ndarray]] = []
    rows = 0
    for index, (data, content_type, accept) in enumerate(requests):
        try:
            waiting.append((index, formats.negotiate(accept), classifier.read(data, content_type)))
            rows += len(waiting[-1][2])
        except InputError as error:
            answers[index] = error
        if rows >= _ROWS:
            _answer(classifier, waiting, answers)
            waiting, rows = [], 0
    if waiting:
        _answer(classifier, waiting, answers)
    return answers


def _answer(classifier: Classifier, waiting: Sequence[Tuple[int, str, np.ndarray]], answers: List[Any]) -> None:
    batches = [samples for _, _, samples in waiting]
    probabilities = classifier(batches[0] if len(batches) == 1 else np.concatenate(batches))
    start = 0
    for index, kind, samples in waiting:
        answers[index] = encode(probabilities[start : start + len(samples)], classifier.labels, kind), kind
        start += len(samples)


def encode(probabilities: np.ndarray, labels: Sequence[str], kind: str) -> Union[str, bytes]:
    """Predictions as JSON (class, label, probability, probabilities), or the probabilities as CSV or NPY."""
    if kind == NPY:
        return formats.write_npy(probabilities)
    if kind == CSV:
        return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in probabilities.tolist())
    predictions: List[Dict[str, Any]] = []
    for row, best in zip(probabilities.tolist(), probabilities.argmax(axis=1).tolist()):
        predictions.append({"class": best, "label": labels[best], "probability": row[best], "probabilities": row})
    return formats.write_json({"predictions": predictions})


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities of each row, float32 (N, classes)."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _load_mxnet(model_dir: str) -> Tuple[Predict, Dict[str, Any]]:
    from . import artifact, predictor

    return predictor.Predictor(model_dir), artifact.metadata(model_dir)


def _load_onnx(model_dir: str) -> Tuple[Predict, Dict[str, Any]]:
    for name in (ONNX, METADATA):
        if not os.path.exists(os.path.join(model_dir, name)):
            raise InputError(f"the model has no {name}: it was not exported as ONNX when it was trained")
    try:
        predict = onnx_predict(os.path.join(model_dir, ONNX))
    except ImportError:
        raise InputError("onnxruntime is not installed here: pip install 'gluon-launcher[onnx]'") from None
    with open(os.path.join(model_dir, METADATA), encoding="utf-8") as file:
        return predict, json.load(file)


def onnx_predict(path: str) -> Predict:
    """The net in an ONNX file of one input and one output, without MXNet. ImportError where onnxruntime is missing."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # As many threads as MXNet would take: its own default is one a core, and they wait by spinning.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1").split(",")[0])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [source], [target] = session.get_inputs(), session.get_outputs()
    return lambda samples: session.run([target.name], {source.name: samples})[0]
