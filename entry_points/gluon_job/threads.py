"""How many threads the computation uses."""

import os


def prepare() -> None:
    """Sets OpenMP's defaults; called before mxnet is imported. What the user has set in the environment is kept.

    One thread: on small networks, starting and joining a second one costs more than it computes.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def count() -> int:
    """The number of OpenMP threads of this process."""
    first = os.environ.get("OMP_NUM_THREADS", "1").split(",")[0]
    return int(first) if first.isdigit() and int(first) > 0 else 1
