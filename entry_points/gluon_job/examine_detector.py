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
        height, width: of the picture.
        true: their boxes in pixels of the net's picture.
        found: float32 (k, 6): class (-1 for none), probability, and box in the same pixels.
        matched: of each found box, as of `boxes.match`.
    """

    row: int
    scene: Scene
    height: int
    width: int
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
        which on boxes count as found; `mistaken`, in how many pictures there are mistakes; `classes`: of each how many
        `objects` it has, how many boxes were `found` and how many of them are `right`, and its `average_precision`,
        `best_threshold` and the `best_f1` there, None where there are none; `samples` and `mistakes`, pictures: `row`
        in the validation data, `name` of the file, `height` and `width` as it is shown, the `found` boxes (`class`,
        `probability`, `box` in pixels of what is shown, `is_right`) and the `true` ones (`class`, `box`, `is_found`),
        where None means that it does not count. And arrays: `precisions` float64 (classes, 101), at recalls from 0 to
        1; `sample_pictures` and `mistake_pictures`, uint8 (n, side, side, 3), each in the upper left corner.

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
    mistaken = sorted((look for look in looks if look.mistakes), key=lambda look: (-look.mistakes, look.row))
    mistakes = mistaken[:_MISTAKES]
    found = {
        "labels": data.labels,
        "available": len(data.validation),
        "pictures": len(looks),
        "map": boxes.mean_average_precision(table, positives),
        "threshold": THRESHOLD,
        "mistaken": len(mistaken),
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
        pictures = [some[row].picture() for row in rows]
        shown = [scenes.fitted(picture, some[row].boxes, size) for row, picture in zip(rows, pictures)]
        samples = np.array([augment.as_bytes(sample) for sample, _ in shown]).astype(np.float32) * scale
        for row, picture, (_, true), found in zip(rows, pictures, shown, predict(samples)):
            matched = boxes.match(found, true, some[row].classes, some[row].ignored)
            looks.append(Look(row, some[row], *picture.shape[:2], true, found, matched))
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
    rows, columns, top, left = images.placement(look.height, look.width, size, size)
    height, width = _shown_size(look, size)

    def shown(box: np.ndarray) -> List[float]:
        # What an untrained net finds may be endless, or no number.
        corners = (np.nan_to_num(box.reshape(2, 2)) - (left, top)) * (width / columns, height / rows)
        begin, end = corners.clip(0, (width, height)).round(1)
        return [*begin.tolist(), *np.maximum(begin, end).tolist()]

    found = [
        {"class": int(row[0]), "probability": float(row[1]), "box": shown(row[2:]), "is_right": _is_right(match)}
        for row, match in zip(look.found[look.told], look.matched[look.told].tolist())
    ]
    true = [
        {"class": int(kind), "box": shown(box), "is_found": None if ignored else not missed}
        for kind, box, ignored, missed in zip(look.scene.classes, look.true, look.scene.ignored, look.missed)
    ]
    name = os.path.basename(look.scene.path)
    return {"row": look.row, "name": name, "height": height, "width": width, "found": found, "true": true}


def _is_right(match: int) -> Optional[bool]:
    return None if match == boxes.IGNORED else match != boxes.WRONG


def _shown_size(look: Look, size: int) -> Tuple[int, int]:
    """Height and width of the picture as it is shown: as large as the net sees it, or smaller."""
    side = min(size, _LARGEST)
    return images.placement(look.height, look.width, side, side)[:2]


def _pictures(looks: List[Look], size: int) -> np.ndarray:
    """What is shown, each in the upper left corner: uint8 (n, side, side, 3)."""
    side = min(size, _LARGEST)
    pictures = np.zeros((len(looks), side, side, 3), np.uint8)
    for shown, look in zip(pictures, looks):
        height, width = _shown_size(look, size)
        shown[:height, :width] = np.rint(images.resize(look.scene.picture(), height, width)).clip(0, 255)
    return pictures
