"""The data that the labs take: samples, or all there is."""

from __future__ import annotations

import os
from pathlib import Path

from launcher import data, generated_ratings
from launcher.errors import UserError
from launcher.made import SAMPLE

VARIABLE = "GLAUNCH_LABS_DATA"
_SAMPLES = {"mnist": SAMPLE, "fashion-mnist": SAMPLE, "movielens-100k": generated_ratings.NAME}


def is_full() -> bool:
    """Whether the labs take all data: with GLAUNCH_LABS_DATA=full, or a directory that has them."""
    return bool(os.environ.get(VARIABLE))


def folder(name: str) -> Path:
    """The directory of a data set of the labs.

    That is its sample, but for clothes, which have none: those that this machine has, or else digits. With
    GLAUNCH_LABS_DATA=full it is the whole data set, which is downloaded unless this machine has it, and with
    GLAUNCH_LABS_DATA=DIR it is DIR/NAME.

    Args:
        name: `mnist`, `fashion-mnist` or `movielens-100k`.

    Raises:
        UserError: GLAUNCH_LABS_DATA is neither `full` nor a directory with one of that name, or the data set's sample
            needs a package that is not installed.
        JobFailed: the data set cannot be downloaded.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        here = data.locate(name) if name == "fashion-mnist" else None
        return here or data.get(_SAMPLES[name])
    if wanted == "full":
        return data.locate(name) or data.get(name)
    place = Path(wanted).expanduser() / name
    if not place.is_dir():
        raise UserError(f"{VARIABLE} is {wanted!r}: give `full`, or a directory that has {name} in it")
    return place
