"""What would be lost is told from the lines of a job."""

from __future__ import annotations

import pytest

from launcher import metrics
from launcher.local import loss
from launcher.local.loss import Loss


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(loss.time, "monotonic", lambda: now[0])
    return now


def follow(clock, *lines):
    """A loss after these lines, with a second before each and one after the last."""
    followed = Loss()
    for line in lines:
        clock[0] += 1
        followed.note(metrics.parse(line))
    clock[0] += 1
    return followed


def test_without_a_checkpoint_all_is_lost(clock):
    assert follow(clock).describe() == "again from the beginning; 1.0 s are lost"
    lines = ["[Epoch 0] Training: accuracy=0.5", "[Epoch 1 Batch 20] Training: accuracy=0.6, 100.0 samples/s", "other"]
    lost = "again from the beginning; 4.0 s are lost, epoch 2, batch 20 had been reached"
    assert follow(clock, *lines).describe() == lost


def test_with_a_checkpoint_what_came_after_it_is_lost(clock):
    lines = ["[Epoch 3] Training: accuracy=0.5", "[Epoch 3] Checkpoint: epoch-000003.npz"]
    assert follow(clock, *lines).describe() == "on after epoch 4; 1.0 s are lost"
    lines.append("[Epoch 4 Batch 7] Training: accuracy=0.6, 100.0 samples/s")
    assert follow(clock, *lines).describe() == "on after epoch 4; 2.0 s are lost, epoch 5, batch 7 had been reached"


def test_an_attempt_that_did_not_begin_to_train_loses_its_own_time(clock):
    followed = follow(clock, "[Epoch 3] Checkpoint: epoch-000003.npz")
    clock[0] += 50
    followed.attempt_begins()
    clock[0] += 2
    assert followed.describe() == "on after epoch 4; 2.0 s are lost"
