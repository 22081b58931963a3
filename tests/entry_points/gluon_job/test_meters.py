"""What an epoch of a recommender comes to."""

import numpy as np
import pytest

from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.meters import IGNORED, CrossEntropy, Squares

SCORES, LABELS = np.array([1.0, -2.0, 3.0, 9.0], np.float32), np.array([1, 0, 1, IGNORED], np.float32)


def counted(meter):
    """A meter that has counted two batches of one group, and a second group of one."""
    meter.add([(mx.nd.array(SCORES[:2]), LABELS[:2]), (mx.nd.array(SCORES[2:]), LABELS[2:])])
    meter.add([(mx.nd.array(SCORES[:1]), LABELS[:1])])
    assert meter.samples == 4
    return meter


def test_errors_are_counted_but_for_what_is_ignored():
    meter = counted(Squares())
    rmse = np.sqrt((0 + 4 + 4 + 0) / 4)
    assert meter.text() == f"rmse={rmse:.6f}"
    epoch = meter.epoch(3, Cluster(), {"rmse": 0.5}, 2.0)
    assert epoch.training == {"rmse": pytest.approx(rmse)}
    assert (epoch.epoch, epoch.validation, epoch.samples_per_second) == (3, {"rmse": 0.5}, 2.0)


def test_the_cross_entropy_of_choices_is_counted():
    meter = counted(CrossEntropy())
    chosen = 1 / (1 + np.exp(-np.array([1.0, -2.0, 3.0, 1.0])))
    loss = -np.log([chosen[0], 1 - chosen[1], chosen[2], chosen[3]]).mean()
    assert meter.text() == f"loss={loss:.6f}"
    assert meter.epoch(0, Cluster(), None, 1.0).training == {"loss": pytest.approx(loss)}


def test_scores_far_from_zero_have_a_finite_loss():
    meter = CrossEntropy()
    meter.add([(mx.nd.array([1e4, -1e4]), np.array([0, 1], np.float32))])
    assert meter.loss == pytest.approx(2e4)


def test_the_better_epoch_has_the_higher_score():
    errors = [Squares().epoch(0, Cluster(), {"rmse": rmse}, 1.0).score for rmse in (0.9, 1.1)]
    assert errors[0] > errors[1]
    ranks = [CrossEntropy().epoch(0, Cluster(), {"ndcg": ndcg, "recall": 0.5}, 1.0).score for ndcg in (0.3, 0.2)]
    assert ranks[0] > ranks[1]
    assert Squares().epoch(0, Cluster(), None, 1.0).score is None


def test_hosts_count_together():
    class Two(Cluster):
        def sum(self, name, values):
            assert name == "epoch"
            return [2 * value for value in values]

    epoch = counted(Squares()).epoch(0, Two(), None, 4.0)
    assert epoch.training == {"rmse": pytest.approx(np.sqrt(2))}
    assert epoch.samples_per_second == 2


def test_the_lines_of_an_epoch_are_printed(capsys):
    counted(Squares()).epoch(1, Cluster(), {"rmse": 0.25}, 2.0).report()
    assert capsys.readouterr().out.splitlines() == [
        "[Epoch 1] Training: rmse=1.414214",
        "[Epoch 1] Validation: rmse=0.250000",
        "[Epoch 1] Speed: 2.0 samples/s",
    ]
