"""The model of how a job scales."""

from __future__ import annotations

import dataclasses
import re

import pytest

from launcher import library, scaling
from launcher.scaling import Fit, Machine, Net

FIT = Fit(step=0.001, dense=1e-9, convolution=2e-9, latency=0.002, byte=1e-8, serial=0.5, measured="by hand")
SMALL, LARGE = Net(1_000, 1_000_000, 500_000), Net(1_000_000, 1_000_000, 500_000)
SHARED, APART = Machine("this machine", 2, None), Machine("ml.some", 4, 1e9)


def test_one_host_computes_and_sends_nothing():
    assert FIT.sum(LARGE, APART, 1) == 0
    # 0.001 + 10 x (1e6 x 1e-9 + 5e5 x 2e-9) s, on one thread.
    assert FIT.samples_per_second(SMALL, APART, 1, 10, threads=1) == pytest.approx(10 / 0.021)


def test_threads_shorten_what_is_not_serial():
    assert FIT.compute(SMALL, APART, 1, 10, threads=2) == pytest.approx(0.001 + 0.020 * 0.75)
    assert FIT.compute(SMALL, APART, 1, 10) == FIT.compute(SMALL, APART, 1, 10, threads=4)
    assert FIT.compute(SMALL, APART, 1, 1) == FIT.compute(SMALL, APART, 1, 1, threads=1)  # a step too short to share


def test_hosts_on_one_machine_share_its_cores():
    assert FIT.compute(SMALL, SHARED, 4, 10) == pytest.approx(2 * FIT.compute(SMALL, SHARED, 2, 10))


def test_what_is_summed_costs_latency_and_bytes_of_every_host():
    assert FIT.sum(SMALL, SHARED, 3) == pytest.approx(0.002 + 3 * 4_000 * 1e-8)


def test_machines_apart_also_send_it_over_their_network():
    slow = dataclasses.replace(APART, bandwidth=APART.bandwidth / 10)
    assert FIT.sum(SMALL, SHARED, 2) < FIT.sum(SMALL, APART, 2) < FIT.sum(SMALL, slow, 2)


def test_a_large_array_is_divided_among_the_servers():
    bound = int(re.search(r"_DIVIDED = ([\d_]+)", (library.directory() / "gluon_job" / "cluster.py").read_text())[1])
    whole, divided = Net(bound - 1, 0, 0), Net(bound, 0, 0)
    assert FIT.sum(divided, APART, 4) < FIT.sum(whole, APART, 4)


def test_what_was_fitted_is_dated_and_plausible():
    fit = Fit.load()
    assert re.match(r"20\d\d-\d\d-\d\d, .*mxnet 1\.9", fit.measured)
    assert min(fit.dense, fit.convolution, fit.byte, fit.latency) > 0
    assert 0 <= fit.serial < 1
    assert 1e-12 < fit.dense < 1e-8


def test_instance_types_are_those_of_sagemaker():
    assert all(re.fullmatch(r"ml\.[a-z0-9]+\.[0-9]*xlarge", machine.name) for machine in scaling.INSTANCES)
    assert all(machine.cores > 1 and machine.bandwidth > 1e8 for machine in scaling.INSTANCES)
