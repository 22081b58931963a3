"""Ratings that a recommender learns in a moment: two kinds of users, each of whom likes one kind of films."""

from __future__ import annotations

from pathlib import Path

import numpy as np

USERS, FILMS = 24, 16


def rate(seed: int = 0, share: float = 0.6) -> list[tuple[int, int, int]]:
    """User, film and rating of a share of all pairs, from 1: users and films of the same parity go together."""
    random = np.random.RandomState(seed)
    return [
        (
            user,
            film,
            (5 if user % 2 == film % 2 else 1) + (0 if random.rand() < 0.8 else 1 - 2 * (user % 2 == film % 2)),
        )
        for user in range(1, USERS + 1)
        for film in range(1, FILMS + 1)
        if random.rand() < share
    ]


def write(directory: Path) -> Path:
    """Writes u.data, u1.base, u1.test, u.item and u.user."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = rate()
    lines = [f"{user}\t{film}\t{rating}\t88\n" for user, film, rating in rows]
    (directory / "u.data").write_text("".join(lines))
    (directory / "u1.base").write_text("".join(lines[::2] + lines[1::4]))
    (directory / "u1.test").write_text("".join(lines[3::4]))
    genres = {0: "0|1|" + "0|" * 16 + "0", 1: "0|" * 5 + "1|" + "0|" * 12 + "0"}
    (directory / "u.item").write_text(
        "".join(f"{i}|Film Nr {i} (19{80 + i % 2 * 10})|||url|{genres[i % 2]}\n" for i in range(1, FILMS + 3)),
        "latin-1",
    )
    people = [f"{i}|{20 + i}|{'FM'[i % 2]}|{'engineer' if i % 2 else 'artist'}|0\n" for i in range(1, USERS + 1)]
    (directory / "u.user").write_text("".join(people))
    return directory
