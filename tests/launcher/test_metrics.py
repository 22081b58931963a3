"""What the lines of a log say."""

from __future__ import annotations

import math
import re

import pytest

from launcher import metrics
from launcher.metrics import Checkpoint, Metric, Plan, Progress


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("[Epoch 9] Training: accuracy=0.991183", Metric("train:accuracy", 9, 0.991183)),
        ("[Epoch 0] Training: loss=2.302585", Metric("train:loss", 0, 2.302585)),
        ("[Epoch 9] Validation: accuracy=0.973400", Metric("validation:accuracy", 9, 0.9734)),
        ("[Epoch 12] Validation: loss=1e-05", Metric("validation:loss", 12, 1e-5)),
        ("[Epoch 3] Speed: 61234.5 samples/s", Metric("train:samples_per_second", 3, 61234.5)),
        ("INFO:root:Epoch[4] Train-accuracy=0.912000", Metric("train:accuracy", 4, 0.912)),
        ("Epoch[0] Train-cross-entropy=0.5", Metric("train:loss", 0, 0.5)),
        ("Epoch[10] Validation-accuracy=1", Metric("validation:accuracy", 10, 1.0)),
        ("Epoch[1] Validation-cross-entropy=-0.25", Metric("validation:loss", 1, -0.25)),
        ("[Epoch 2] Training: rmse=0.910984", Metric("train:rmse", 2, 0.910984)),
        ("[Epoch 2] Validation: rmse=0.928783", Metric("validation:rmse", 2, 0.928783)),
        ("[Epoch 2] Validation: ndcg=0.25", Metric("validation:ndcg", 2, 0.25)),
        ("[Epoch 2] Validation: recall=0.5", Metric("validation:recall", 2, 0.5)),
        (
            "[Epoch 2 Batch 40] Training: rmse=0.875000, 60112.9 samples/s",
            Progress(epoch=2, batch=40, measure="rmse", value=0.875, samples_per_second=60112.9),
        ),
        ("[Epoch 1] Training: accuracy=0.97.", Metric("train:accuracy", 1, 0.97)),
        ("[Epoch 1] Training: loss=1.2.3", Metric("train:loss", 1, 1.2)),
        ("[Epoch 1] Training: loss=inf", Metric("train:loss", 1, math.inf)),
        ("[Epoch 1] Training: loss=-inf", Metric("train:loss", 1, -math.inf)),
        ("[Epoch 3] Checkpoint: epoch-000003.npz", Checkpoint(3)),
        (
            "[Epoch 2 Batch 40] Training: accuracy=0.875000, 60112.9 samples/s",
            Progress(epoch=2, batch=40, measure="accuracy", value=0.875, samples_per_second=60112.9),
        ),
        (
            "[Epoch 0 Batch 5] Training: loss=2.500000, 31.0 samples/s",
            Progress(epoch=0, batch=5, measure="loss", value=2.5, samples_per_second=31.0),
        ),
        ("[Epoch 3] Validation: map=0.512000", Metric("validation:map", 3, 0.512)),
        (
            "Training on 4000 samples: 10 epochs of 40 batches, 109386 parameters, 2 thread(s).",
            Plan(samples=4000, epochs=10, batches=40),
        ),
    ],
)
def test_a_line_of_our_scripts_or_of_mxnets_module_is_understood(line, found):
    assert metrics.parse(line) == found


def test_a_loss_that_is_not_a_number_is_a_measurement():
    found = metrics.parse("[Epoch 1] Training: loss=nan")
    assert found.name == "train:loss"
    assert math.isnan(found.value)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "accuracy=0.97",
        "Epoch 3 of 10",
        "[Epoch 3]",
        "[Epoch 3] Training: accuracy=",
        "[Epoch 3] Training: accuracy=none",
        "[Epoch 3] Training: accuracy=-",
        "[Epoch 3] Training: accuracy=.",
        "[Epoch 3] Training: accuracy=e+-",
        "[Epoch x] Training: accuracy=0.5",
        "[Epoch 3] Testing: accuracy=0.5",
        "Epoch[0] Batch [20]\tSpeed: 5832.10 samples/sec\taccuracy=0.5",
        "Epoch[0] Time cost=1.234",
        "[Epoch 2 Batch 40] Training: accuracy=0.9",
        "Training on 4000 samples",
        "epoch epoch \ufffd\0",
    ],
)
def test_any_other_line_says_nothing(line):
    assert metrics.parse(line) is None


def test_the_definitions_are_what_sagemaker_takes():
    assert len(metrics.DEFINITIONS) <= 40
    for name, expression in metrics.DEFINITIONS.items():
        assert re.compile(expression).groups == 1
        assert 1 <= len(name) <= 255
        assert 1 <= len(expression) <= 500


def test_a_line_of_progress_is_no_measurement_of_the_epoch():
    line = "[Epoch 2 Batch 40] Training: accuracy=0.875000, 60112.9 samples/s"
    assert not any(re.search(expression, line) for expression in metrics.DEFINITIONS.values())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"train:loss": 0.1, "validation:accuracy": 0.97}, ("accuracy", 0.97)),
        ({"train:rmse": 0.8, "validation:rmse": 0.9}, ("RMSE", 0.9)),
        ({"validation:recall": 0.4, "validation:ndcg": 0.3}, ("NDCG", 0.3)),
        ({"train:accuracy": 0.97}, None),
        ({}, None),
    ],
)
def test_a_run_is_told_by_its_validation(values, told):
    assert metrics.headline(values) == told


def test_a_jobs_own_definitions_measure_what_they_match_and_count_it_on_each_host():
    own = metrics.OwnDefinitions({"loss": "loss: ([0-9.a-z]+)", "rate": r"rate=(\S+)", **metrics.DEFINITIONS})
    found = [own.parse("algo-1", line) for line in ("loss: 1.5 rate=0.1", "nothing", "loss: nought", "loss: 0.5")]
    assert found == [[("loss", 0, 1.5), ("rate", 0, 0.1)], [], [], [("loss", 1, 0.5)]]
    assert own.parse("algo-2", "loss: 2") == [("loss", 0, 2.0)]
    assert own.parse("algo-2", "[Epoch 7] loss: 3") == [("loss", 7, 3.0)]
    assert own.parse("algo-1", "[Epoch 1] Training: loss=0.5") == []
