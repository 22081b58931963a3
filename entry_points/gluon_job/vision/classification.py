"""What a classifier of pictures learns, and how well it knows it."""

from typing import Any, Dict, Iterator, List, Mapping, Optional

import numpy as np

from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.step import judged
from gluon_job.vision import augment
from gluon_job.vision.learner import Arrays, Learner, scaled
from gluon_job.vision.loop import PictureTask
from gluon_job.vision.pictures import Pictures, Split

HYPERPARAMETERS = {
    **augment.HYPERPARAMETERS,
    "label_smoothing": Hyperparameter(0.0, "share of a label that is spread over all classes", low=0, high=0.9),
    "mixup": Hyperparameter(0.0, "of two pictures: alpha of the beta distribution of their shares; 0 for none", low=0),
}
_SCORED = 64  # pictures scored at a time


def task(net: Any, split: Split, values: Mapping[str, Any], size: int, cluster: Cluster) -> PictureTask:
    """The task of a net that takes pictures of this size and gives logits (N, classes)."""
    pictures, classes = split.training, len(split.training.classes)
    augmentation = augment.Augmentation(values, size)

    def batch(indices: np.ndarray, randoms: List[np.random.RandomState], map_: Any) -> Arrays:
        made = list(map_(lambda pair: augmentation(pictures[pair[0]], pair[1]), zip(indices.tolist(), randoms)))
        arrays = {
            "images": np.array(made, np.uint8).reshape((-1, 3, size, size)),
            "targets": augment.targets(pictures.labels[indices], classes, values["label_smoothing"]),
        }
        return augment.mixup(arrays, values["mixup"], randoms[0]) if values["mixup"] and made else arrays

    return PictureTask(
        samples=len(pictures),
        input_shape=(3, size, size),
        batch=batch,
        logits=_logits(net),
        loss=_loss,
        measures=("loss", "accuracy"),
        score=(lambda learner: _score(net, learner, split, size, cluster)) if split.validation is not None else None,
    )


def _logits(net: Any) -> Any:
    with mx.autograd.train_mode():
        return net(scaled())


def _loss(logits: Any, scale: float) -> Any:
    """The cross-entropy with `targets`, and whether the most probable class is also theirs."""
    targets = mx.sym.var("targets")
    loss = -mx.sym.sum(mx.sym.log_softmax(logits) * targets, axis=1)
    correct = mx.sym.argmax(logits, axis=1) == mx.sym.argmax(targets, axis=1)
    return mx.sym.Group([mx.sym.MakeLoss(loss, grad_scale=scale), mx.sym.BlockGrad(correct)])


def _score(net: Any, learner: Learner, split: Split, size: int, cluster: Cluster) -> Dict[str, float]:
    """The `accuracy`, from 0 to 1, and the `loss`, the mean cross-entropy; each host scores a part, or its own."""
    validation = split.validation
    mine = np.arange(len(validation)) if split.is_own else np.arange(cluster.index, len(validation), cluster.size)
    logits = list(learner.predict(net(scaled()), _plain(validation, mine, size)))
    found = judged(np.concatenate(logits), validation.labels[mine]) if logits else (0, 0.0)
    count, correct, loss = cluster.sum("scored", (len(mine), *found))
    return {"accuracy": correct / count, "loss": loss / count}


def _plain(pictures: Pictures, indices: np.ndarray, size: int) -> Iterator[Arrays]:
    for begin in range(0, len(indices), _SCORED):
        yield {"images": samples(pictures, indices[begin : begin + _SCORED], size)}


def samples(pictures: Pictures, indices: Any, size: int) -> np.ndarray:
    """Pictures as an endpoint would see them: uint8 (N, 3, size, size)."""
    return np.array([augment.plain(pictures[int(i)], size) for i in indices], np.uint8)


def default_size(network: str, size: Optional[int]) -> int:
    """The pixels of a side that a network of the zoo was made for, unless one is given."""
    if size is not None:
        return size
    if "cifar" in network:
        return 32
    return 299 if "inceptionv3" in network or "xception" in network else 224
