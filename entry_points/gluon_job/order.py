"""Which samples a host trains on at each step, so that all hosts take the same number of steps."""

from typing import List, Sequence, Tuple

import numpy as np


class Order:
    """The batches of a host; they depend on the arguments and the epoch alone, so that a run can be resumed at any.

    Where every host has all samples, the hosts share the batches that one host would have: batch by batch, every
    `size`-th sample is this host's. Where each has its own samples, it takes its part of a batch from them, and hosts
    with fewer samples end an epoch with empty batches.

    Attributes:
        steps: in an epoch.

    Args:
        samples: of each host, in the order of the hosts; the same number when each has all of them.
        index: this host's place.
        sharded: whether each host has its own samples.
        batch_size: of all hosts together.
        seed: of the order.
    """

    def __init__(self, samples: Sequence[int], index: int, sharded: bool, batch_size: int, seed: int) -> None:
        self._samples, self._index, self._sharded = list(samples), index, sharded
        self._batch_size, self._seed = batch_size, seed
        count = len(self._samples)
        # Each host's part of a batch; the parts differ by one at most.
        self._parts = [max(1, batch_size * (i + 1) // count - batch_size * i // count) for i in range(count)]
        if sharded:
            self.steps = max(-(-own // part) for own, part in zip(self._samples, self._parts))
        else:
            self.steps = -(-self._samples[0] // batch_size)

    def noise_seed(self, number: int) -> int:
        """The seed of what is random beside the order, such as dropout: another for each epoch and host."""
        return int(self._random(number).randint(2**31 - 1)) + self._index

    def epoch(self, number: int) -> Tuple[List[np.ndarray], List[int]]:
        """Of each step, the indices of this host's samples, and the number of samples of all hosts together."""
        if not self._sharded:
            batches = _cut(self._random(number).permutation(self._samples[0]), self._batch_size, self.steps)
            return [batch[self._index :: len(self._samples)] for batch in batches], [len(batch) for batch in batches]
        permutation = self._random(number, self._index).permutation(self._samples[self._index])
        mine = _cut(permutation, self._parts[self._index], self.steps)
        totals = [
            sum(min(part, max(0, own - step * part)) for own, part in zip(self._samples, self._parts))
            for step in range(self.steps)
        ]
        return mine, totals

    def _random(self, *numbers: int) -> np.random.RandomState:
        return np.random.RandomState([self._seed, *numbers])


def _cut(indices: np.ndarray, size: int, steps: int) -> List[np.ndarray]:
    return [indices[step * size : (step + 1) * size] for step in range(steps)]
