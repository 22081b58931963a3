"""What a search is, and what the next values are."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.errors import UserError
from launcher.tuning import search as searching
from launcher.tuning import space
from launcher.tuning.sampler import Sampler
from launcher.tuning.search import Search

RATE = ["rate=log:0.0001:1"]


def search(*words, **more):
    return Search(**{"space": space.parse(words or RATE), "jobs": 12, **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"jobs": 0}, "--jobs: 1 to 750, not 0"),
        ({"jobs": 751}, "--jobs: 1 to 750"),
        ({"parallel": 0}, "--parallel: 1 to 12, not 0"),
        ({"parallel": 13}, "--parallel: 1 to 12, not 13"),
        ({"strategy": "grid"}, "--strategy: one of bayesian, random"),
        ({"seed": -1}, "--seed: 0 or more"),
        ({"space": space.parse(["net=choice:a,b"])}, "only 2 combinations of these values; --jobs 2 tries each once"),
    ],
)
def test_what_cannot_be_is_refused(more, message):
    with pytest.raises(UserError, match=message):
        search(**more)


def test_a_record_gives_the_same_search_back():
    one = search("rate=log:0.001:1", "net=choice:[[1], [2]]", parallel=3, seed=4, objective="a:b", minimize=True)
    assert searching.from_content(json.loads(json.dumps(one.as_content()))) == one


@pytest.mark.parametrize(
    ("metric", "less"),
    [("validation:accuracy", False), ("validation:loss", True), ("validation:rmse", True), ("validation:ndcg", False)],
)
def test_of_a_loss_less_is_better(metric, less):
    assert searching.is_minimized(metric) == less


def test_a_script_is_tuned_by_what_it_is_about():
    assert searching.measure_of(Path("matrix_factorization.py")) == "validation:rmse"
    assert searching.measure_of(Path("mine.py")) == "validation:accuracy"


def test_better_is_more_or_less_and_no_number_is_never():
    assert search().is_better(2.0, 1.0)
    assert not search(minimize=True).is_better(2.0, 1.0)
    assert search(minimize=True).is_better(2.0, None)
    assert not search().is_better(math.nan, None)


@pytest.mark.parametrize("strategy", ["random", "bayesian"])
def test_values_are_in_their_ranges_typed_new_and_repeatable(strategy):
    def proposed():
        one = search("rate=log:0.001:1", "size=int:4:64", "net=choice:[[8], [4, 2]]", strategy=strategy, seed=3)
        sampler, found = Sampler(one), []
        for number in range(12):
            found.append(sampler.ask(number))
            sampler.tell(number, None if number % 5 == 4 else found[-1]["rate"])
        return found

    found = proposed()
    assert all(0.001 <= one["rate"] <= 1 and isinstance(one["rate"], float) for one in found)
    assert all(4 <= one["size"] <= 64 and type(one["size"]) is int for one in found)
    assert all(one["net"] in ([8], [4, 2]) for one in found)
    assert len({json.dumps(one) for one in found}) == 12
    assert json.loads(json.dumps(found)) == found == proposed()


def test_every_combination_of_few_values_is_tried_once():
    sampler = Sampler(search("a=int:1:4", "b=choice:x,y", jobs=8))
    found = []
    for number in range(8):
        found.append(sampler.ask(number))
        sampler.tell(number, float(found[-1]["a"]))
    assert {(one["a"], one["b"]) for one in found} == {(a, b) for a in range(1, 5) for b in "xy"}


@pytest.mark.parametrize("minimize", [False, True])
def test_the_bayesian_search_learns(minimize):
    """Of 48 trials the last 16 are nearer to the best learning rate than the first 16, three at a time."""

    def distance(values):
        return abs(math.log10(values["rate"] / 0.01))

    gains = []
    for seed in range(5):
        sampler, found, waiting = Sampler(search(jobs=48, parallel=3, minimize=minimize, seed=seed)), [], []
        for number in range(48):
            found.append(sampler.ask(number))
            waiting.append(number)
            if len(waiting) == 3:
                ended = waiting.pop(0)
                sampler.tell(ended, distance(found[ended]) * (1 if minimize else -1))
        gains.append(sum(map(distance, found[:16])) / sum(map(distance, found[-16:])))
    assert sorted(gains)[2] > 1.5, gains


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'gluon-launcher\[tune\]'"):
        Sampler(search())


def test_nothing_is_printed_and_no_warning_shown():
    program = (
        "from launcher.tuning import space; from launcher.tuning.search import Search\n"
        "from launcher.tuning.sampler import Sampler\n"
        "one = Sampler(Search(space.parse(['a=log:0.1:1', 'b=choice:x,y']), 4)); one.ask(1); one.tell(1, 0.5)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
