"""The ratings that no person gave."""

from __future__ import annotations

from collections import Counter

import numpy as np

from launcher import compose, data, generated_ratings
from launcher.job import Channel


def read(directory):
    return np.loadtxt(directory / "u.data", dtype=int, delimiter="\t")


def test_they_have_the_form_of_movielens_and_say_what_they_are(tmp_path):
    generated_ratings.write(tmp_path)
    rows = read(tmp_path)
    assert rows.shape == (generated_ratings.RATINGS, 4)
    assert len({(user, item) for user, item, *_ in rows}) == len(rows)
    assert set(rows[:, 0]) == set(range(1, generated_ratings.USERS + 1))
    assert set(rows[:, 1]) <= set(range(1, generated_ratings.ITEMS + 1))
    assert set(rows[:, 2]) == {1, 2, 3, 4, 5}
    items = [line.split("|") for line in (tmp_path / "u.item").read_text().splitlines()]
    assert len(items) == generated_ratings.ITEMS
    assert all(len(item) == 24 and "1" in item[5:] and item[1].startswith("Generated ") for item in items)
    assert len((tmp_path / "u.user").read_text().splitlines()) == generated_ratings.USERS
    assert "generated" in (tmp_path / "README").read_text()


def test_they_are_of_low_rank_and_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        generated_ratings.write(tmp_path / name)
    rows = read(tmp_path / "one")
    assert np.array_equal(rows, read(tmp_path / "two"))
    popular = [item for item, _ in Counter(rows[:, 1]).most_common(40)]
    shuffled = np.random.RandomState(0).permutation(rows[:, 2])
    found, chance = (strength(rows, values, popular) for values in (rows[:, 2], shuffled))
    assert found[:3].sum() > 1.3 * chance[:3].sum()


def strength(rows, values, items):
    """The singular values of the table of what is about the mean of each item, largest first."""
    table = np.zeros((generated_ratings.USERS + 1, generated_ratings.ITEMS + 1))
    for item in items:
        mine = rows[:, 1] == item
        table[rows[mine, 0], item] = values[mine] - values[mine].mean()
    return np.linalg.svd(table, compute_uv=False)


def test_they_are_what_the_recommender_learns_from_without_other_data(home):
    job = compose.job("matrix_factorization")
    assert job.channels == {"training": Channel(home / "cache" / "generated-ratings")}
    assert data.resolve("generated-ratings") == home / "cache" / "generated-ratings"
    entry = next(entry for entry in data.listing() if entry.name == "generated-ratings")
    assert "no person" in entry.description
    assert entry.path == home / "cache" / "generated-ratings"
    written = sum(path.stat().st_size for path in entry.path.iterdir())
    assert 0.5 * entry.size < written < 2 * entry.size
