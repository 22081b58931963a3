"""What of a directory travels to the hosts: all but litter, and what its file `.glaunchignore` names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from launcher import home
from launcher.errors import UserError

FILE = ".glaunchignore"
_LITTER = {FILE, "__pycache__", ".git", ".hg", ".svn", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache",
           ".ruff_cache", ".DS_Store"}  # fmt: skip


def travelling(directory: Path) -> list[Path]:
    """The files and directories that travel, relative to `directory`, in order, a directory before what is in it.

    Links are followed; one that leads nowhere, as an editor's lock, stays. The patterns in `.glaunchignore` are those
    of git's ignore files; what is below a directory that is left out cannot be taken in again.

    Raises:
        UserError: the ignore file cannot be read or has a pattern that is none, or a link leads back to where it is.
        OSError: a directory cannot be read.
    """
    return list(_walk(directory, Path(), _is_ignored(directory), frozenset()))


def _walk(root: Path, below: Path, is_ignored: Callable[[str], bool], ancestors: frozenset[Path]) -> Iterator[Path]:
    real = (root / below).resolve()
    if real in ancestors:
        raise UserError(f"{root / below} leads back to a directory that it is in: remove this link")
    runs = home.runs_directory().resolve()  # a copy inside its own source would never end
    for name in sorted(os.listdir(real)):
        path, place = below / name, root / below / name
        if name in _LITTER or name.endswith(".pyc") or not place.exists():
            continue
        if place.is_dir():
            if place.resolve() != runs and not is_ignored(f"{path.as_posix()}/"):
                yield path
                yield from _walk(root, path, is_ignored, ancestors | {real})
        elif not is_ignored(path.as_posix()):
            yield path


def _is_ignored(directory: Path) -> Callable[[str], bool]:
    """Tells of a path below the directory, with a slash at the end if it is a directory, whether a pattern names it."""
    path = directory / FILE
    if not path.is_file():
        return lambda _: False
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(path.read_text("utf-8").splitlines()).match_file
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
