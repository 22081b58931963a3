"""Ratings as the channels of a job bring them, with ids of any kind.

Three formats are read: MovieLens 100k (`u.data` or its own splits such as `u1.base`, with `u.item` and `u.user`;
https://files.grouplens.org/datasets/movielens/ml-100k-README.txt), MovieLens 1M (`ratings.dat`, with `movies.dat` and
`users.dat`; https://files.grouplens.org/datasets/movielens/ml-1m-README.txt) and plain CSV: user, item, rating and
anything after it, with or without a line of titles, beside `movies.csv` (item, title, genres) if there is one.
"""

import math
import re
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from gluon_job.errors import InputError
from gluon_job.rating_files import ITEM_FILES, USER_FILES, Files, lines

# Of u.item, in the order of its columns.
_GENRES = tuple(
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical "  # noqa: SIM905
    "Mystery Romance Sci-Fi Thriller War Western".split()
)
_TITLES = {"user": r"user", "item": r"item|movie|film|product|book|song", "rating": r"rating|score|stars"}


class Ratings(NamedTuple):
    """Who rated what how: `users`, `items` int32 (N,), places in the lists of a `DataSet`; `values` float32 (N,)."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray


class DataSet(NamedTuple):
    """All that a job knows of its users and items.

    Attributes:
        training: what the model learns from.
        validation: what it is scored on, or None. A user or item may be in these alone.
        users, items: the ids as they were given, in the order of their first appearance.
        titles: of each item; its id where it has none.
        user_words, item_words: what describes each user and item, such as genres and the words of a title.
    """

    training: Ratings
    validation: Optional[Ratings]
    users: List[str]
    items: List[str]
    titles: List[str]
    user_words: List[List[str]]
    item_words: List[List[str]]


def load(channels: Mapping[str, Files], split: Optional[str], holdout: float, seed: int) -> DataSet:
    """The data set in the files of the channels.

    Validation data are those of the channel `validation`; else, with a split, MovieLens 100k's `SPLIT.test`; else a
    share of the ratings, drawn at random.

    Args:
        channels: from `rating_files.read`.
        split: one of `rating_files.SPLITS`, or None.
        holdout: the share, from 0 to below 1; 0 for no validation data.
        seed: of the draw.

    Raises:
        InputError: there are no ratings, or a line cannot be read; the message names the file and the line.
    """
    files = channels["training"]
    index = _Index()
    training = index.ratings(_rows(files, split and f"{split}.base", "training"))
    validation = None
    if "validation" in channels:
        validation = index.ratings(_rows(channels["validation"], None, "validation"))
    elif split:
        validation = index.ratings(_rows(files, f"{split}.test", "training"))
    elif holdout:
        training, validation = _divide(training, holdout, seed)
    if not len(training.values):
        raise InputError("channel 'training' holds no ratings")
    titles, item_words = _items(files, index)
    return DataSet(
        training, validation, list(index.users), list(index.items), titles, _user_words(files, index), item_words
    )


class _Index:
    """The places of the ids: in the order of their first appearance, which is the same on every host."""

    def __init__(self) -> None:
        self.users: Dict[str, int] = {}
        self.items: Dict[str, int] = {}

    def ratings(self, rows: Iterator[Tuple[str, str, float]]) -> Ratings:
        """The ratings of rows; of several by one user of one item the last one counts."""
        found: Dict[Tuple[int, int], float] = {}
        users, items = self.users, self.items
        for user, item, value in rows:
            found[users.setdefault(user, len(users)), items.setdefault(item, len(items))] = value
        pairs = np.array(list(found), np.int32).reshape(-1, 2)
        return Ratings(
            np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]), np.array([*found.values()], "f4")
        )


def _rows(files: Files, name: Optional[str], where: str) -> Iterator[Tuple[str, str, float]]:
    """User, item and rating of every line of the named file, or of those that hold a channel's ratings."""
    known = [name] if name else [known for known in ("u.data", "ratings.dat", "ratings.csv") if known in files][:1]
    names = known or [other for other in files if other not in ITEM_FILES and other.endswith((".csv", ".test"))]
    if not names or any(one not in files for one in names):
        expected = name or "u.data, ratings.dat or a .csv of user, item, rating"
        raise InputError(f"channel {where!r} has no {expected}; of use there: {', '.join(files) or 'nothing'}")
    for one in names:
        user, item, rating = 0, 1, 2
        for number, fields in lines(files[one], one):
            if number == 1 and one.endswith(".csv"):
                titles = [field.strip().lower() for field in fields]
                if len(fields) > 2 and not _is_number(fields[2]):
                    user, item, rating = (_column(titles, title, i) for i, title in enumerate(_TITLES))
                    continue
            try:
                value = float(fields[rating])
                found = fields[user].strip(), fields[item].strip(), value
            except (IndexError, ValueError):
                found, value = ("", "", math.nan), math.nan
            if not (found[0] and found[1] and math.isfinite(value)):
                shown = ", ".join(fields)[:60]
                raise InputError(f"{one}, line {number}: expected a user, an item and a rating, found {shown!r}")
            yield found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _column(titles: Sequence[str], title: str, usual: int) -> int:
    return next((i for i, found in enumerate(titles) if re.match(_TITLES[title], found)), usual)


