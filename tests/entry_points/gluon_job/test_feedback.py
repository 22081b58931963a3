"""What is learned of ratings and of choices."""

import few_ratings
import numpy as np
import pytest
from few_ratings import DATA, PAIRS, RATINGS, VALUES, arrays

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.feedback import Explicit, Implicit
from gluon_job.meters import IGNORED
from gluon_job.step import TrainingStep
from gluon_job.weights import Weights


class Trained:
    """As `Replicas`, with the parameters of a net."""

    def __init__(self, net):
        self._net = net

    def arrays(self):
        return {name: parameter.data() for name, parameter in self._net.collect_params().items()}


def prepared(kind, values):
    """A task whose graphs are made, and its net."""
    task = kind(DATA, {**VALUES, **values})
    net = few_ratings.net(values, task.mean)
    task.graphs(net)
    return task, net


def test_ratings_are_learned_as_they_are():
    pairs, labels = Explicit(DATA, VALUES).training
    assert pairs.dtype == np.int32
    assert pairs.tolist() == PAIRS.tolist()
    assert labels.tolist() == RATINGS.values.tolist()


def test_the_gradient_is_that_of_squared_error_and_regularization_but_for_what_is_ignored():
    values = {"bayesian": False, "content": False, "regularization": 0.3}
    task, net = prepared(Explicit, values)
    weights = Weights(net, mx.cpu())
    step = TrainingStep(task.graphs(net).training, weights.arrays)
    labels = np.array([5, IGNORED, 2, 4, 3], np.float32)
    scores = step.backward(mx.nd.array(PAIRS, dtype=np.int32), mx.nd.array(labels), 5).asnumpy()
    mx.nd.waitall()
    table, used = arrays(net), labels > IGNORED / 2
    errors = np.where(used, scores - labels, 0)
    expected = np.zeros((4, 3))
    for (user, item), error, counts in zip(PAIRS, errors, used):
        expected[user] += error * table["item"][item] + 0.3 * counts * table["user"][user]
    assert weights.arrays[f"{net.prefix}user"].grad.asnumpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_vectors_are_expected_ones(model):
    task, net = prepared(Explicit, {"model": model, "content": False})
    table, found = arrays(net), task.tables(Trained(net).arrays())
    mean, deviation = table["item"].copy(), np.exp(table["item_spread"])
    mean[3:] = 0  # that have no ratings
    expected = mean
    if model == "mlp":
        relu = 0.5 * (np.maximum(mean + deviation, 0) + np.maximum(mean - deviation, 0))
        expected = relu @ table["item_dense0_weight"].T + table["item_dense0_bias"]
    assert found.items == pytest.approx(expected, abs=1e-5)
    assert found.item_biases.tolist() == [*table["item_bias"][:3, 0].tolist(), 0, 0]


def test_without_bayesian_vectors_are_those_of_the_embeddings():
    task, net = prepared(Explicit, {"bayesian": False, "content": False})
    found = task.tables(Trained(net).arrays())
    assert found.users[:3] == pytest.approx(arrays(net)["user"][:3])
    assert not found.users[3].any()
    assert found.mean == 3.0


def test_the_error_is_that_of_scores_in_the_range_of_the_ratings():
    task, net = prepared(Explicit, {"content": False})
    tables = task.tables(Trained(net).arrays())
    scores = tables.scores(DATA.validation.users, DATA.validation.items)
    by_hand = [tables.users[u] @ tables.items[i] + tables.user_biases[u] + tables.item_biases[i] + 3
               for u, i in ((3, 0), (1, 4))]  # fmt: skip
    assert scores == pytest.approx(by_hand, abs=1e-5)
    net.item_bias.set_data(mx.nd.array([[9], [9], [9], [9], [9]]))  # p's alone is used: t has no ratings
    low, high = 5.0, float(np.clip(scores[1], 1, 5))
    rmse = np.sqrt(((low - 4) ** 2 + (high - 5) ** 2) / 2)
    assert task.score(Trained(net), DATA.validation) == {"rmse": pytest.approx(rmse, abs=1e-5)}


def test_each_epoch_has_its_positives_and_other_negatives():
    task = Implicit(DATA, {**VALUES, "feedback": "implicit", "negatives": 40})
    epochs = [task.samples(epoch) for epoch in (0, 1, 0)]
    known = {tuple(pair) for pair in PAIRS.tolist()}
    for pairs, labels in epochs:
        assert (pairs.dtype, labels.dtype) == (np.int32, np.float32)
        assert pairs[:5].tolist() == PAIRS.tolist()
        assert labels.tolist() == [1] * 5 + [0] * 200
        assert not known & {tuple(pair) for pair in pairs[5:].tolist()}
        assert np.bincount(pairs[5:, 0]).tolist() == [80, 40, 80]
    assert np.array_equal(epochs[0][0], epochs[2][0])
    assert not np.array_equal(epochs[0][0], epochs[1][0])


def test_a_user_who_chose_everything_has_no_negatives():
    everything = RATINGS._replace(
        users=np.zeros(5, np.int32), items=np.arange(5, dtype=np.int32), values=np.ones(5, np.float32)
    )
    task = Implicit(DATA._replace(training=everything), {**VALUES, "feedback": "implicit"})
    assert (task.training[1][5:] == np.float32(IGNORED)).all()


def test_ratings_below_the_threshold_are_no_choice():
    task = Implicit(DATA, {**VALUES, "feedback": "implicit", "threshold": 4})
    assert task.known.values.tolist() == [5, 4]
    assert task.validation.values.tolist() == [4, 5]
    high = DATA._replace(validation=RATINGS._replace(values=np.ones(5, np.float32)))
    assert Implicit(high, {**VALUES, "feedback": "implicit", "threshold": 4}).validation is None
    with pytest.raises(InputError, match="no rating is at least the threshold 6"):
        Implicit(DATA, {**VALUES, "feedback": "implicit", "threshold": 6})


def test_a_ranking_leaves_out_what_was_chosen_before():
    task, net = prepared(Implicit, {"content": False, "feedback": "implicit"})
    for name in ("user", "item"):
        getattr(net, name).set_data(mx.nd.zeros(getattr(net, name).shape))
    net.item_bias.set_data(mx.nd.array([[3], [2], [1], [0], [0]]))
    # c has chosen p and r, which come before q and s without being counted; d has chosen nothing.
    wanted = RATINGS._replace(
        users=np.array([2, 3], np.int32), items=np.array([1, 1], np.int32), values=np.ones(2, np.float32)
    )
    found = task.score(Trained(net), wanted)
    assert found == {"ndcg": pytest.approx((1 + 1 / np.log2(3)) / 2), "recall": 1.0}
