"""What people read of answers."""

from __future__ import annotations

import json

import pytest

from launcher.endpoint_tables import prediction_lines

ITEMS = [{"item": "50", "title": "Star Wars (1977)", "rating": 4.256}, {"item": "7", "title": "7", "rating": 3.0}]


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ({"predictions": [{"label": "seven", "probability": 0.75}]}, ["f: seven (0.7500)"]),
        (
            {"predictions": [{"label": "a", "probability": 1.0}, {"label": "b", "probability": 0.5}]},
            ["f [0]: a (1.0000)", "f [1]: b (0.5000)"],
        ),
        (
            {"predictions": [{"objects": [{"label": "cat", "probability": 0.9, "box": [1, 2, 30.4, 4]}]}]},
            ["f: 1 object(s)", "  cat (0.9000) at 1,2 to 30,4"],
        ),
        (
            {"predictions": [{"user": "a", "item": "b", "rating": 3.5}, {"user": "c", "item": "d", "score": 0.25}]},
            ["f: user a, item b: rating 3.5", "f: user c, item d: score 0.25"],
        ),
        (
            {"predictions": [{"user": "a", "item": "b", "rating": 3.5, "note": "user 'a' is new"}]},
            ["f: user a, item b: rating 3.5 (user 'a' is new)"],
        ),
        (
            {"user": "196", "items": ITEMS, "note": "user '196' is new"},
            ["f: for user 196", "  Star Wars (1977) (50): rating 4.256", "  7 (7): rating 3", "  user '196' is new"],
        ),
        ({"user": "196", "items": []}, ["f: for user 196: nothing is left"]),
        (
            {"similar_to": {"item": "1", "title": "T"}, "items": [{"item": "2", "title": "U", "similarity": 0.98765}]},
            ["f: similar to T (1)", "  U (2): similarity 0.9877"],
        ),
    ],
    ids=str,
)
def test_answers_of_our_models_are_told_in_words(answer, lines):
    assert list(prediction_lines("f", answer)) == lines


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2],
        None,
        {"predictions": []},
        {"predictions": [1.5]},
        {"predictions": [{"label": "a"}]},
        {"predictions": "label"},
        {"items": "abc"},
        {"items": []},
        {"user": 1, "items": [1]},
        {"similar_to": "1", "items": [{"item": "2", "title": "U"}]},
    ],
    ids=str,
)
def test_an_answer_of_another_kind_is_told_as_it_is(answer):
    assert list(prediction_lines("f", answer)) == [f"f: {json.dumps(answer)}"]


def test_text_is_told_as_it_is():
    assert list(prediction_lines("f", "1.5\n")) == ["f: 1.5\n"]