def _divide(ratings: Ratings, share: float, seed: int) -> Tuple[Ratings, Optional[Ratings]]:
    count = int(len(ratings.values) * share)
    order = np.random.RandomState([seed, len(ratings.values)]).permutation(len(ratings.values))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return Ratings(*(part[kept] for part in ratings)), Ratings(*(part[held] for part in ratings)) if count else None


def _items(files: Files, index: _Index) -> Tuple[List[str], List[List[str]]]:
    """Titles and words of the items; those that nobody rated become known here, at the end."""
    described: Dict[str, Tuple[str, List[str]]] = {}
    for name in ITEM_FILES:
        for number, fields in lines(files.get(name, b""), name):
            if len(fields) < 2 or (name.endswith(".csv") and number == 1):
                continue
            flags = fields[-len(_GENRES) :]
            if name == "u.item":
                genres = [genre for genre, flag in zip(_GENRES, flags) if flag == "1"]
            else:
                genres = [genre for genre in fields[-1].split("|") if len(fields) > 2 and genre]
            described[fields[0].strip()] = fields[1].strip(), genres
    for item in described:
        index.items.setdefault(item, len(index.items))
    titles = [described.get(item, (item, []))[0] or item for item in index.items]
    words = [
        [f"genre {genre}" for genre in described[item][1]] + _title_words(described[item][0])
        if item in described
        else []
        for item in index.items
    ]
    return titles, words


def _title_words(title: str) -> List[str]:
    """The words of a title, and the decade of the year at its end."""
    name, year = title, re.search(r"\((\d{3})\d\)\s*$", title)
    if year:
        name = title[: year.start()]
    words = [f"title {word}" for word in dict.fromkeys(re.findall(r"[^\W_]+", name.lower())) if len(word) > 1]
    return words + ([f"decade {year[1]}0"] if year else [])


def _user_words(files: Files, index: _Index) -> List[List[str]]:
    """Age (by the decade, or MovieLens 1M's group), sex and occupation of each user, where they are told."""
    words: Dict[str, List[str]] = {}
    for name in USER_FILES:
        for _, fields in lines(files.get(name, b""), name):
            if len(fields) > 3:
                user, age, sex, occupation = fields[:4]
                if name == "users.dat":
                    age, sex = sex, age
                group = str(int(age) // 10 * 10) if age.isdigit() else age
                words[user] = [f"age {group}", f"sex {sex}", f"occupation {occupation}"]
    return [words.get(user, []) for user in index.users]
