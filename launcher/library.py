"""The entry points that come with glaunch, and what a user's word for a script means."""

from __future__ import annotations

import difflib
import os.path
from pathlib import Path

from launcher.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def directory() -> Path:
    """Where the entry points are: inside the installed package, or at the top of a checkout."""
    installed = _PACKAGE / "entry_points"
    return installed if installed.is_dir() else _PACKAGE.parent / "entry_points"


def built_in() -> dict[str, Path]:
    """The built-in entry points by name."""
    return {path.stem: path for path in sorted(directory().glob("*.py")) if not path.stem.startswith("_")}


def find_script(word: str, relative_to: Path | None = None) -> Path:
    """The script that a built-in name or a path means, absolute.

    Args:
        word: `mnist_mlp`, or a path.
        relative_to: the directory a path is relative to; the working directory by default.

    Raises:
        UserError: neither a built-in name nor an existing file; the nearest name is suggested.
    """
    scripts = built_in()
    if word in scripts:
        return scripts[word]
    path = (relative_to or Path.cwd()) / os.path.expanduser(word)
    if os.path.isfile(path):
        return path.parent.resolve() / path.name  # a script that is a link keeps its name, and its neighbours
    if path.suffix == ".py" or "/" in word:
        raise UserError(f"no script {path}")
    nearest = difflib.get_close_matches(word, scripts, n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    raise UserError(f"no entry point {word!r}{hint}: give {', '.join(scripts)}, a .py script or a .yaml job file")
