"""A saved net that answers small batches with little beside its own arithmetic."""

import math
from typing import Any, Dict

import numpy as np

from . import artifact
from .compat import mx

# Rows of a call of the net: any number is a few of these, and each takes memory once it has been used.
_SIZES = (*range(1, 17), 32, 64, 128)
_VALUES = 2**21  # in the rows of a call, at most: layers of large pictures take a hundred times their memory


class Predictor:
    """The net of an artifact, of one input; to be called from one thread.

    It is bound to its memory once for each size of a batch. A hybridized block looks after its arguments anew in every
    call, which takes several times as long as a small net.
    """

    def __init__(self, model_dir: str) -> None:
        """Reads the artifact; InputError names a missing file."""
        self._symbol, self._parameters, self._states = artifact.load_symbol(model_dir)
        self._name, shape = artifact.input_signature(model_dir)
        self._sizes = [size for size in _SIZES if size == 1 or size * math.prod(shape) <= _VALUES]
        self._rows = mx.nd.zeros((self._sizes[-1], *shape))
        # The others use its memory: no two calculate at the same time.
        self._largest = self._bind(self._rows, None)
        self._bound: Dict[int, Any] = {self._sizes[-1]: (self._rows, self._largest)}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """What the net answers, float32 (N, ...), to samples of float32 (N, *shape)."""
        parts, start = [], 0
        while start < len(samples):
            size = max(size for size in self._sizes if size <= len(samples) - start)
            parts.append(self._call(samples[start : start + size]))
            start += size
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _call(self, samples: np.ndarray) -> np.ndarray:
        if len(samples) not in self._bound:
            rows = self._rows[: len(samples)]
            self._bound[len(samples)] = rows, self._bind(rows, self._largest)
        rows, executor = self._bound[len(samples)]
        rows._sync_copyfrom(samples)  # rows[:] = samples makes an array of its own first, and takes five times as long
        return executor.forward(is_train=False)[0].asnumpy()

    def _bind(self, rows: Any, other: Any) -> Any:
        arguments = {**self._parameters, self._name: rows}
        return self._symbol.bind(mx.cpu(), arguments, grad_req="null", aux_states=self._states, shared_exec=other)
