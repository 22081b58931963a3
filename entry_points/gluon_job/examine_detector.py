"""What a trained detector finds in its validation pictures, and what it misses."""

import os
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from gluon_job import artifact, images
from gluon_job.detector import THRESHOLD
from gluon_job.errors import InputError
from gluon_job.predictor import Predictor
from gluon_job.vision import augment, boxes, scenes
from gluon_job.vision.scenes import Scene

_SECONDS = 10.0  # of predicting, at most: large nets see fewer pictures
_CHUNK = 16  # pictures of a call
_RECALLS = np.linspace(0, 1, 101)  # at which the precision is told
_MISTAKES, _SAMPLES = 36, 12  # pictures that are shown
_LARGEST = 256  # pixels of a side that is shown


class Look(NamedTuple):
    """What was found in a picture.

    Attributes:
        row: its place in the validation data.
        scene: the picture and its objects.
        true: their boxes in pixels of the net's picture.
        found: float32 (k, 6): class (-1 for none), probability, and box in the same pixels.
        matched: of each found box, as of `boxes.match`.
    """

    row: int
    scene: Scene
    true: np.ndarray
    found: np.ndarray
    matched: np.ndarray

    @property
    def told(self) -> np.ndarray:
        """Which found boxes an endpoint tells of unless it is asked for others: bool (k,)."""
        return (self.found[:, 0] >= 0) & (self.found[:, 1] >= THRESHOLD)

    @property
    def missed(self) -> np.ndarray:
        """Which objects are not among those: bool (n,)."""
        has_match = np.isin(np.arange(len(self.true)), self.matched[self.told])
        return ~has_match & ~self.scene.ignored

    @property
    def mistakes(self) -> int:
        """Objects that were missed, and boxes around nothing of their class."""
        return int(self.missed.sum() + (self.told & (self.matched == boxes.WRONG)).sum())


def examine(
    model_dir: str, values: Mapping[str, Any], channel_input_dirs: Mapping[str, str]
) -> Tuple[Dict[str, Any], Dict[str, np.ndarray]]:
    """What there is to report of a detector.

    Args:
        model_dir: an extracted artifact.
        values: the hyperparameters of its job.
        channel_input_dirs: the data of its job.

    Returns:
        An object for JSON: `labels`, the names of the classes; `available`, how many validation pictures there are, and
        `pictures`, how many were looked at; `map`, VOC's mean average precision; `threshold`, the probability from
        which on boxes count as found; `classes`: of each how many `objects` it has, how many boxes were `found` and how
        many of them are `right`, and its `average_precision`, `best_threshold` and the `best_f1` there, None where
        there are none; `samples` and `mistakes`, pictures: `row` in the validation data, `name` of the file, the
        `found` boxes (`class`, `probability`, `box` in pixels of the picture that is shown, `is_right`) and the `true`
        ones (`class`, `box`, `is_found`), where None means that it does not count. And arrays: `precisions` float64
        (classes, 101), at recalls from 0 to 1; `sample_pictures` and `mistake_pictures`, uint8 (n, side, side, 3), as
        the net sees them.

    Raises:
        InputError: the validation data are missing, or not those of the model.
    """
    if "validation_split" not in values:
        raise InputError("the script is not object_detector: which of its pictures are validation data is not known")
    metadata = artifact.metadata(model_dir)
    data = scenes.load(channel_input_dirs, values["validation_split"], values["seed"])
    if data.labels != metadata["labels"]:
        raise InputError("the data has other classes than the model: it is not what it learned from")
    if not data.validation:
        raise InputError("the job had no validation data")
    size = metadata["input"]["shape"][1]
    order = np.random.RandomState(0).permutation(len(data.validation))
    looks = _look(Predictor(model_dir), data.validation, order, size, np.float32(metadata["input"]["scale"]))
    table = np.concatenate([boxes.judged(look.found, look.matched) for look in looks])
    truth = np.concatenate([look.scene.classes[~look.scene.ignored] for look in looks])
    positives = np.bincount(truth, minlength=len(data.labels)).tolist()
    samples = sorted(looks[:_SAMPLES], key=lambda look: look.row)
    mistakes = sorted((look for look in looks if look.mistakes), key=lambda look: (-look.mistakes, look.row))
    mistakes = mistakes[:_MISTAKES]
    found = {
        "labels": data.labels,
        "available": len(data.validation),
        "pictures": len(looks),
        "map": boxes.mean_average_precision(table, positives),
        "threshold": THRESHOLD,
        "classes": _classes(table, positives),
        "samples": [_described(look, size) for look in samples],
        "mistakes": [_described(look, size) for look in mistakes],
    }
    arrays = {
        "precisions": np.array([_precisions(table, kind, count) for kind, count in enumerate(positives)]),
        "sample_pictures": _pictures(samples, size),
        "mistake_pictures": _pictures(mistakes, size),
    }
    return found, arrays


