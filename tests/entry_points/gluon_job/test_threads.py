import os
import subprocess
import sys

import pytest

from gluon_job import threads


def measured(seconds):
    asked = []

    def measure(count):
        asked.append(count)
        return seconds[count]

    return measure, asked


@pytest.mark.parametrize(
    ("seconds", "limit", "chosen", "asked"),
    [
        ({1: 0.04, 2: 0.021, 4: 0.012}, 4, 4, [1, 2, 4]),
        ({1: 0.04, 2: 0.021, 3: 0.015}, 3, 3, [1, 2, 3]),
        ({1: 0.04, 2: 0.021, 4: 0.020}, 4, 2, [1, 2, 4]),
        ({1: 0.04, 2: 0.039}, 8, 1, [1, 2]),
        ({1: 0.04, 2: 0.08}, 2, 1, [1, 2]),
        ({1: 0.001}, 8, 1, [1]),
        ({}, 1, 1, []),
    ],
    ids=["all", "not a power of two", "some", "too little gain", "slower", "too small a step", "one core"],
)
def test_more_threads_are_taken_while_they_are_clearly_faster(seconds, limit, chosen, asked):
    measure, found = measured(seconds)
    assert threads.choose(measure, limit) == chosen
    assert found == asked


REPORT = """
import gluon_job
from gluon_job import threads
from gluon_job.compat import mx
import ctypes
print(threads.openmp(), threads.available(), ctypes.CDLL("libgomp.so.1").omp_get_max_threads())
"""


def report(entry_points, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment.update(variables, PYTHONPATH=str(entry_points))
    ended = subprocess.run(
        [sys.executable, "-c", REPORT], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return [int(word) for word in ended.stdout.split()]


def test_openmp_has_one_thread_and_training_the_cores(entry_points):
    assert report(entry_points) == [1, len(os.sched_getaffinity(0)), 1]


def test_the_users_openmp_threads_win_and_are_not_divided_again(entry_points):
    assert report(entry_points, OMP_NUM_THREADS="2") == [2, 1, 2]


@pytest.mark.parametrize("value", ["3,2", "1"])
def test_the_first_level_of_openmp_counts(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads.openmp() == int(value[0])


@pytest.mark.parametrize("value", ["", "many", "0"])
def test_a_value_that_is_no_number_counts_as_one(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads.openmp() == 1
