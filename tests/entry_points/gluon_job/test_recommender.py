"""The nets that score pairs, by hand."""

import few_ratings
import numpy as np
import pytest
from few_ratings import PAIRS, arrays

from gluon_job import recommender
from gluon_job.compat import mx

USERS, ITEMS = PAIRS.T
MODELS = ("linear", "mlp", "residual", "dssm")


def parameters(net):
    return {name: parameter.data() for name, parameter in net._reg_params.items()}


def test_the_most_frequent_words_describe_and_rare_ones_do_not():
    described = [["war", "sad"], ["war"], [], ["sad", "war", "old"], ["old"]]
    matrix = recommender.word_matrix(described, 10)
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]]
    assert recommender.word_matrix(described, 1).tolist() == [[1], [1], [0], [1], [0]]
    assert recommender.word_matrix([["once"], ["twice"], ["twice"]], 10).tolist() == [[0], [1], [1]]
    assert recommender.word_matrix([[], []], 10).shape == (2, 0)


@pytest.mark.parametrize(("content", "biases"), [(True, True), (False, True), (True, False), (False, False)])
def test_a_linear_score_is_the_product_of_embeddings_with_biases_and_mean(content, biases):
    net = few_ratings.net({"content": content, "biases": biases})
    table = arrays(net)
    user, item = table["user"][USERS], table["item"][ITEMS]
    if content:
        old_and_tall, war_and_sad = [[1, 1], [1, 0], [0, 1], [0, 0]], [[0, 1], [0, 1], [1, 0], [1, 0], [0, 0]]
        war_and_sad[0] = [1, 1]  # `sad` is the more frequent one
        user = user + np.array(old_and_tall)[USERS] @ table["user_words"]
        item = item + np.array(war_and_sad)[ITEMS] @ table["item_words"]
    expected = (user * item).sum(axis=1) + 3
    if biases:
        expected += table["user_bias"][USERS, 0] + table["item_bias"][ITEMS, 0]
    assert net(mx.nd.array(PAIRS)).asnumpy() == pytest.approx(expected, abs=1e-5)
    assert ("user_words" in table) == content
    assert ("item_bias" in table) == biases


def test_an_mlp_is_an_embedding_relu_and_dense():
    net = few_ratings.net({"model": "mlp", "content": False, "biases": False})
    table = arrays(net)
    vectors = []
    for kind, ids in (("user", USERS), ("item", ITEMS)):
        weight, bias = table[f"{kind}_dense0_weight"], table[f"{kind}_dense0_bias"]
        vectors.append(np.maximum(table[kind][ids], 0) @ weight.T + bias)
    assert net(mx.nd.array(PAIRS)).asnumpy() == pytest.approx((vectors[0] * vectors[1]).sum(axis=1) + 3, abs=1e-5)


def test_a_residual_net_begins_nearly_as_a_linear_one():
    scores = []
    for model in ("linear", "residual"):
        net = recommender.Recommender(few_ratings.DATA, {**few_ratings.VALUES, "model": model, "hidden": None}, 3.0)
        net.initialize(mx.init.Xavier())
        net(mx.nd.array(PAIRS))
        for name, value in arrays(few_ratings.net({})).items():
            net.collect_params()[net.prefix + name].set_data(mx.nd.array(value))
        scores.append(net(mx.nd.array(PAIRS)).asnumpy())
    assert scores[0] != pytest.approx(scores[1], abs=1e-6)
    assert scores[0] == pytest.approx(scores[1], abs=0.2)


def test_an_item_of_a_dssm_is_what_describes_it():
    net = few_ratings.net({"model": "dssm", "content": False, "biases": False})
    assert net.embeddings == ["user", "user_words", "item_words"]
    scores = net(mx.nd.array([[0, 2], [0, 3], [0, 0]])).asnumpy()  # r and s are both sad, and no more
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("model", MODELS)
def test_the_scores_are_products_of_the_vectors_of_the_towers(model):
    net = few_ratings.net({"model": model, "biases": False})
    tables, vectors = parameters(net), []
    for kind, ids in (("user", USERS), ("item", ITEMS)):
        mean, deviation = net.embedding(mx.nd, kind, mx.nd.array(ids), tables)
        assert mean.shape == deviation.shape == (5, 3)
        vectors.append(net.tower(kind, mean))
    expected = (vectors[0] * vectors[1]).sum(axis=1) + 3
    assert net(mx.nd.array(PAIRS)).asnumpy() == pytest.approx(expected.asnumpy(), abs=1e-5)


def test_squares_are_those_of_all_that_a_pair_looks_up():
    net = few_ratings.net({"bayesian": False})
    table = {name: value**2 if not name.endswith("matrix") else value for name, value in arrays(net).items()}
    expected = np.zeros(len(PAIRS))
    for kind, ids in (("user", USERS), ("item", ITEMS)):
        expected += table[kind][ids].sum(axis=1) + table[f"{kind}_bias"][ids, 0]
        expected += (table[f"{kind}_matrix"][ids] @ table[f"{kind}_words"]).sum(axis=1)
    found = net.squares(mx.nd, mx.nd.array(PAIRS), parameters(net)).asnumpy()
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_divergence_is_that_of_normal_distributions():
    net = few_ratings.net({})
    table, expected = arrays(net), 0.0
    for name in net.embeddings:
        mean, deviation, prior = table[name], np.exp(table[f"{name}_spread"]), np.exp(table[f"{name}_prior"])
        # The expectation of log q - log p, integrated on a grid for each value.
        for m, s, p in zip(mean.ravel(), deviation.ravel(), np.broadcast_to(prior, mean.shape).ravel()):
            x, step = np.linspace(m - 9 * s, m + 9 * s, 2001, retstep=True)
            log_q = -0.5 * ((x - m) / s) ** 2 - np.log(s)
            log_p = -0.5 * (x / p) ** 2 - np.log(p)
            expected += (np.exp(log_q) * (log_q - log_p)).sum() * step / np.sqrt(2 * np.pi)
    assert net.divergence(mx.nd, parameters(net)).asscalar() == pytest.approx(expected, rel=1e-4)


def test_what_is_drawn_in_training_has_the_mean_and_the_variance_of_its_words_and_its_own():
    net = few_ratings.net({"biases": False})
    tables, table = parameters(net), arrays(net)
    ids = mx.nd.array(np.zeros(4000))
    with mx.autograd.train_mode():
        drawn = net._drawn(mx.nd, "item", ids, tables, True).asnumpy()
    words = table["item_matrix"][0]
    mean = table["item"][0] + words @ table["item_words"]
    variance = np.exp(2 * table["item_spread"][0]) + words @ np.exp(2 * table["item_words_spread"])
    assert np.abs(drawn.mean(axis=0) - mean).max() < 5 * np.sqrt(variance.max() / 4000)
    assert drawn.var(axis=0) == pytest.approx(variance, rel=0.01)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 5 / np.sqrt(4000)
