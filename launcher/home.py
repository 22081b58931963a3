"""Where runs and cached data are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def _directory(kind: str, xdg_variable: str, xdg_default: str) -> Path:
    home = os.environ.get("GLAUNCH_HOME")
    if home:
        return Path(home).expanduser().absolute() / kind
    base = os.environ.get(xdg_variable) or Path.home() / xdg_default
    return Path(base) / "glaunch" / kind


def runs_directory() -> Path:
    """The folder of run folders: `$GLAUNCH_HOME/runs`, else under the XDG data directory. May not exist yet."""
    return _directory("runs", "XDG_DATA_HOME", ".local/share")


def cache_directory() -> Path:
    """What can be made or downloaded again: `$GLAUNCH_HOME/cache`, else under the XDG cache directory."""
    return _directory("cache", "XDG_CACHE_HOME", ".cache")
