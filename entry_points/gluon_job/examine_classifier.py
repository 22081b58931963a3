"""What a trained classifier makes of its validation pictures, as they are and distorted."""

import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

import numpy as np

from gluon_job import datasets, images
from gluon_job.distortion import rotated, shifted
from gluon_job.errors import InputError
from gluon_job.inference import Classifier

_SECONDS = 10.0  # of predicting, and again of predicting distorted pictures, at most: large nets see fewer of them
_CHUNK = 128  # pictures of a call
_DISTORTED, _FEWEST = 500, 50  # pictures: fewer say nothing
_SHIFTS, _ANGLES = range(9), range(0, 50, 5)  # pixels, degrees
_MISTAKES, _SAMPLES = 200, 24  # pictures that are shown
_LARGEST = 64  # pixels of a side that is shown

Read = Callable[[np.ndarray], np.ndarray]


class Validation(NamedTuple):
    """Validation pictures: `labels` int (N,); `read(indices)` gives some as uint8 (n, channels, height, width)."""

    labels: np.ndarray
    read: Read


def examine(
    model_dir: str, values: Mapping[str, Any], channel_input_dirs: Mapping[str, str]
) -> Tuple[Dict[str, Any], Dict[str, np.ndarray]]:
    """What there is to report of a classifier.

    Args:
        model_dir: an extracted artifact.
        values: the hyperparameters of its job.
        channel_input_dirs: the data of its job.

    Returns:
        An object for JSON: `labels`, the names of the classes; `available`, how many validation pictures there are; and
        `distorted`: of how many the accuracies are, `shift` and `rotation`, each by how much, and `predicted` whether
        there are any. And arrays: `rows` int (N,), the places of the pictures that were predicted, in order; `truth`
        int (N,); `probabilities` float32 (N, classes); `mistakes` and `samples`, indices into those; `mistake_pictures`
        and `sample_pictures`, uint8 (n, height, width, channels).

    Raises:
        InputError: the validation data are missing or do not fit, or none are left when the time is over.
    """
    classifier = Classifier(model_dir)
    validation = _validation(classifier, values, channel_input_dirs)
    count = len(validation.labels)
    order = np.random.RandomState(0).permutation(count)
    rows, probabilities, seconds = _predict(classifier, validation.read, order)
    distorted = _distorted(classifier, validation, order[: len(rows)], seconds / len(rows))
    rank = np.argsort(rows)
    rows, probabilities = rows[rank], probabilities[rank]
    truth = validation.labels[rows]
    mistakes, samples = _mistakes(probabilities, truth), _samples(truth)
    arrays = {
        "rows": rows,
        "truth": truth,
        "probabilities": probabilities,
        "mistakes": mistakes,
        "samples": samples,
        "mistake_pictures": _pictures(validation.read, rows[mistakes]),
        "sample_pictures": _pictures(validation.read, rows[samples]),
    }
    return {"labels": classifier.labels, "available": count, "distorted": distorted}, arrays


def _validation(classifier: Classifier, values: Mapping[str, Any], channel_input_dirs: Mapping[str, str]) -> Validation:
    if len(classifier.shape) != 3 or classifier.shape[0] not in (1, 3):
        raise InputError(f"the model's samples have the shape {list(classifier.shape)}: they are no pictures")
    grey = classifier.shape[0] == 1
    validation = (_grey if grey else _coloured)(classifier.shape, values, channel_input_dirs)
    if validation.labels.max() >= len(classifier.labels):
        raise InputError(
            f"the data has a class {validation.labels.max()}, and the model {len(classifier.labels)} of them"
        )
    return validation


def _grey(shape: Tuple[int, ...], values: Mapping[str, Any], channel_input_dirs: Mapping[str, str]) -> Validation:
    del values
    _, found = datasets.load_images(channel_input_dirs)
    if found is None:
        raise InputError("the job had no validation data")
    if found.images.shape[1:] != shape:
        raise InputError(f"the data's pictures have the shape {list(found.images.shape[1:])}, not {list(shape)}")
    return Validation(found.labels, lambda indices: found.images[indices])


def _coloured(shape: Tuple[int, ...], values: Mapping[str, Any], channel_input_dirs: Mapping[str, str]) -> Validation:
    from gluon_job.vision import classification, pictures

    if "validation_split" not in values:
        raise InputError("the script is not image_classifier: which of its pictures are validation data is not known")
    found = pictures.load(channel_input_dirs, values["validation_split"], values["seed"]).validation
    if found is None:
        raise InputError("the job had no validation data")
    return Validation(found.labels, lambda indices: classification.samples(found, indices, shape[1]))


def _predict(classifier: Classifier, read: Read, order: np.ndarray) -> Tuple[np.ndarray, np.ndarray, float]:
    """The rows that there was time for, in this order, their probabilities, and the seconds it took."""
    started, parts, done = time.perf_counter(), [], 0
    while done < len(order) and (not parts or time.perf_counter() - started < _SECONDS):
        parts.append(_probabilities(classifier, read(order[done : done + _CHUNK])))
        done += len(parts[-1])
    return order[:done], np.concatenate(parts), time.perf_counter() - started


def _probabilities(classifier: Classifier, pictures: np.ndarray) -> np.ndarray:
    return classifier(pictures.astype(np.float32) * np.float32(classifier.scale))


def _distorted(classifier: Classifier, validation: Validation, rows: np.ndarray, seconds: float) -> Dict[str, Any]:
    """The accuracy on shifted and rotated pictures; `seconds` is what one prediction takes."""
    calls = len(_SHIFTS) + len(_ANGLES)
    rows = rows[: min(_DISTORTED, int(_SECONDS / (calls * seconds)))]
    if len(rows) < min(_FEWEST, len(validation.labels)):
        return {"pictures": 0}
    pictures, labels = validation.read(rows), validation.labels[rows]

    def accuracies(distort: Callable[[np.ndarray, int], np.ndarray], amounts: Any) -> List[Tuple[int, float]]:
        return [(amount, _accuracy(classifier, distort(pictures, amount), labels)) for amount in amounts]

    return {
        "pictures": len(rows),
        "shift": accuracies(shifted, _SHIFTS),
        "rotation": accuracies(rotated, _ANGLES),
    }


def _accuracy(classifier: Classifier, pictures: np.ndarray, labels: np.ndarray) -> float:
    return float((_probabilities(classifier, pictures).argmax(axis=1) == labels).mean())


def _mistakes(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The indices of the most confident mistakes, the most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:_MISTAKES]


def _samples(truth: np.ndarray) -> np.ndarray:
    """The indices of some of each class, in the order of the data: first ones of a class before second ones."""
    turn = np.zeros(len(truth), int)
    for label in np.unique(truth):
        own = np.flatnonzero(truth == label)
        turn[own] = np.arange(len(own))
    return np.sort(np.argsort(turn, kind="stable")[:_SAMPLES])


def _pictures(read: Read, rows: np.ndarray) -> np.ndarray:
    """Pictures to be shown, uint8 (n, height, width, channels), made smaller where they are large."""
    if not len(rows):
        return np.zeros((0, 1, 1, 1), np.uint8)
    pictures = read(rows).transpose(0, 2, 3, 1)
    if max(pictures.shape[1:3]) <= _LARGEST:
        return pictures
    return np.array([np.rint(images.fit(picture, _LARGEST, _LARGEST)) for picture in pictures]).astype(np.uint8)
