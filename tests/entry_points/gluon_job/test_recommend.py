"""What a trained recommender answers."""

import json

import numpy as np
import pytest

from gluon_job import recommend
from gluon_job.errors import InputError
from gluon_job.feedback import Tables
from gluon_job.ratings import DataSet, Ratings

JSON, CSV = "application/json", "text/csv"
# Three users and four items; `new` has rated nothing, and nobody `d`.
KNOWN = Ratings(np.array([0, 0, 1], np.int32), np.array([0, 1, 2], np.int32), np.array([1, 5, 3], np.float32))
DATA = DataSet(
    KNOWN, None, ["ann", "196", "new"], ["a", "b", "c", "d,e"], ["A", "B", "C", "D"], [[]] * 3, [[]] * 4
)  # fmt: skip
TABLES = Tables(
    users=np.array([[1, 0], [0, 1], [0, 0]], np.float32),
    items=np.array([[0.5, 0], [0.4, 0.1], [0, 2], [0.1, 0]], np.float32),
    user_biases=np.array([0.2, -0.1, 0], np.float32),
    item_biases=np.array([0.3, 0, 0, -0.2], np.float32),
    mean=3.0,
)


@pytest.fixture(params=["explicit", "implicit"])
def feedback(request):
    return request.param


@pytest.fixture
def loaded(tmp_path, feedback):
    tables = TABLES if feedback == "explicit" else TABLES._replace(mean=0.0)
    recommend.save(str(tmp_path), tables, DATA, KNOWN, feedback)
    return recommend.Recommender(str(tmp_path))


@pytest.fixture
def explicit(tmp_path):
    recommend.save(str(tmp_path), TABLES, DATA, KNOWN, "explicit")
    return recommend.Recommender(str(tmp_path))


def ask(loaded, request, kind=JSON, accept=JSON):
    body, answered = recommend.transform(loaded, request if kind == CSV else json.dumps(request), kind, accept)
    assert answered == accept
    return json.loads(body) if accept == JSON else body


def test_pairs_have_the_scores_of_the_model(loaded, feedback):
    answer = ask(loaded, {"pairs": [["ann", "a"], [196.0, "c"], ["196", "a"]]})["predictions"]
    assert [(one["user"], one["item"]) for one in answer] == [("ann", "a"), ("196", "c"), ("196", "a")]
    scores = np.array([0.5 + 0.2 + 0.3, 2 - 0.1, -0.1 + 0.3])
    if feedback == "explicit":
        assert [one["rating"] for one in answer] == pytest.approx(scores + 3)
    else:
        assert [one["score"] for one in answer] == pytest.approx(1 / (1 + np.exp(-scores)))
    assert not any("note" in one for one in answer)


def test_a_rating_stays_in_the_range_of_those_that_were_given(explicit):
    explicit._items[2] *= 100
    assert ask(explicit, {"pairs": [["196", "c"]]})["predictions"][0]["rating"] == 5


def test_who_or_what_is_new_is_answered_with_means_and_told(explicit):
    pairs = [["bob", "a"], ["ann", "x"], ["bob", "x"], ["new", "b"], ["ann", "d,e"]]
    answer = ask(explicit, {"pairs": pairs})["predictions"]
    # Of three ratings two are ann's, and each of a, b and c has one.
    of_a = [3 + 1 * 0.5 + 0.2 + 0.3, 3 + 0 - 0.1 + 0.3]
    of_ann = [3.2 + 0.5 + 0.3, 3.2 + 0.4, 3.2]
    both = 3 + (2 * 0.2 - 0.1) / 3 + 0.3 / 3 + np.dot([2 / 3, 1 / 3], [0.9 / 3, 2.1 / 3])
    means = [(2 * of_a[0] + of_a[1]) / 3, np.mean(of_ann), both]
    assert [one["rating"] for one in answer] == pytest.approx([*means, 3.0, 3.1])
    bob, x = "user 'bob' is new: the mean over all ratings' users", "item 'x' is new: the mean over all ratings' items"
    assert [one["note"] for one in answer] == [
        bob,
        x,
        f"{bob}; {x}",
        "user 'new' has no ratings to learn from",
        "item 'd,e' has no ratings to learn from",
    ]


def test_recommendations_leave_out_what_the_user_rated(explicit):
    answer = ask(explicit, {"user": "ann", "k": 3})
    assert [(one["item"], one["title"]) for one in answer["items"]] == [("c", "C"), ("d,e", "D")]
    assert [one["rating"] for one in answer["items"]] == pytest.approx([3.2, 3.1])
    assert "note" not in answer
    everything = ask(explicit, {"user": "ann", "k": 3, "rated": True})["items"]
    assert [one["item"] for one in everything] == ["a", "b", "c"]


