"""The files of a channel, and the tree of links through which a host sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from launcher.errors import UserError


def files(name: str, source: Path) -> dict[str, str]:
    """Every file that uploading the channel's source would put in S3, hidden ones too.

    Args:
        name: the channel's, for the messages.
        source: a directory, searched through its links, or a single file.

    Returns:
        The path of each file by its path relative to the channel, in the order of S3's keys (by bytes).

    Raises:
        UserError: the source is missing, holds no file, or holds something that cannot be read.
    """
    if name in (".", ".."):
        raise UserError(f"a channel cannot be named {name!r}: its name becomes a directory's")
    try:
        if source.is_file():
            return {source.name: str(source)}
        found = dict(_walk(str(source), "", frozenset()))
    except OSError as error:
        raise UserError(f"channel {name!r}: cannot read {error.filename!r}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"channel {name!r}: {error}") from error
    if not found:
        raise UserError(f"channel {name!r}: there is no file in {str(source)!r}")
    return {key: found[key] for key in sorted(found, key=os.fsencode)}


def shard(found: Mapping[str, str], index: int, count: int) -> dict[str, str]:
    """What ShardedByS3Key gives host `index` of `count`: nothing, when there are fewer files than hosts."""
    return dict(list(found.items())[index::count])


def link(found: Mapping[str, str], directory: Path) -> None:
    """Makes the channel's tree under `directory`: real directories, whose files are symbolic links.

    A script that adds, renames or deletes files changes its own tree only. One that opens an existing file for
    writing would write through the link, into the user's data.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = {str(directory)}
    for key, path in found.items():
        place = os.path.join(directory, key)
        parent = os.path.dirname(place)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        os.symlink(path, place)


def _walk(directory: str, prefix: str, ancestors: frozenset[str]) -> Iterator[tuple[str, str]]:
    real = os.path.realpath(directory)
    if real in ancestors:
        raise ValueError(f"{directory!r} leads back to a directory that it is in; remove this link")
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/", ancestors | {real})
            elif not entry.is_file():
                what = "a broken link" if entry.is_symlink() else "neither a file nor a directory"
                raise ValueError(f"{entry.path!r} is {what}; remove it, or choose another directory")
            elif not os.access(entry.path, os.R_OK):
                raise ValueError(f"{entry.path!r} may not be read by you; change its permissions, or remove it")
            else:
                yield prefix + entry.name, entry.path
