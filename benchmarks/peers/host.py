"""A host of `scaling.py`: one of our entry points, or nothing but sums; it tells what the hosts' sums take.

It travels with the entry points. With `model` it trains, and with `timed` it waits before and after each sum of the
gradients, so that the time between is that of push and pull alone. With `bytes` it only sums arrays of these sizes.
"""

import os
import time

import numpy as np

import gluon_job  # noqa: F401  the first import of a script: it chooses OpenMP's threads
import mnist_cnn
import mnist_mlp
from gluon_job import cluster, contract, watchdog
from gluon_job.compat import mx

SCRIPTS = {"mlp": mnist_mlp, "cnn": mnist_cnn}


class Stopwatch:
    """Measures the sums of the gradients that a Cluster makes."""

    def __init__(self):
        self.seconds = []
        self._sum = cluster.Cluster.sum_in_place

    def install(self):
        """Takes the place of the method."""
        stopwatch = self

        def sum_in_place(self, name, array):
            if name != "gradients":
                stopwatch._sum(self, name, array)
                return
            array.wait_to_read()
            started = time.perf_counter()
            stopwatch._sum(self, name, array)
            array.wait_to_read()
            stopwatch.seconds.append(time.perf_counter() - started)

        cluster.Cluster.sum_in_place = sum_in_place


def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    """Trains the model, or sums."""
    values = dict(hyperparameters)
    sizes, model, timed = values.pop("bytes", None), values.pop("model", None), values.pop("timed", False)
    if sizes:
        sum_arrays(cluster.Cluster(hosts, kwargs["current_host"]), sizes, values["times"])
        return None
    stopwatch = Stopwatch()
    if timed:
        stopwatch.install()
    net = SCRIPTS[model].train(channel_input_dirs, values, hosts, num_gpus, **kwargs)
    if timed:
        skipped = len(stopwatch.seconds) // values["epochs"]  # the first epoch warms up
        print(f"Sums: {np.mean(stopwatch.seconds[skipped:]):.9f} s each", flush=True)
    return net


def sum_arrays(group, sizes, times):
    """Prints the median seconds of the sum of float32 arrays of each size in bytes."""
    for size in sizes:
        array = mx.nd.ones(max(1, size // 4))
        for i in range(times + 3):
            if i == 3:
                seconds = []
            started = time.perf_counter()
            group.sum_in_place(str(size), array)
            array.wait_to_read()
            if i >= 3:
                seconds.append(time.perf_counter() - started)
            array[:] = 1
            array.wait_to_read()
            watchdog.current().step()
        print(f"Sum of {size} bytes: {np.median(seconds):.9f} s", flush=True)


def save(_net, model_dir):
    """A job without a model would fail."""
    with open(os.path.join(model_dir, "nothing"), "w", encoding="utf-8"):
        pass


if __name__ == "__main__":
    contract.main(train, save)