@pytest.mark.parametrize("user", ["bob", 7])
def test_a_new_user_gets_what_is_liked_most_and_is_told(explicit, user):
    answer = ask(explicit, {"user": user, "k": 2})
    assert [one["item"] for one in answer["items"]] == ["c", "a"]
    assert answer["note"] == f"user {str(user)!r} is new: the mean over all ratings' users"


def test_a_user_without_ratings_gets_what_the_model_says_and_is_told(explicit):
    answer = ask(explicit, {"user": "new", "k": 2})
    assert [(one["item"], one["rating"]) for one in answer["items"]] == [("a", pytest.approx(3.3)), ("b", 3)]
    assert answer["note"] == "user 'new' has no ratings to learn from"


def test_more_than_there_are_gives_all_and_a_user_who_rated_all_gets_none(tmp_path):
    everything = Ratings(np.zeros(4, np.int32), np.arange(4, dtype=np.int32), np.full(4, 2, np.float32))
    recommend.save(str(tmp_path), TABLES, DATA, everything, "explicit")
    loaded = recommend.Recommender(str(tmp_path))
    assert ask(loaded, {"user": "ann", "k": 1000}) == {"user": "ann", "items": []}
    assert ask(loaded, {"user": "ann"}, accept=CSV) == ""
    assert len(ask(loaded, {"user": "bob", "k": 1000})["items"]) == 4
    assert len(ask(loaded, {"similar_to": "a", "k": 1000})["items"]) == 3


def test_similar_items_point_the_same_way(loaded):
    answer = ask(loaded, {"similar_to": "a", "k": 2})
    assert answer["similar_to"] == {"item": "a", "title": "A"}
    assert [one["item"] for one in answer["items"]] == ["d,e", "b"]
    assert [one["similarity"] for one in answer["items"]] == pytest.approx([1, 0.4 / np.hypot(0.4, 0.1)])
    assert ask(loaded, {"similar_to": "d,e", "k": 9})["note"] == "item 'd,e' has no ratings to learn from"


def test_csv_goes_in_and_out(explicit):
    assert [float(line) for line in ask(explicit, "ann,a\n196,c\n", CSV, CSV).split()] == pytest.approx([4, 4.9])
    assert ask(explicit, {"user": "ann"}, accept=CSV).splitlines()[1].startswith('"d,e",3.')
    assert ask(explicit, {"pairs": [["ann", "a"]]}, accept=CSV) == "4\n"
    assert ask(explicit, "\ufeffann,a\n", CSV)["predictions"][0]["rating"] == pytest.approx(4)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "the body is not JSON"),
        ("[1, 2]", "not an object such as"),
        ("{}", "it has none"),
        ('{"user": 1, "similar_to": 2}', "it has similar_to and user"),
        ('{"user": 1, "top": 2}', "it has top"),
        ('{"user": 1, "k": 0}', "k is a whole number from 1 to 1000, not 0"),
        ('{"user": 1, "k": true}', "k is a whole number"),
        ('{"user": 1, "k": 2.5}', "k is a whole number"),
        ('{"user": 1, "rated": "yes"}', "rated is true or false, not 'yes'"),
        ('{"user": null}', "an id is a string or a number, not None"),
        ('{"user": [1]}', "an id is a string or a number"),
        ('{"pairs": []}', r"pairs is a list of \[user, item\]"),
        ('{"pairs": [[1]]}', "pairs is a list"),
        ('{"pairs": "ab"}', "pairs is a list"),
        ('{"similar_to": "x"}', "there is no item 'x'"),
    ],
)
def test_a_request_that_cannot_be_understood_is_told_so(explicit, body, message):
    with pytest.raises(InputError, match=message):
        recommend.transform(explicit, body, JSON, JSON)


def test_types_that_are_not_spoken_are_refused(explicit):
    with pytest.raises(InputError, match="content type 'image/png' is not supported"):
        recommend.transform(explicit, b"", "image/png", JSON)
    with pytest.raises(InputError, match="cannot answer as 'application/x-npy'"):
        recommend.transform(explicit, "{}", JSON, "application/x-npy")


def test_a_directory_without_a_model_is_told_so(tmp_path):
    with pytest.raises(InputError, match="it is not a model that this script saved"):
        recommend.Recommender(str(tmp_path))
