"""A trained detector behind an endpoint: a picture in, the objects in it out."""

import json
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from gluon_job import artifact, formats, images
from gluon_job.errors import InputError
from gluon_job.formats import JPEG, JSON, PNG, UnsupportedTypeError
from gluon_job.predictor import Predictor

OUTPUT = "detections"  # what the artifact's metadata says
THRESHOLD = 0.3  # probability from which an object is told of, unless the request says otherwise


class Detector:
    """A loaded model; `detector(picture)` gives the objects in it.

    Attributes:
        labels: the name of each class.
    """

    def __init__(self, model_dir: str) -> None:
        """Reads the artifact; InputError names a missing file."""
        metadata = artifact.metadata(model_dir)
        self.labels: List[str] = metadata["labels"]
        self._shape: Tuple[int, ...] = tuple(metadata["input"]["shape"])
        self._scale = np.float32(metadata["input"]["scale"])
        self._predict = Predictor(model_dir)
        self._predict(np.zeros((1, *self._shape), np.float32))  # the first call takes longer

    def __call__(self, picture: np.ndarray, threshold: float = THRESHOLD) -> List[Dict[str, Any]]:
        """The objects, the most probable first: class, label, probability, and box in pixels of the picture.

        Args:
            picture: (height, width, 3), from 0 to 255.
            threshold: the least probability.
        """
        height, width = picture.shape[:2]
        rows, columns, top, left = images.placement(height, width, *self._shape[1:])
        sample = images.fit(picture, *self._shape[1:]).astype(np.float32).transpose(2, 0, 1) * self._scale
        found = self._predict(sample[None])[0]
        found = found[(found[:, 0] >= 0) & (found[:, 1] >= threshold)]
        boxes = (found[:, 2:] - np.array([left, top] * 2)) * np.array([width / columns, height / rows] * 2)
        boxes = boxes.clip(0, np.array([width, height] * 2))
        return [
            {"class": int(kind), "label": self.labels[int(kind)], "probability": float(probability), "box": box}
            for (kind, probability), box in zip(found[:, :2], boxes.round(2).tolist())
        ]


def transform(
    detector: Detector, data: Any, input_content_type: Optional[str], output_content_type: Optional[str]
) -> Any:
    """One request: the body of the answer, JSON, and its content type.

    The type of the request is image/png or image/jpeg; with a parameter, as in `image/png; threshold=0.5`, the
    objects of at least that probability are told of. The answer has, for the picture, `width`, `height` and `objects`.

    Raises:
        InputError: the request cannot be understood; it has the status 415 or 406 for types that are not known here.
    """
    kind, parameters = formats.content_type(input_content_type or "")
    if kind not in (PNG, JPEG):
        raise UnsupportedTypeError(f"content type {input_content_type!r} is not supported: send {PNG} or {JPEG}")
    accepted = formats.negotiate(output_content_type, (JSON,))
    threshold = _threshold(parameters)
    picture = images.decode(data)
    objects = detector(picture, threshold)
    answer = {"width": picture.shape[1], "height": picture.shape[0], "objects": objects}
    return json.dumps({"predictions": [answer]}), accepted


def _threshold(parameters: Mapping[str, str]) -> float:
    word = parameters.get("threshold", str(THRESHOLD))
    try:
        threshold = float(word)
    except ValueError:
        threshold = -1
    if not 0 <= threshold <= 1:
        raise InputError(f"the content type says threshold={word}: it is a number from 0 to 1")
    return threshold
