"""Ranges, as a person types them."""

from __future__ import annotations

import math
import random

import pytest

from launcher.errors import UserError
from launcher.tuning import space
from launcher.tuning.space import Choice, Continuous, Integer


def test_each_form_is_read_with_its_type_and_written_again():
    words = {
        "rate": "log:0.001:0.3",
        "momentum": "float:0:0.99",
        "batch_size": "int:32:256",
        "units": "logint:8:512",
        "optimizer": "choice:sgd,adam",
        "mixed": "choice:1,2.5,true,word",
    }
    found = space.parse(f"{name}={text}" for name, text in words.items())
    assert found == {
        "rate": Continuous(0.001, 0.3, log=True),
        "momentum": Continuous(0.0, 0.99),
        "batch_size": Integer(32, 256),
        "units": Integer(8, 512, log=True),
        "optimizer": Choice(("sgd", "adam")),
        "mixed": Choice((1, 2.5, True, "word")),
    }
    assert {name: str(one) for name, one in found.items()} == words


def test_lists_are_values_of_a_choice_too():
    text = 'choice:[[16], [64, 32], "a,b"]'
    assert space.parse_range(text) == Choice(([16], [64, 32], "a,b"))


@pytest.mark.parametrize(
    "one",
    [
        Continuous(0.123456789, 7.3),
        Continuous(1e-7, 1e20, log=True),
        Integer(1, 9),
        Integer(1, 9, log=True),
        Choice(([1, 2], "a,b", 3)),
        Choice((True, "1")),
        Choice(([1], [2])),
        Choice((" a", "b")),
    ],
)
def test_a_record_gives_the_same_range_back(one):
    assert space.parse_range(str(one)) == one


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("rate", "expected NAME=RANGE"),
        ("=int:1:2", "expected NAME=RANGE"),
        ("rate=0.1", "'0.1' is no range: expected float:LOW:HIGH, log:"),
        ("rate=log:0:1", "a logarithmic range begins above 0, not at 0"),
        ("rate=log:0.1", "expected two numbers, as 0.001:0.3"),
        ("rate=float:a:b", "expected two numbers"),
        ("rate=float:0:inf", "two finite numbers"),
        ("rate=float:0:nan", "two finite numbers"),
        ("rate=float:1:1", "the first number must be less than the second"),
        ("size=int:1.5:2", "expected two whole numbers, as 32:256"),
        ("size=int:9:1", "the first number must be less"),
        ("size=logint:0:9", "begins at 1 or above"),
        ("net=choice:", "a choice needs two values or more"),
        ("net=choice:a", "a choice needs two values or more"),
        ("net=choice:a,,b", "a choice needs two values or more"),
        ("net=choice:a,b,a", "a value is there twice"),
        ("net=choice:[1, 2", "the list is not JSON"),
        ("net=choice:" + ",".join(map(str, range(31))), "at most 30 values"),
    ],
)
def test_what_is_no_range_is_refused_with_the_word(word, message):
    with pytest.raises(UserError) as refused:
        space.parse([word])
    assert message in str(refused.value)
    assert f"--param {word}" in str(refused.value)


def test_no_range_two_of_a_name_and_too_many_are_refused():
    with pytest.raises(UserError, match="nothing to tune"):
        space.parse([])
    with pytest.raises(UserError, match="a has a range already"):
        space.parse(["a=int:1:2", "a=int:1:3"])
    with pytest.raises(UserError, match="at most 30"):
        space.parse(f"p{number}=int:1:2" for number in range(31))


def test_combinations_are_counted():
    assert space.size(space.parse(["a=int:1:3", "b=choice:x,y"])) == 6
    assert space.size(space.parse(["a=int:1:3", "b=float:0:1"])) == math.inf


def test_what_is_drawn_is_in_the_range_and_of_its_scale():
    generator = random.Random(1)
    rates = [Continuous(1e-4, 1.0, log=True).draw(generator) for _ in range(400)]
    assert all(1e-4 <= rate <= 1 for rate in rates)
    assert 0.4 < sum(rate < 1e-2 for rate in rates) / len(rates) < 0.6
    assert {Integer(1, 3).draw(generator) for _ in range(100)} == {1, 2, 3}
    assert {Integer(1, 3, log=True).draw(generator) for _ in range(100)} == {1, 2, 3}
    assert {Choice(("a", "b")).draw(generator) for _ in range(100)} == {"a", "b"}
