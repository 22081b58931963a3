"""The hosts of a job and the devices of a host."""

import hashlib
import os
from typing import Any, Dict, List, Sequence

import numpy as np

from gluon_job import watchdog
from gluon_job.compat import mx

_FIRST_KEY = 10**6  # of our sums; smaller ones are a Trainer's
# From this many values on an array is divided among the servers, where MXNet's own bound is a million. `fit` sums all
# gradients as one array: whole, a net of some hundred thousand parameters would keep one server busy and no other.
_DIVIDED = 200_000


def kvstore_type(hosts: Sequence[str], num_gpus: int) -> str:
    """The kvstore of a job, by the contract of SageMaker's MXNet scripts.

    One host: `device` (gradients are summed on the GPUs) or `local`. Several: `dist_device_sync` or `dist_sync`.
    """
    if len(hosts) == 1:
        return "device" if num_gpus > 0 else "local"
    return "dist_device_sync" if num_gpus > 0 else "dist_sync"


def contexts(num_gpus: int) -> List[Any]:
    """The MXNet contexts of this host: its GPUs, or its CPU."""
    return [mx.gpu(i) for i in range(num_gpus)] or [mx.cpu()]


class Cluster:
    """This host among the hosts of its job; sums over all of them through the parameter server.

    Every host makes the same sums in the same order. A host's place is that of its name in `hosts`: the rank that
    MXNet gives it has nothing to do with it.

    Attributes:
        size: the number of hosts.
        index: this host's place, from 0.
        is_first: whether this host prints, saves and reports for all.
    """

    def __init__(self, hosts: Sequence[str] = ("algo-1",), current_host: str = "algo-1", num_gpus: int = 0) -> None:
        self.size, self.index = len(hosts), list(hosts).index(current_host)
        self.is_first = self.index == 0
        self._keys: Dict[str, int] = {}
        self._kvstore = None
        if self.size > 1:
            os.environ.setdefault("MXNET_KVSTORE_BIGARRAY_BOUND", str(_DIVIDED))
            self._kvstore = mx.kv.create(kvstore_type(hosts, num_gpus))
            guard = watchdog.current()
            if guard is not None:
                guard.watch_heartbeats(self._kvstore)

    def sum_in_place(self, name: str, array: Any) -> None:
        """Makes an NDArray the sum of those that the hosts have under this name, without waiting for it.

        One name has one shape and dtype, and is used as often as one likes.
        """
        if self._kvstore is None:
            return
        if name not in self._keys:
            self._keys[name] = _FIRST_KEY + len(self._keys)
            self._kvstore.init(self._keys[name], mx.nd.zeros_like(array))
            # The initial value must not meet the first push: a host would take a sum for a start.
            mx.nd.waitall()
            self._kvstore._barrier()
        self._kvstore.pushpull(self._keys[name], array, out=array)

    def sum(self, name: str, values: Sequence[float]) -> np.ndarray:
        """The sums over all hosts, float64, of as many numbers as each host gives."""
        array = mx.nd.array(np.asarray(values, np.float64), dtype=np.float64)
        self.sum_in_place(name, array)
        return array.asnumpy()

    def agree(self, name: str, value: int) -> List[int]:
        """What each host has under this name, in the order of the hosts."""
        values = np.zeros(self.size)
        values[self.index] = value
        return [int(found) for found in self.sum(name, values)]

    def gather(self, name: str, content: bytes) -> List[bytes]:
        """What each host gives under this name, once, in the order of the hosts."""
        sizes = self.agree(f"{name} size", len(content))
        ends = np.cumsum([0, *sizes])
        whole = np.zeros(max(1, ends[-1]), np.float32)  # the parameter server's arrays are of floats
        whole[ends[self.index] : ends[self.index + 1]] = np.frombuffer(content, np.uint8)
        array = mx.nd.array(whole)
        self.sum_in_place(name, array)
        found = array.asnumpy().astype(np.uint8)
        return [found[begin:end].tobytes() for begin, end in zip(ends[:-1], ends[1:])]

    def copy_from_first(self, name: str, array: Any) -> None:
        """Makes an NDArray that of the first host."""
        if not self.is_first:
            array[:] = 0
        self.sum_in_place(name, array)


def digest(arrays: Dict[str, Any]) -> str:
    """A fingerprint of parameters, NDArrays by name: equal for equal bits."""
    found = hashlib.sha256()
    for _, array in sorted(arrays.items()):
        found.update(array.asnumpy().tobytes())
    return found.hexdigest()[:16]
