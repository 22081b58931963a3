"""How many threads a CPU trains with.

A thread is an MXNet context with its own share of every batch and one OpenMP thread. Two of those are faster than one
context with two OpenMP threads, which meet at the end of every operator, and suffer less from a busy neighbour.
"""

import os
from typing import Callable

_OPENMP = "OMP_NUM_THREADS"
_GAIN = 1.1  # more threads must be this much faster, or the choice would be the noise's
_WORTH_SHARING = 0.004  # seconds: a shorter step is that of a net too small for a second thread to pay
_chosen_by_user = False


def prepare() -> None:
    """Sets OpenMP's and mxnet's defaults; called before mxnet is imported. What the environment has already wins."""
    global _chosen_by_user
    _chosen_by_user = _OPENMP in os.environ
    os.environ.setdefault(_OPENMP, "1")
    # Operators draw workspaces from a pool of four, for all CPU contexts, and wait for the one with the same.
    os.environ.setdefault("MXNET_CPU_TEMP_COPY", "32")


def openmp() -> int:
    """The number of OpenMP threads of this process."""
    first = os.environ.get(_OPENMP, "1").split(",")[0]
    return int(first) if first.isdigit() and int(first) > 0 else 1


def available() -> int:
    """The cores of this process that training may divide among contexts: one where the user has set OpenMP's."""
    return 1 if _chosen_by_user else len(os.sched_getaffinity(0))


def choose(measure: Callable[[int], float], limit: int) -> int:
    """The number of threads, from 1, 2, 4 ... on, after which more of them do not help.

    Args:
        measure: the seconds of a step with a number of threads.
        limit: no more than these.
    """
    best, seconds = 1, measure(1) if limit > 1 else 0.0
    while best < limit and seconds > _WORTH_SHARING:
        more = min(2 * best, limit)
        candidate = measure(more)
        if seconds < _GAIN * candidate:
            break
        best, seconds = more, candidate
    return best
