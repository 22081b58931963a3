"""SSD (Liu et al., 2016): what a net of GluonCV's is to answer for a picture, and what its answers cost."""

from typing import Any, Dict, List

import numpy as np

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.vision.boxes import overlaps

_MATCHED = 0.5  # overlap from which a default box is to find an object
_DEVIATIONS = np.array([0.1, 0.1, 0.2, 0.2], np.float32)  # what GluonCV's nets divide the four values by
_NEGATIVES = 3  # default boxes without an object that count, for each that has one


class Ssd:
    """The head of an SSD, whose default boxes are made to fit pictures of this size.

    Args:
        net: GluonCV's, without parameters' values yet.
        size: pixels of a side.
        base: the size that the net's default boxes were chosen for.

    Raises:
        InputError: the net does not take pictures as small as that.
    """

    def __init__(self, net: Any, size: int, base: float) -> None:
        self._net = net
        self._anchors = _place_anchors(net, size, base)
        left_top, side = self._anchors[:, :2] - self._anchors[:, 2:] / 2, self._anchors[:, 2:]
        self._corners = np.concatenate([left_top, left_top + side], axis=1)

    def targets(self, boxes: np.ndarray, classes: np.ndarray) -> Dict[str, np.ndarray]:
        """For a picture's objects: of each default box its class (0 for none) and its four values."""
        kinds, values = np.zeros(len(self._anchors), np.float32), np.zeros((len(self._anchors), 4), np.float32)
        if len(boxes):
            shares = overlaps(self._corners, boxes)
            nearest, share = shares.argmax(axis=1), shares.max(axis=1)
            for _ in range(len(boxes)):  # every object has a default box, the best that is left
                anchor, thing = np.unravel_index(shares.argmax(), shares.shape)
                nearest[anchor], share[anchor] = thing, 1
                shares[anchor], shares[:, thing] = -1, -1
            matched = share >= _MATCHED
            kinds[matched] = classes[nearest[matched]] + 1
            values[matched] = self._encoded(boxes[nearest[matched]], self._anchors[matched])
        return {"kinds": kinds, "values": values}

    def outputs(self, pictures: Any) -> Any:
        """The symbol of the net's answers in training, given that of normalized pictures."""
        with mx.autograd.train_mode():
            kinds, values, _ = self._net(pictures)
        return mx.sym.Group([kinds, values])

    def loss(self, outputs: Any) -> Any:
        """Of each picture, (N,), over its number of matched default boxes."""
        kinds, values = mx.sym.var("kinds"), mx.sym.var("values")
        entropy = -mx.sym.pick(mx.sym.log_softmax(outputs[0], axis=-1), kinds, axis=-1)
        matched = kinds > 0
        count = mx.sym.sum(matched, axis=1)
        # Of the boxes without an object those count that are most sure of one.
        rank = mx.sym.argsort(mx.sym.argsort(mx.sym.BlockGrad(entropy) * (matched - 1), axis=1), axis=1)
        negative = mx.sym.broadcast_lesser(rank, mx.sym.expand_dims(mx.sym.maximum(count, 1) * _NEGATIVES, axis=1))
        counted = mx.sym.BlockGrad((matched + negative) > 0)
        distance = mx.sym.smooth_l1(outputs[1] - values, scalar=1.0)
        placed = mx.sym.sum(mx.sym.broadcast_mul(distance, mx.sym.expand_dims(matched, axis=2)), axis=(1, 2))
        return (mx.sym.sum(entropy * counted, axis=1) + placed) / mx.sym.maximum(count, 1)

    def _encoded(self, boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
        side = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        moved = (centre - anchors[:, :2]) / anchors[:, 2:]
        return np.concatenate([moved, np.log(side / anchors[:, 2:])], axis=1) / _DEVIATIONS


def _place_anchors(net: Any, size: int, base: float) -> np.ndarray:
    """Gives the net default boxes for pictures of this size, and returns them: centre, width and height, (n, 4).

    GluonCV's are for one size of picture and, in some of its nets, for other feature maps than theirs.
    """
    used: List[np.ndarray] = []
    for feature, generator in zip(net.features(mx.sym.var("data")), net.anchor_generators):
        try:
            _, [(_, _, rows, columns)], _ = feature.infer_shape(data=(1, 3, size, size))
        except mx.MXNetError:
            message = f"image_size is {size}: too small for this network, whose later layers would have nothing to see"
            raise InputError(message) from None
        array = generator.anchors.value
        boxes = array.asnumpy().reshape((*array.shape[2:4], -1, 4))
        boxes[..., 0] = ((np.arange(boxes.shape[1]) + 0.5) * size / columns)[None, :, None]
        boxes[..., 1] = ((np.arange(boxes.shape[0]) + 0.5) * size / rows)[:, None, None]
        boxes[..., 2:] *= size / base
        array[:] = boxes.reshape(array.shape)  # before the net is initialized, which copies it
        used.append(boxes[:rows, :columns].reshape(-1, 4))
    return np.concatenate(used).astype(np.float32)
