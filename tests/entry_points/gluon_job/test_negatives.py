"""What is drawn as not chosen."""

import numpy as np

from gluon_job.negatives import Negatives

USERS, ITEMS = 30, 20


def positives(seed):
    chosen = np.random.RandomState(seed).rand(USERS, ITEMS) < np.linspace(0, 1, USERS)[:, None]
    chosen[-1], chosen[0] = True, False  # one chose everything, one nothing
    return chosen


def test_no_positive_is_ever_drawn_and_every_other_item_is():
    chosen = positives(0)
    users, items = np.nonzero(chosen)
    order = np.random.RandomState(1).permutation(len(users))
    negatives = Negatives(users[order], items[order], USERS, ITEMS)
    asked = np.repeat(np.arange(USERS), 2000)
    drawn, found = negatives.draw(asked, np.random.RandomState(2))
    assert drawn.dtype == np.int32
    assert found.tolist() == (asked != USERS - 1).tolist()
    seen = np.zeros((USERS, ITEMS), int)
    np.add.at(seen, (asked[found], drawn[found]), 1)
    assert np.array_equal(seen > 0, ~chosen)
    expected = 2000 / np.maximum((~chosen).sum(axis=1), 1)
    deviation = np.abs(seen - expected[:, None])[~chosen] / np.sqrt(
        np.broadcast_to(expected[:, None], seen.shape)[~chosen]
    )
    assert deviation.max() < 5


def test_the_draw_is_that_of_its_generator():
    users, items = np.nonzero(positives(3))
    negatives = Negatives(users, items, USERS, ITEMS)
    first, again, other = (negatives.draw(users, np.random.RandomState(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_users_without_any_positive_get_any_item():
    drawn, found = Negatives(np.zeros(0, int), np.zeros(0, int), 2, 3).draw(
        np.zeros(300, int), np.random.RandomState(0)
    )
    assert found.all()
    assert set(drawn) == {0, 1, 2}
