"""What a detector learns of scenes, and how well it finds the objects."""

from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.vision import augment, boxes
from gluon_job.vision.learner import Arrays, Learner, Normalized, scaled
from gluon_job.vision.loop import PictureTask
from gluon_job.vision.scenes import Scene, Scenes, fitted

HYPERPARAMETERS = {
    "crop": Hyperparameter(True, "show a part of every second picture in training, as SSD's authors do"),
    "expand": Hyperparameter(1.0, "show every second picture up to so many times smaller in training", low=1, high=4),
    "flip": augment.HYPERPARAMETERS["flip"],
    "colour": augment.HYPERPARAMETERS["colour"],
}
_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # that a part must have with some object
_TRIES = 20
_SCORED = 16  # pictures scored at a time
_MOST_FOUND = 100  # in a picture: GluonCV's nets give no more

_Pair = Tuple[np.ndarray, np.ndarray, np.ndarray]  # a picture, its boxes, their classes


class Detections(Normalized):
    """A detector of GluonCV's with one output, float32 (N, k, 6): class (-1 for none), probability, and the box."""

    def hybrid_forward(self, F: Any, x: Any, mean: Any, deviation: Any) -> Any:  # noqa: N803
        return F.concat(*super().hybrid_forward(F, x, mean, deviation), dim=2)


def task(
    net: Detections, head: Any, scenes: Scenes, values: Mapping[str, Any], size: int, cluster: Cluster
) -> PictureTask:
    """The task of a detector with this head (`Ssd` or `Yolo`) on pictures of this size."""
    training, validation = scenes.training, scenes.validation

    def sample(pair: Tuple[int, np.random.RandomState]) -> Arrays:
        scene, random = training[pair[0]], pair[1]
        kept = ~scene.ignored
        shown = augmented((scene.picture(), scene.boxes[kept], scene.classes[kept]), values, random)
        picture, found = fitted(shown[0], shown[1], size)
        if values["colour"]:
            picture = augment.coloured(picture, values["colour"], random)
        return {
            "images": augment.as_bytes(picture),
            "counted": np.float32(1),
            **head.targets(found, shown[2]),
        }

    nothing = {name: np.asarray(array) for name, array in sample((0, np.random.RandomState(0))).items()}

    def batch(indices: np.ndarray, randoms: List[np.random.RandomState], map_: Any) -> Arrays:
        made = list(map_(sample, zip(indices.tolist(), randoms)))
        return {
            name: np.array([one[name] for one in made], array.dtype).reshape((-1, *array.shape))
            for name, array in nothing.items()
        }

    def loss(outputs: Any, scale: float) -> Any:
        return mx.sym.MakeLoss(head.loss(outputs) * mx.sym.var("counted"), grad_scale=scale)

    return PictureTask(
        samples=len(training),
        input_shape=(3, size, size),
        batch=batch,
        logits=head.outputs(net.normalized(scaled())),
        loss=loss,
        measures=("loss",),
        score=(lambda learner: _score(net, learner, scenes, size, cluster)) if validation else None,
    )


def augmented(pair: _Pair, values: Mapping[str, Any], random: np.random.RandomState) -> _Pair:
    """A scene seen otherwise: smaller on a plain ground, in part, mirrored; what is not in it any more is left out."""
    if values["expand"] > 1 and random.rand() < 0.5:
        pair = _expanded(pair, random.uniform(1, values["expand"]), random)
    if values["crop"] and random.rand() < 0.5:
        pair = _cropped(pair, random.choice(_OVERLAPS), random)
    picture, found, classes = pair
    if values["flip"] and random.rand() < 0.5:
        width = picture.shape[1]
        picture = picture[:, ::-1]
        found = np.stack([width - found[:, 2], found[:, 1], width - found[:, 0], found[:, 3]], axis=1)
    return picture, found, classes


def _expanded(pair: _Pair, factor: float, random: np.random.RandomState) -> _Pair:
    picture, found, classes = pair
    rows, columns = picture.shape[:2]
    height, width = round(rows * factor), round(columns * factor)
    top, left = random.randint(height - rows + 1), random.randint(width - columns + 1)
    ground = np.empty((height, width, 3), picture.dtype)
    ground[:] = picture.reshape(-1, 3).mean(axis=0)
    ground[top : top + rows, left : left + columns] = picture
    return ground, found + np.array([left, top, left, top], np.float32), classes


def _cropped(pair: _Pair, least: float, random: np.random.RandomState) -> _Pair:
    picture, found, classes = pair
    height, width = picture.shape[:2]
    for _ in range(_TRIES if len(found) else 0):
        rows, columns = (max(1, round(side * random.uniform(0.3, 1))) for side in (height, width))
        if not 0.5 <= rows / columns <= 2:
            continue
        top, left = random.randint(height - rows + 1), random.randint(width - columns + 1)
        window = np.array([[left, top, left + columns, top + rows]], np.float32)
        centres = (found[:, :2] + found[:, 2:]) / 2
        inside = ((centres > window[:, :2]) & (centres < window[:, 2:])).all(axis=1)
        if not inside.any() or boxes.overlaps(window, found).max() < least:
            continue
        shown = np.clip(found[inside], np.tile(window[:, :2], 2), np.tile(window[:, 2:], 2))
        return picture[top : top + rows, left : left + columns], shown - np.tile(window[:, :2], 2), classes[inside]
    return pair


def _score(net: Any, learner: Learner, scenes: Scenes, size: int, cluster: Cluster) -> Dict[str, float]:
    """The mean average precision; each host looks at a part of the pictures."""
    validation = scenes.validation or []
    mine = range(cluster.index, len(validation), cluster.size)
    table = np.zeros((len(validation), _MOST_FOUND, 3))
    for i, judged in zip(mine, _judged(net, learner, [validation[i] for i in mine], size)):
        table[i, :, 0] = -1
        table[i, : len(judged)] = judged
    # Zeros where another host has looked: the sum is what all of them saw.
    table = cluster.sum("judged", table.ravel()).reshape(-1, 3)
    truth = np.concatenate([scene.classes[~scene.ignored] for scene in validation])
    return {"map": boxes.mean_average_precision(table, np.bincount(truth, minlength=len(scenes.labels)).tolist())}


def _judged(net: Any, learner: Learner, scenes: Sequence[Scene], size: int) -> Iterator[np.ndarray]:
    """Of each scene, what is to be thought of the boxes that the net finds in it."""
    true: List[np.ndarray] = []

    def batches() -> Iterator[Arrays]:
        for begin in range(0, len(scenes), _SCORED):
            some = scenes[begin : begin + _SCORED]
            shown = [fitted(scene.picture(), scene.boxes, size) for scene in some]
            true.extend(found for _, found in shown)
            yield {"images": np.array([augment.as_bytes(picture) for picture, _ in shown], np.uint8)}

    predicted = (found for batch in learner.predict(net(scaled()), batches()) for found in batch)
    for i, found in enumerate(predicted):
        yield boxes.judge(found[:_MOST_FOUND], true[i], scenes[i].classes, scenes[i].ignored)
