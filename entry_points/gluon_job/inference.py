"""A trained classifier behind an endpoint: bytes in, probabilities, bytes out."""

import csv
import io
import json
from typing import Any, List, Sequence, Tuple

import numpy as np

from gluon_job import artifact
from gluon_job.compat import mx
from gluon_job.errors import InputError

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


class Classifier:
    """A loaded model; `classifier(images)` gives probabilities.

    Attributes:
        shape: of one sample, without the batch.
        labels: the name of each class.
    """

    def __init__(self, model_dir: str) -> None:
        self._net, metadata = artifact.load(model_dir)
        self.shape: Tuple[int, ...] = tuple(metadata["input"]["shape"])
        self.labels: List[str] = metadata["labels"]
        self._scale: float = metadata["input"]["scale"]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities, float32 (N, classes), of float32 samples (N, *shape) in the range the net was trained on."""
        return mx.nd.softmax(self._net(mx.nd.array(samples))).asnumpy()

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Samples of any accepted layout as float32 (N, *shape), scaled as in training.

        One sample or a batch, each flat, shaped, or shaped without the single channel. Bytes and numbers above 1 are
        raw values and are scaled; numbers from 0 to 1 are taken as scaled already.

        Raises:
            InputError: not numbers, another shape, a number that is not finite or out of range.
        """
        if samples.dtype.kind not in "buif":
            raise InputError(f"the input holds {samples.dtype}, not numbers")
        size = int(np.prod(self.shape))
        layouts = [(size,), self.shape, self.shape[1:] if self.shape[0] == 1 else self.shape]
        if not samples.size or not (samples.shape in layouts or samples.shape[1:] in layouts):
            raise InputError(
                f"the input has the shape {list(samples.shape)}: "
                f"a sample has {list(self.shape)}, or {size} values in a row"
            )
        raw = samples.dtype == np.uint8
        batch = samples.astype(np.float32).reshape((-1, *self.shape))
        if not np.isfinite(batch).all():
            raise InputError("the input has values that are not finite numbers")
        if batch.min() < 0 or batch.max() * self._scale > 1:
            raise InputError(
                f"the input has values from {batch.min():g} to {batch.max():g}: "
                f"expected 0 to 1, or 0 to {1 / self._scale:g}"
            )
        return batch * np.float32(self._scale) if raw or batch.max() > 1 else batch


def transform(classifier: Classifier, data: Any, input_content_type: str, output_content_type: str) -> Tuple[Any, str]:
    """One request: the body of the answer and its content type. InputError when the request cannot be understood."""
    probabilities = classifier(classifier.prepare(decode(data, input_content_type)))
    return encode(probabilities, classifier.labels, output_content_type)


def decode(data: Any, content_type: str) -> np.ndarray:
    """The numbers in a request's body (bytes or text): JSON (bare or in `{"instances": ...}`), CSV, or NPY."""
    kind = (content_type or JSON).split(";")[0].strip().lower()
    try:
        if kind == NPY:
            # Not np.load, which takes archives and pickles too.
            return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        text = data.decode("utf-8") if isinstance(data, (bytes, bytearray)) else data
        if kind == CSV:
            return np.array([[float(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row], np.float32)
        if kind == JSON:
            content = json.loads(text)
            return np.array(content["instances"] if isinstance(content, dict) else content, np.float32)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, csv.Error) as error:
        raise InputError(f"the body is not {kind} of numbers in rows of one length ({error})") from None
    raise InputError(f"content type {content_type!r} is not supported: send {JSON}, {CSV} or {NPY}")


def encode(probabilities: np.ndarray, labels: Sequence[str], accept: str) -> Tuple[Any, str]:
    """Predictions as JSON (class, label, probability, probabilities), or the probabilities as CSV or NPY."""
    kind = (accept or JSON).split(";")[0].strip().lower()
    if kind == NPY:
        body = io.BytesIO()
        np.save(body, probabilities, allow_pickle=False)
        return body.getvalue(), NPY
    if kind == CSV:
        return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in probabilities), CSV
    if kind not in (JSON, "*/*", "application/*"):
        raise InputError(f"cannot answer as {accept!r}: accept {JSON}, {CSV} or {NPY}")
    predictions = [
        {
            "class": int(row.argmax()),
            "label": labels[row.argmax()],
            "probability": float(row.max()),
            "probabilities": [float(value) for value in row],
        }
        for row in probabilities
    ]
    return json.dumps({"predictions": predictions}), JSON
