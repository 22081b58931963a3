"""What the lines of a job tell, kept the same way wherever it runs."""

from __future__ import annotations

import json
import math

from launcher import metrics
from launcher.measurements import Measurements
from launcher.metrics import Digest, Metric, Shard


def test_a_metric_is_a_line_with_its_host_and_time_and_the_last_value():
    measurements = Measurements()
    line = measurements.note("algo-2", metrics.parse("[Epoch 3] Validation: accuracy=0.5"), 12.5)
    assert line.endswith("\n")
    assert json.loads(line) == {
        "time": 12.5, "host": "algo-2", "name": "validation:accuracy", "epoch": 3, "value": 0.5,
    }  # fmt: skip
    measurements.note("algo-1", Metric("validation:accuracy", 4, 0.75), 13.0)
    assert measurements.last == {"validation:accuracy": 0.75}


def test_a_value_that_is_not_finite_is_null_and_not_the_last_one():
    measurements = Measurements({"train:loss": 0.5})
    for value in (math.nan, math.inf):
        line = measurements.note("algo-1", Metric("train:loss", 1, value), 1.0)
        assert json.loads(line, parse_constant=None)["value"] is None
    assert measurements.last == {"train:loss": 0.5}


def test_what_is_told_of_a_host_is_gathered_and_is_no_line():
    given = {"algo-1": {"seconds": 2.0}}
    measurements = Measurements(hosts=given)
    for found in (
        Shard(2000),
        Digest("488d"),
        metrics.parse("[Epoch 0 Batch 20] Training: accuracy=0.5, 60000.0 samples/s"),
        None,
    ):
        assert measurements.note("algo-1", found, 1.0) == ""
    assert measurements.hosts == {"algo-1": {"seconds": 2.0, "samples": 2000, "digest": "488d"}}
    assert given == {"algo-1": {"seconds": 2.0}}
