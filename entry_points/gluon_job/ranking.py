"""How good a ranking is: NDCG and recall of the first k."""

from typing import Iterator, Tuple

import numpy as np

_USERS = 512  # ranked at a time: each has a score for every item


def top(scores: np.ndarray, k: int) -> np.ndarray:
    """The places of the k greatest of each row of (N, items), the greatest first: int (N, k)."""
    k = min(k, scores.shape[1])
    found = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def ndcg(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Of each row, the normalized discounted cumulative gain of binary relevance, from 0 to 1: float64 (N,).

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20, 2002: a hit at place i
    (from 1) gains 1 / log2(i + 1), and the sum is divided by that of the best ranking there could be.

    Args:
        hits: bool (N, k), whether the item at that place is relevant.
        relevant: int (N,), how many items are; at least one.
    """
    gains = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    best = np.concatenate([[0], np.cumsum(gains)])
    return hits @ gains / best[np.minimum(relevant, hits.shape[1])]


def recall(hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Of each row, the share of the relevant items (at most k of them can be) that were found: float64 (N,)."""
    return hits.sum(axis=1) / np.minimum(relevant, hits.shape[1])


def evaluate(
    users: np.ndarray, items: np.ndarray, biases: np.ndarray, known: np.ndarray, wanted: np.ndarray, k: int
) -> Tuple[float, float, int]:
    """The sums over users of NDCG@k and recall@k, and how many users had something to find.

    All items are ranked but those that the user is known to have chosen.

    Args:
        users: vectors float32 (U, d); items: float32 (I, d); biases: of the items, float32 (I,).
        known, wanted: int (N, 2), pairs of places of a user and an item.
    """
    total_ndcg = total_recall = 0.0
    count = 0
    for begin, hidden, relevant in _blocks(len(users), len(items), known, wanted):
        rows = np.flatnonzero(relevant.any(axis=1))
        if not len(rows):
            continue
        scores = users[begin : begin + _USERS][rows] @ items.T + biases
        scores[hidden[rows]] = -np.inf
        hits = np.take_along_axis(relevant[rows], top(scores, k), axis=1)
        sizes = relevant[rows].sum(axis=1)
        total_ndcg += float(ndcg(hits, sizes).sum())
        total_recall += float(recall(hits, sizes).sum())
        count += len(rows)
    return total_ndcg, total_recall, count


def _blocks(
    users: int, items: int, known: np.ndarray, wanted: np.ndarray
) -> Iterator[Tuple[int, np.ndarray, np.ndarray]]:
    for begin in range(0, users, _USERS):
        yield (begin, *(_mask(pairs, begin, min(_USERS, users - begin), items) for pairs in (known, wanted)))


def _mask(pairs: np.ndarray, begin: int, count: int, items: int) -> np.ndarray:
    mask = np.zeros((count, items), bool)
    mine = pairs[(pairs[:, 0] >= begin) & (pairs[:, 0] < begin + count)]
    mask[mine[:, 0] - begin, mine[:, 1]] = True
    return mask
