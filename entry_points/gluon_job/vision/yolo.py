"""YOLO3 (Redmon and Farhadi, 2018): what a net of GluonCV's is to answer for a picture."""

from typing import Any, Dict

import numpy as np

from gluon_job.compat import mx

_INPUTS = ("boxes", "objects", "centres", "scales", "weights", "kinds")  # in the order of GluonCV's net


class Yolo:
    """The head of a YOLO3, whose anchors are made to fit pictures of this size.

    Args:
        net: GluonCV's, without parameters' values yet.
        size: pixels of a side, a multiple of 32.
        base: the size that the net's anchors were chosen for.
        classes: how many.
        most: objects of a picture.
    """

    def __init__(self, net: Any, size: int, base: float, classes: int, most: int) -> None:
        self._net, self._size, self._classes, self._most = net, size, classes, max(1, most)
        anchors = []
        for output in net.yolo_outputs:
            value = output.anchors.value
            value *= size / base  # before the net is initialized, which copies it
            anchors.append(value.asnumpy().reshape(-1, 2))
        self._per_cell = len(anchors[0])
        self._anchors = np.concatenate(anchors)
        self._cells = [size // output._stride for output in net.yolo_outputs]  # of a side, for each output
        counts = [cells * cells * self._per_cell for cells in self._cells]
        self._begins, self._count = np.cumsum([0, *counts[:-1]]), sum(counts)

    def targets(self, boxes: np.ndarray, classes: np.ndarray) -> Dict[str, np.ndarray]:
        """For a picture's objects: of each box that the net predicts, what it should be.

        An object is that of the cell its centre is in, and of the anchor that is most like it.
        """
        count = self._count
        made = {
            "boxes": np.full((self._most, 4), -1, np.float32),
            "objects": np.zeros((count, 1), np.float32),
            "centres": np.zeros((count, 2), np.float32),
            "scales": np.zeros((count, 2), np.float32),
            "weights": np.zeros((count, 2), np.float32),
            "kinds": np.full((count, self._classes), -1, np.float32),
        }
        made["boxes"][: len(boxes)] = boxes[: self._most]
        for box, kind in zip(boxes, classes):
            side = np.maximum(box[2:] - box[:2], 1)
            anchor = self._most_alike(side)
            layer = anchor // self._per_cell
            cells = self._cells[layer]
            centre = ((box[:2] + box[2:]) / 2 / self._size * cells).clip(0, cells - 1e-3)
            column, row = centre.astype(int)
            i = self._begins[layer] + (row * cells + column) * self._per_cell + anchor % self._per_cell
            made["objects"][i], made["kinds"][i], made["kinds"][i, kind] = 1, 0, 1
            made["centres"][i], made["scales"][i] = centre - (column, row), np.log(side / self._anchors[anchor])
            made["weights"][i] = 2 - side.prod() / self._size**2  # small objects count more
        return made

    def outputs(self, pictures: Any) -> Any:
        """The symbol of the net's four losses in training, given that of normalized pictures."""
        with mx.autograd.record():  # GluonCV's net then takes the targets, and gives losses
            losses = self._net(pictures, *[mx.sym.var(name) for name in _INPUTS])
        return mx.sym.Group(list(losses))

    def loss(self, outputs: Any) -> Any:
        """Of each picture, (N,)."""
        return mx.sym.add_n(*outputs)

    def _most_alike(self, side: np.ndarray) -> int:
        shared = np.minimum(self._anchors, side).prod(axis=1)
        return int((shared / (self._anchors.prod(axis=1) + side.prod() - shared)).argmax())
