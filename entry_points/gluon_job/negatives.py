"""What a user did not choose, drawn at random: the other half of implicit feedback."""

from typing import Tuple

import numpy as np


class Negatives:
    """Draws items, each as likely as the next, that are none of a user's positives.

    Args:
        users, items: int (N,), the positives, each once.
        user_count, item_count: how many there are.
    """

    def __init__(self, users: np.ndarray, items: np.ndarray, user_count: int, item_count: int) -> None:
        order = np.lexsort((items, users))
        users, items = users[order].astype(np.int64), items[order].astype(np.int64)
        self._begins = np.searchsorted(users, np.arange(user_count + 1))
        self._free = item_count - np.diff(self._begins)
        # Of each positive, how many items that are none come before it: then the draw of a number is the draw of an
        # item, and nothing has to be drawn twice.
        before = items - (np.arange(len(users)) - self._begins[users])
        self._width = item_count + 1
        self._keys = users * self._width + before

    def draw(self, users: np.ndarray, random: np.random.RandomState) -> Tuple[np.ndarray, np.ndarray]:
        """An item for each of the users int (N,): int32 (N,); and bool (N,), whether the user had one left."""
        free = self._free[users]
        rank = np.floor(random.random_sample(len(users)) * free).astype(np.int64)
        positives = np.searchsorted(self._keys, users * self._width + rank, side="right") - self._begins[users]
        return np.where(free > 0, rank + positives, 0).astype(np.int32), free > 0
