"""A training that was interrupted and goes on ends as one that was not, bit for bit."""

import os

import digits
import numpy as np
import pytest

from gluon_job.checkpoint import Checkpoints, Interval
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.fit import HYPERPARAMETERS, fit
from gluon_job.hyperparameters import parse
from gluon_job.recovery import Position

nn = mx.gluon.nn
EVERY_EPOCH = Interval(1, seconds=False)


def draw(count, seed):
    images, labels = digits.draw(count, seed)
    return images[:, np.newaxis], labels.astype(np.int32)


TRAINING, VALIDATION = draw(74, 0), draw(30, 1)


def make_net(normalized):
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        if normalized:
            net.add(nn.Conv2D(8, 3), nn.BatchNorm(), nn.Activation("relu"))
        net.add(nn.Dense(16, activation="relu"), nn.Dropout(0.5), nn.Dense(10))
    return net


def train(directory, epochs, normalized=False, devices=1, every=EVERY_EPOCH, **values):
    """The parameters at the end, by name, and the epochs trained."""
    defaults = {"learning_rate": 0.01, "batch_size": 10, "threads": 1, "log_interval": 0}
    values = parse({**defaults, "epochs": epochs, **values}, HYPERPARAMETERS)
    net = make_net(normalized)
    checkpoints = Checkpoints(str(directory), every)
    devices = [mx.cpu(i) for i in range(devices)]
    history = fit(net, TRAINING, VALIDATION, values, devices, checkpoints=checkpoints)
    found = {p.name: p.list_data()[0].asnumpy() for p in net.collect_params().values()}
    return found, [epoch.epoch for epoch in history]


def check_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]), name


@pytest.mark.parametrize(
    "how",
    [
        {"optimizer": "sgd"},
        {"optimizer": "adam", "learning_rate": 0.001},
        {"optimizer": "rmsprop", "learning_rate": 0.001},
        {"schedule": "cosine", "warmup_epochs": 1},
        {"normalized": True},
        {"devices": 2},
    ],
    ids=str,
)
def test_resumed_equals_uninterrupted(tmp_path, how):
    whole, _ = train(tmp_path / "whole", 4, **how)
    # The schedule must know all epochs: the run is interrupted by losing its later checkpoints.
    train(tmp_path / "parts", 4, **how)
    for name in ("epoch-000002.npz", "epoch-000003.npz"):
        os.remove(tmp_path / "parts" / name)
    resumed, epochs = train(tmp_path / "parts", 4, **how)
    assert epochs == [2, 3]
    check_equal(whole, resumed)


def test_checkpoints_change_nothing(tmp_path):
    with_them, _ = train(tmp_path / "a", 2)
    without, _ = train(tmp_path / "b", 2, every=None)
    check_equal(with_them, without)
    assert not (tmp_path / "b").exists()


def test_the_best_weights_survive_an_interruption(tmp_path):
    # So high a rate that the accuracy falls again: the best epoch is not the last.
    how = {"patience": 3, "learning_rate": 0.5, "momentum": 0.0}
    whole, epochs = train(tmp_path / "whole", 12, **how)
    best = len(epochs) - 1 - how["patience"]
    assert epochs[-1] < 11, "the training was meant to stop early"
    assert best >= 0
    train(tmp_path / "parts", best + 2, **how)  # one epoch after the best
    resumed, more = train(tmp_path / "parts", 12, **how)
    assert more == [best + 2, best + 3]
    check_equal(whole, resumed)


def test_a_training_that_was_over_is_not_begun_again(tmp_path, capfd):
    whole, _ = train(tmp_path, 2)
    resumed, epochs = train(tmp_path, 2)
    assert epochs == []
    assert "Resumed after epoch 1" in capfd.readouterr().out
    check_equal(whole, resumed)


def test_a_finished_training_can_be_lengthened(tmp_path):
    whole, _ = train(tmp_path / "whole", 3)
    train(tmp_path / "parts", 2)
    resumed, epochs = train(tmp_path / "parts", 3)
    assert epochs == [2]
    check_equal(whole, resumed)


@pytest.mark.parametrize(
    ("other", "named"), [({"seed": 9}, "seed is 1, here 9"), ({"normalized": True}, "parameters is")]
)
def test_a_checkpoint_of_another_job_is_refused(tmp_path, other, named):
    train(tmp_path, 1)
    with pytest.raises(InputError, match=named):
        train(tmp_path, 2, **other)


def test_the_number_of_threads_is_that_of_the_checkpoint(tmp_path, capfd):
    train(tmp_path, 1, threads=2)
    assert "2 thread(s)" in capfd.readouterr().out
    train(tmp_path, 2, threads=0)  # which would choose one for so small a net
    assert "2 thread(s)" in capfd.readouterr().out


def test_without_patience_the_last_epoch_is_the_best():
    values = {"epochs": 2, "patience": 0}
    first = Position()
    assert not first.is_end(values)
    assert Position(1, 0, 0.9).is_best
    assert Position(2, 1, 0.8).is_end(values)
