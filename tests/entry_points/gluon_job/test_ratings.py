"""Ratings in the formats that people have."""

import films
import pytest

from gluon_job import rating_files, ratings
from gluon_job.errors import InputError


def load(files, split=None, holdout=0.0, seed=1, **channels):
    channels = {"training": files, **channels}
    channels = {
        name: {file: content if isinstance(content, bytes) else content.encode() for file, content in found.items()}
        for name, found in channels.items()
    }
    return ratings.load(channels, split, holdout, seed)


def triples(data, part):
    return [(data.users[user], data.items[item], float(value)) for user, item, value in zip(*part)]


@pytest.mark.parametrize(
    "files",
    [
        {"u.data": "196\t242\t3\t881250949\n186\t302\t3.5\t891717742\n"},
        {"ratings.dat": "196::242::3::881250949\n186::302::3.5::891717742\n"},
        {"ratings.csv": "userId,movieId,rating,timestamp\n196,242,3.0,964982703\n186,302,3.5,1\n"},
        {"mine.csv": "196,242,3\n186,302,3.5\n"},
        {"mine.csv": "196, 242, 3\r\n\r\n186, 302, 3.5\r\n"},
        {"mine.csv": b"\xef\xbb\xbfitem,stars,user\n242,3,196\n302,3.5,186\n"},
        {"a.csv": '"196","242",3\n', "b.csv": "186,302,3.5\n"},
    ],
    ids=str,
)
def test_every_format_says_the_same(files):
    data = load(files)
    assert triples(data, data.training) == [("196", "242", 3.0), ("186", "302", 3.5)]
    assert (data.users, data.items, data.titles) == (["196", "186"], ["242", "302"], ["242", "302"])
    assert data.validation is None


def test_ids_are_of_any_kind():
    data = load({"mine.csv": 'Zoë,"Eins, zwei",5\n a b ,007,4\nZoë,7,1\n'})
    assert triples(data, data.training) == [("Zoë", "Eins, zwei", 5.0), ("a b", "007", 4.0), ("Zoë", "7", 1.0)]


def test_of_several_ratings_by_one_user_of_one_item_the_last_counts():
    data = load({"mine.csv": "a,x,1\nb,x,2\na,x,5\n"})
    assert triples(data, data.training) == [("a", "x", 5.0), ("b", "x", 2.0)]


def test_movielens_100k_is_read_with_all_that_describes_it(tmp_path):
    channels = rating_files.read({"training": str(films.write(tmp_path))})
    data = ratings.load(channels, "u1", 0.5, 1)
    rows = films.rate()
    assert len(data.training.values) + len(data.validation.values) == len(rows)
    known = {(str(user), str(item)): float(rating) for user, item, rating in rows}
    assert {(u, i): v for u, i, v in triples(data, data.training) + triples(data, data.validation)} == known
    # Two films that nobody rated have their place, because they are described.
    assert len(data.items) == films.FILMS + 2
    place = data.items.index("3")
    assert data.titles[place] == "Film Nr 3 (1990)"
    assert data.item_words[place] == ["genre Comedy", "title film", "title nr", "decade 1990"]
    assert data.user_words[data.users.index("3")] == ["age 20", "sex M", "occupation engineer"]


def test_movielens_1m_is_read_with_all_that_describes_it():
    data = load({
        "ratings.dat": "1::1193::5::978300760\n2::661::3::978302109\n",
        "movies.dat": "1193::Am\xe9lie: Two::Tales (1975)::Drama|Film-Noir\n661::Jam (1996)::Children's\n".encode(
            "latin-1"
        ).replace(b": Two::", b": Two "),
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
    })  # fmt: skip
    assert data.titles == ["Amélie: Two Tales (1975)", "Jam (1996)"]
    assert data.item_words[0] == [
        "genre Drama", "genre Film-Noir", "title amélie", "title two", "title tales", "decade 1970",
    ]  # fmt: skip
    assert data.user_words == [["age 0", "sex F", "occupation 10"], ["age 50", "sex M", "occupation 16"]]


def test_a_csv_of_titles_may_lie_beside_the_ratings():
    data = load(
        {"ratings.csv": "u,i,r\n1,2,3\n", "movies.csv": 'movieId,title,genres\n2,"Jam, the (1996)",Drama|War\n'}
    )
    assert data.titles == ["Jam, the (1996)"]
    assert data.item_words == [["genre Drama", "genre War", "title jam", "title the", "decade 1990"]]


def test_a_share_is_held_back_by_the_seed_alone():
    rows = "".join(f"{i % 7},{i},{i % 5}\n" for i in range(100))
    first, again, other = (load({"a.csv": rows}, holdout=0.2, seed=seed) for seed in (1, 1, 2))
    assert (len(first.training.values), len(first.validation.values)) == (80, 20)
    assert not {*triples(first, first.training)} & {*triples(first, first.validation)}
    assert triples(first, first.validation) == triples(again, again.validation)
    assert triples(first, first.validation) != triples(other, other.validation)


def test_a_validation_channel_may_have_users_of_its_own():
    data = load({"a.csv": "1,2,3\n"}, holdout=0.5, validation={"b.csv": "9,2,4\n"})
    assert triples(data, data.training) == [("1", "2", 3.0)]
    assert triples(data, data.validation) == [("9", "2", 4.0)]


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        ({}, None, r"channel 'training' has no u\.data, ratings\.dat or a \.csv.* nothing"),
        ({"u.item": "1|Film"}, None, r"has no u\.data.*of use there: u\.item"),
        ({"u.data": "1\t2\t3\n"}, "u1", r"has no u1\.base; of use there: u\.data"),
        ({"u1.base": "1\t2\t3\n"}, "u1", r"has no u1\.test"),
        ({"u.data": ""}, None, "holds no ratings"),
        ({"a.csv": "user,item,rating\n"}, None, "holds no ratings"),
        ({"a.csv": "1,2,3\n1,3\n"}, None, r"a\.csv, line 2: expected a user, an item and a rating, found '1, 3'"),
        ({"a.csv": "1,2,3\n1,3,good\n"}, None, r"a\.csv, line 2: .* found '1, 3, good'"),
        ({"a.csv": "1,2,3\n1,3,nan\n"}, None, r"a\.csv, line 2"),
        ({"u.data": "1\t2\t3\n\t2\t3\n"}, None, r"u\.data, line 2"),
        ({"u.data": "1 2 3\n"}, None, r"u\.data, line 1: .* found '1 2 3'"),
        ({"u.data": bytes(range(256))}, None, r"u\.data, line \d"),
    ],
    ids=str,
)
def test_what_holds_no_ratings_is_told_with_its_place(files, split, message):
    with pytest.raises(InputError, match=message):
        load(files, split)


def test_channels_are_those_that_are_read(tmp_path):
    with pytest.raises(InputError, match="needs a channel 'training'"):
        rating_files.read({"ratings": str(tmp_path)})
    with pytest.raises(InputError, match=r"does not read a channel 'valdation' \(did you mean 'validation'\?\)"):
        rating_files.read({"training": str(tmp_path), "valdation": str(tmp_path)})


def test_files_of_no_use_are_not_read(tmp_path):
    films.write(tmp_path)
    (tmp_path / "README").write_text("1,2,3")
    (tmp_path / "u.info").write_text("1")
    found = rating_files.read({"training": str(tmp_path)})["training"]
    assert sorted(found) == ["u.data", "u.item", "u.user", "u1.base", "u1.test"]
