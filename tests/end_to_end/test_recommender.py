"""The recommender as a newcomer runs it: on generated ratings, on two hosts, and behind an endpoint."""

from __future__ import annotations

import json

import numpy as np
import pytest
import saved_parameters

SMALL = ["-p", "epochs=2", "-p", "factors=4", "-p", "bayesian=false", "-p", "threads=1", "-p", "learning_rate=0.01"]


@pytest.mark.parametrize("sharded", [False, True])
def test_two_hosts_give_the_vectors_of_one(glaunch, tmp_path, sharded):
    words = ["run", "matrix_factorization", *SMALL, "--json"]
    if sharded:  # each host begins with a file of its own; both learn from both
        (tmp_path / "parts").mkdir()
        rows = [f"user {i % 13},item {i % 17},{1 + (i % 13 + i % 17) % 5}\n" for i in range(200)]
        (tmp_path / "parts" / "a.csv").write_text("".join(rows[:80]))
        (tmp_path / "parts" / "b.csv").write_text("".join(rows[80:]))
        words += ["--channel", f"training={tmp_path / 'parts'}{':sharded' if sharded else ''}"]
    one, two = (json.loads(glaunch(*words, "--hosts", hosts).stdout) for hosts in (1, 2))
    assert len({host["digest"] for host in two["hosts"].values()}) == 1
    assert one["metrics"]["validation:rmse"] == pytest.approx(two["metrics"]["validation:rmse"], abs=1e-5)
    first, second = saved_parameters.read(tmp_path, one, two)
    assert first.keys() == second.keys() == {"arg:users", "arg:items"}
    for name in first:
        assert np.abs(first[name] - second[name]).max() < 1e-6


def test_the_generated_ratings_are_learned_and_served(glaunch, tmp_path):
    out = glaunch("run", "matrix_factorization", "-p", "epochs=12").stdout
    assert "validation RMSE 0." in out
    run = json.loads(glaunch("show", "--json").stdout)
    assert run["metrics"]["validation:rmse"] < 0.9 < run["metrics"]["train:rmse"] + 0.3
    assert "generated-ratings" in glaunch("show").stdout
    assert "RMSE 0." in glaunch("ls").stdout
    glaunch("deploy", "--name", "films", "--detach")
    try:
        (tmp_path / "ask.json").write_text('{"user": 196, "k": 3}')
        [asked] = json.loads(glaunch("predict", "films", tmp_path / "ask.json", "--json").stdout)
        items = asked["answer"]["items"]
        assert len(items) == 3
        assert all(item["title"].startswith("Generated ") for item in items)
        (tmp_path / "pairs.csv").write_text("196,1\n196,2\n")
        [asked] = json.loads(glaunch("predict", "films", tmp_path / "pairs.csv", "--json").stdout)
        assert all(1 <= one["rating"] <= 5 for one in asked["answer"]["predictions"])
        steps = json.loads(glaunch("bench", "films", "--connections", 1, "--seconds", 0.3, "--json").stdout)
        assert steps[0]["answers"] > 0
        assert not steps[0]["errors"]
    finally:
        glaunch("rm", "films")
