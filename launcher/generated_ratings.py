"""Generated ratings in the format of MovieLens 100k, which no person gave: for a recommender without a download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from launcher import files

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NAME = "generated-ratings"
USERS, ITEMS, RATINGS = 600, 300, 30_000
SIZE = 600_000  # bytes, about
LICENSE = "none needed: no person's data"
_RANK = 3  # of the table of true ratings, beside a mean for each user and item
_GENRES = 18  # after `unknown`, which no item has
_OCCUPATIONS = ("artist", "engineer", "librarian", "student")
_NOISE = 0.6  # standard deviation of a rating about the true one, before it is rounded
_README = (
    f"{RATINGS:,} ratings of {ITEMS} items by {USERS} users, in the files and format of MovieLens 100k. All of it is\n"
    f"generated: rounded values of a table of rank {_RANK} and noise. Nothing here was said by a person.\n"
)


def write(directory: Path) -> None:
    """Writes u.data, u.item, u.user and a README, the same on every machine. Raises OSError when the disk is full.

    A user likes what the genres of an item and the user's occupation make likely, and rates what is popular or liked.
    """
    import numpy as np

    # numpy promises that this old generator's stream never changes; default_rng's may.
    random = np.random.RandomState(0)
    genres = random.random_sample((ITEMS, _GENRES)) < 0.1
    genres[np.arange(ITEMS), random.randint(_GENRES, size=ITEMS)] = True
    occupations = random.randint(len(_OCCUPATIONS), size=USERS)
    items = (genres @ random.normal(size=(_GENRES, _RANK))) / np.sqrt(genres.sum(axis=1, keepdims=True))
    items += 0.5 * random.normal(size=items.shape)
    users = 0.5 * random.normal(size=(len(_OCCUPATIONS), _RANK))[occupations] + 0.5 * random.normal(size=(USERS, _RANK))
    liking = users @ items.T
    table = 2.9 + liking + 0.35 * random.normal(size=(USERS, 1)) + 0.45 * random.normal(size=ITEMS)
    pairs = _chosen(liking, random)
    values = table[pairs[:, 0], pairs[:, 1]] + _NOISE * random.normal(size=len(pairs))
    ratings = np.clip(np.rint(values), 1, 5).astype(int)
    times = 880_000_000 + np.arange(len(pairs))
    lines = (f"{user + 1}\t{item + 1}\t{rating}\t{time}" for (user, item), rating, time in zip(pairs, ratings, times))
    _write(directory / "u.data", lines)
    years = random.randint(1930, 2000, size=ITEMS)
    _write(directory / "u.item", (_item(i, year, flags) for i, (year, flags) in enumerate(zip(years, genres), 1)))
    ages, sexes = random.randint(15, 70, size=USERS), random.randint(2, size=USERS)
    people = enumerate(zip(ages, sexes, occupations), 1)
    _write(directory / "u.user", (f"{i}|{age}|{'FM'[sex]}|{_OCCUPATIONS[o]}|00000" for i, (age, sex, o) in people))
    _write(directory / "README", [_README.rstrip()])


def _chosen(liking: npt.NDArray[np.float64], random: np.random.RandomState) -> npt.NDArray[np.intp]:
    """Pairs of a user and an item (RATINGS, 2), in a random order, each once: popular items and liked ones first.

    The largest of logarithms with Gumbel noise are a draw without replacement.
    """
    import numpy as np

    popularity = -0.7 * np.log(1 + random.permutation(ITEMS))
    keys = popularity + 0.7 * liking + random.gumbel(size=liking.shape)
    each = RATINGS // USERS
    items = np.argsort(-keys, axis=1, kind="stable")[:, :each]
    pairs = np.column_stack([np.repeat(np.arange(USERS), each), items.ravel()])
    shuffled: npt.NDArray[np.intp] = pairs[random.permutation(len(pairs))]
    return shuffled


def _item(number: int, year: int, flags: npt.NDArray[np.bool_]) -> str:
    genres = "|".join("01"[int(flag)] for flag in flags)
    return f"{number}|Generated {number:03} ({year})|01-Jan-{year}|||0|{genres}"


def _write(path: Path, lines: Iterable[str]) -> None:
    files.write_atomic(path, ("\n".join(lines) + "\n").encode())
