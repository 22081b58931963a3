"""NDCG and recall, against scikit-learn's and by hand."""

import numpy as np
import pytest

from gluon_job import ranking


def test_ndcg_by_hand():
    hits = np.array([[True, False, True], [False, False, False], [True, True, True]])
    found = ranking.ndcg(hits, np.array([2, 1, 9]))
    best_of_two = 1 + 1 / np.log2(3)
    assert found == pytest.approx([(1 + 1 / 2) / best_of_two, 0, 1])


def test_recall_is_of_what_could_be_found():
    hits = np.array([[True, False], [True, True]])
    assert ranking.recall(hits, np.array([4, 2])) == pytest.approx([0.5, 1.0])


def test_the_greatest_come_first():
    scores = np.random.RandomState(0).rand(7, 50)
    assert np.array_equal(ranking.top(scores, 5), np.argsort(-scores, axis=1)[:, :5])
    assert ranking.top(scores, 90).shape == (7, 50)


@pytest.mark.parametrize("users", [40, 700])  # more than are ranked at a time
def test_the_evaluation_is_that_of_scikit_learn(users):
    metrics = pytest.importorskip("sklearn.metrics")
    random, items, k = np.random.RandomState(1), 30, 7
    vectors, others, biases = random.randn(users, 4), random.randn(items, 4), random.randn(items)
    kinds = random.choice(3, size=(users, items), p=[0.7, 0.2, 0.1])  # nothing, known, wanted
    kinds[3][kinds[3] == 2] = 0  # nothing to find
    known, wanted = np.argwhere(kinds == 1), np.argwhere(kinds == 2)
    ndcg, recall, count = ranking.evaluate(vectors, others, biases, known, wanted, k)
    scores = vectors @ others.T + biases
    expected = []
    for row, kind in zip(scores, kinds):
        free = kind != 1
        if (kind == 2).any():
            expected.append(metrics.ndcg_score([kind[free] == 2], [row[free]], k=k))
    assert count == len(expected) < users
    assert ndcg / count == pytest.approx(np.mean(expected))
    assert 0 < recall / count < 1


def test_a_perfect_ranking_without_what_is_known_is_perfect():
    known, wanted = np.array([[0, 0]]), np.array([[0, 1], [0, 2]])
    ndcg, recall, count = ranking.evaluate(
        np.ones((1, 1)), np.array([[9.0], [5], [4], [1]]), np.zeros(4), known, wanted, 2
    )
    assert (ndcg, recall, count) == pytest.approx((1, 1, 1))
