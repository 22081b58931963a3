"""Boxes, float32 (n, 4) of left, top, right and bottom in pixels, and how well found ones agree with true ones."""

from typing import List, Sequence

import numpy as np

_OVERLAP = 0.5  # of a found box with a true one, to be right


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area that each box shares with each other, over that of both together: float32 (n, m)."""
    begin = np.maximum(boxes[:, None, :2], others[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (end - begin).clip(0).prod(axis=2)
    both = area(boxes)[:, None] + area(others)[None] - shared
    return shared / np.maximum(both, np.float32(1e-9))


def area(boxes: np.ndarray) -> np.ndarray:
    """Of each, in pixels: (n,)."""
    return (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)


def judge(found: np.ndarray, boxes: np.ndarray, classes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Which boxes found in a picture are right, by the rules of Pascal VOC.

    A box is right when the true box of its class that it overlaps most is overlapped by half, and no better box has
    found that one already.

    Args:
        found: float32 (k, 6): class (-1 for none), probability, box.
        boxes, classes, ignored: the true ones, as of Scene.

    Returns:
        float64 (k, 3): class, probability, and 1 for right, 0 for wrong; class -1 for those that do not count.
    """
    judged = np.zeros((len(found), 3))
    judged[:, 0], judged[:, 1] = found[:, 0], found[:, 1]
    shares = overlaps(found[:, 2:], boxes) if len(boxes) else np.zeros((len(found), 0))
    taken = np.zeros(len(boxes), bool)
    for i in np.argsort(-found[:, 1], kind="stable"):
        own = np.flatnonzero(classes == found[i, 0])
        if not len(own):
            continue
        best = own[shares[i, own].argmax()]
        if shares[i, best] < _OVERLAP:
            continue
        if ignored[best]:
            judged[i, 0] = -1
        elif not taken[best]:
            taken[best], judged[i, 2] = True, 1
    return judged


def mean_average_precision(judged: np.ndarray, positives: Sequence[int]) -> float:
    """The mean, over the classes that there are, of the area under the curve of precision over recall.

    As of VOC from 2010 on: at every recall the best precision at that or a higher one.

    Args:
        judged: of all pictures, as `judge` gives it, (n, 3).
        positives: how many true boxes each class has, without those that are ignored.
    """
    areas: List[float] = []
    for kind, count in enumerate(positives):
        if not count:
            continue
        own = judged[judged[:, 0] == kind]
        right = own[np.argsort(-own[:, 1], kind="stable"), 2]
        hits = np.cumsum(right)
        precision = hits / np.arange(1, len(hits) + 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        areas.append(float((best * right).sum() / count))
    return float(np.mean(areas)) if areas else 0.0
