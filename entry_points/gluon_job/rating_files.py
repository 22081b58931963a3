"""The files of a channel that say who rated what, and what describes users and items."""

import csv
import json
import os
from typing import Dict, Iterator, List, Mapping, Tuple

from gluon_job.cluster import Cluster
from gluon_job.datasets import channel, check_channels

SPLITS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")  # of MovieLens 100k
ITEM_FILES, USER_FILES = ("u.item", "movies.dat", "movies.csv"), ("u.user", "users.dat")
_CHANNELS = ("training", "validation")
_SEPARATORS = {".dat": "::", ".csv": ",", ".item": "|", ".user": "|"}  # a tab, otherwise

Files = Dict[str, bytes]  # by name


def read(channel_input_dirs: Mapping[str, str]) -> Dict[str, Files]:
    """The content of the files of each channel that may be of use.

    Raises:
        InputError: no channel `training`, or one that would go unread.
    """
    channel(channel_input_dirs, "training")
    check_channels(channel_input_dirs, _CHANNELS)
    return {name: _files(directory) for name, directory in channel_input_dirs.items()}


def gather(cluster: Cluster, files: Files) -> Files:
    """All files of all hosts, where each has some of them."""
    index = [
        json.loads(names) for names in cluster.gather("names", json.dumps({n: len(files[n]) for n in files}).encode())
    ]
    found = {}
    for sizes, content in zip(index, cluster.gather("files", b"".join(files.values()))):
        begin = 0
        for name, size in sizes.items():
            found[name] = content[begin : begin + size]
            begin += size
    return dict(sorted(found.items()))


def lines(content: bytes, name: str) -> Iterator[Tuple[int, List[str]]]:
    """The numbers and the fields of the lines that are not empty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # as MovieLens has its titles
    separator = _SEPARATORS.get(os.path.splitext(name)[1], "\t")
    found = text.splitlines()
    # csv takes one character, and only files with quotes need it: splitting is several times as fast.
    if separator == "," and '"' in text:
        return ((number, fields) for number, fields in enumerate(csv.reader(found), 1) if fields)
    return ((number, line.split(separator)) for number, line in enumerate(found, 1) if line.strip())


def _files(directory: str) -> Files:
    found = {}
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        stem, suffix = os.path.splitext(name)
        used = name in (*ITEM_FILES, *USER_FILES) or suffix == ".csv" or name in ("u.data", "ratings.dat")
        if used or (stem in SPLITS and suffix in (".base", ".test")):
            with open(os.path.join(directory, name), "rb") as file:
                found[name] = file.read()
    return found