def _look(predict: Predictor, some: List[Scene], order: np.ndarray, size: int, scale: np.float32) -> List[Look]:
    """At the pictures that there is time for, in this order: what the net finds in them."""
    started, looks = time.perf_counter(), []
    while len(looks) < len(order) and (not looks or time.perf_counter() - started < _SECONDS):
        rows = order[len(looks) : len(looks) + _CHUNK].tolist()
        shown = [scenes.fitted(some[row].picture(), some[row].boxes, size) for row in rows]
        samples = np.array([augment.as_bytes(picture) for picture, _ in shown])
        for row, (_, true), found in zip(rows, shown, predict(samples.astype(np.float32) * scale)):
            matched = boxes.match(found, true, some[row].classes, some[row].ignored)
            looks.append(Look(row, some[row], true, found, matched))
    return looks


def _classes(table: np.ndarray, positives: List[int]) -> List[Dict[str, Any]]:
    told = table[table[:, 1] >= THRESHOLD]
    classes = []
    for kind, (count, area) in enumerate(zip(positives, boxes.average_precisions(table, positives))):
        own = told[told[:, 0] == kind]
        threshold, f1 = (boxes.best_threshold(table, kind, count) if count else None) or (None, None)
        classes.append(
            {
                "objects": count,
                "found": len(own),
                "right": int(own[:, 2].sum()),
                "average_precision": area,
                "best_threshold": threshold,
                "best_f1": f1,
            }
        )
    return classes


def _precisions(table: np.ndarray, kind: int, count: int) -> np.ndarray:
    """The best precision of a class at each of _RECALLS, 0 where it is not reached: float64 (101,)."""
    recall, precision = boxes.curve(table, kind, max(count, 1))
    return np.append(precision, 0)[np.searchsorted(recall, _RECALLS - 1e-9)]


def _described(look: Look, size: int) -> Dict[str, Any]:
    factor = min(size, _LARGEST) / size

    def shown(box: np.ndarray) -> List[float]:
        return (box.clip(0, size) * factor).round(1).tolist()

    found = [
        {"class": int(row[0]), "probability": float(row[1]), "box": shown(row[2:]), "is_right": _is_right(match)}
        for row, match in zip(look.found[look.told], look.matched[look.told].tolist())
    ]
    true = [
        {"class": int(kind), "box": shown(box), "is_found": None if ignored else not missed}
        for kind, box, ignored, missed in zip(look.scene.classes, look.true, look.scene.ignored, look.missed)
    ]
    return {"row": look.row, "name": os.path.basename(look.scene.path), "found": found, "true": true}


def _is_right(match: int) -> Optional[bool]:
    return None if match == boxes.IGNORED else match != boxes.WRONG


def _pictures(looks: List[Look], size: int) -> np.ndarray:
    """As the net sees them, made smaller where they are large: uint8 (n, side, side, 3)."""
    side = min(size, _LARGEST)
    pictures = [images.fit(images.fit(look.scene.picture(), size, size), side, side) for look in looks]
    return np.rint(np.reshape(pictures, (-1, side, side, 3))).clip(0, 255).astype(np.uint8)
