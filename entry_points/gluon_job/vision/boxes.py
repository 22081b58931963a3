"""Boxes, float32 (n, 4) of left, top, right and bottom in pixels, and how well found ones agree with true ones."""

from typing import List, Optional, Sequence, Tuple

import numpy as np

_OVERLAP = 0.5  # of a found box with a true one, to be right
_FAR = 1e6  # pixels
WRONG, IGNORED = -1, -2  # what `match` says of a found box that has found no true one


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


def match(found: np.ndarray, boxes: np.ndarray, classes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Which true box each box found in a picture has found, by the rules of Pascal VOC.

    A box is right when the true box of its class that it overlaps most is overlapped by half, and no better box has
    found that one already.

    Args:
        found: float32 (k, 6): class (-1 for none), probability, box.
        boxes, classes, ignored: the true ones, as of Scene.

    Returns:
        int (k,): the index of the true box, WRONG, or IGNORED where the true one does not count.
    """
    matched = np.full(len(found), WRONG)
    # What an untrained net finds may be endless: of such a box the area, and its share, would be no number.
    shares = overlaps(found[:, 2:].clip(-_FAR, _FAR), boxes) if len(boxes) else np.zeros((len(found), 0))
    taken = np.zeros(len(boxes), bool)
    for i in np.argsort(-found[:, 1], kind="stable"):
        own = np.flatnonzero(classes == found[i, 0])
        if not len(own):
            continue
        best = own[shares[i, own].argmax()]
        if not shares[i, best] >= _OVERLAP:  # no number either
            continue
        if ignored[best]:
            matched[i] = IGNORED
        elif not taken[best]:
            taken[best], matched[i] = True, best
    return matched


def judge(found: np.ndarray, boxes: np.ndarray, classes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Which boxes found in a picture are right, given what `match` is given.

    Returns:
        float64 (k, 3): class, probability, and 1 for right, 0 for wrong; class -1 for those that do not count.
    """
    return judged(found, match(found, boxes, classes, ignored))


def judged(found: np.ndarray, matched: np.ndarray) -> np.ndarray:
    """What `judge` gives, of found boxes and what `match` says of them."""
    kinds = np.where(matched == IGNORED, -1, found[:, 0])
    return np.stack([kinds, found[:, 1], matched >= 0], axis=1).astype(np.float64)


def curve(table: np.ndarray, kind: int, positives: int) -> Tuple[np.ndarray, np.ndarray]:
    """Recall and precision of a class after each box found, the most probable first: float64 (k,) each.

    As of VOC from 2010 on, the precision is the best one at that or a higher recall.

    Args:
        table: of all pictures, as `judge` gives it, (n, 3).
        kind: the class.
        positives: how many true boxes it has, at least one, without those that are ignored.
    """
    hits = np.cumsum(_ranked(table, kind)[:, 2])
    precision = hits / np.arange(1, len(hits) + 1)
    return hits / positives, np.maximum.accumulate(precision[::-1])[::-1]


def best_threshold(table: np.ndarray, kind: int, positives: int) -> Optional[Tuple[float, float]]:
    """The probability from which on boxes of a class give the best F1, and that F1; None where none is right.

    Args:
        table, kind, positives: as of `curve`.
    """
    ranked = _ranked(table, kind)
    hits = np.cumsum(ranked[:, 2])
    if not len(hits) or not hits[-1]:
        return None
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + positives)
    return float(ranked[f1.argmax(), 1]), float(f1.max())


def average_precisions(table: np.ndarray, positives: Sequence[int]) -> List[Optional[float]]:
    """Of each class the area under its `curve`; None of a class that has no true box.

    Args:
        table: of all pictures, as `judge` gives it, (n, 3).
        positives: how many true boxes each class has, without those that are ignored.
    """
    areas: List[Optional[float]] = []
    for kind, count in enumerate(positives):
        if count:
            recall, precision = curve(table, kind, count)
            areas.append(float((precision * np.diff(recall, prepend=0)).sum()))
        else:
            areas.append(None)
    return areas


def mean_average_precision(table: np.ndarray, positives: Sequence[int]) -> float:
    """The mean of `average_precisions` over the classes that there are."""
    areas = [area for area in average_precisions(table, positives) if area is not None]
    return float(np.mean(areas)) if areas else 0.0


def _ranked(table: np.ndarray, kind: int) -> np.ndarray:
    own = table[table[:, 0] == kind]
    return own[np.argsort(-own[:, 1], kind="stable")]
