"""Where runs, endpoints, configuration and cached data are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from launcher.errors import UserError


def runs_directory() -> Path:
    """The folder of run folders: `$GLAUNCH_HOME/runs`, else under the XDG data directory. May not exist yet.

    Raises:
        UserError: GLAUNCH_HOME is not set, and the user has no home directory.
    """
    return _directory("runs", "XDG_DATA_HOME", ".local/share")


def endpoints_directory() -> Path:
    """The folder of endpoint folders: `endpoints`, beside `runs`.

    Raises:
        UserError: as `runs_directory`.
    """
    return _directory("endpoints", "XDG_DATA_HOME", ".local/share")


def tunings_directory() -> Path:
    """The folder of the folders of searches for hyperparameters: `tunings`, beside `runs`.

    Raises:
        UserError: as `runs_directory`.
    """
    return _directory("tunings", "XDG_DATA_HOME", ".local/share")


def buckets_directory() -> Path:
    """The folder that stands for S3 where a program runs without AWS: `s3`, beside `runs`.

    Raises:
        UserError: as `runs_directory`.
    """
    return _directory("s3", "XDG_DATA_HOME", ".local/share")


def profiles_directory() -> Path:
    """The folder of configuration files: `$GLAUNCH_HOME/profiles`, else under the XDG configuration directory.

    Raises:
        UserError: as `runs_directory`.
    """
    return _directory("profiles", "XDG_CONFIG_HOME", ".config")


def cache_directory() -> Path:
    """What can be made or downloaded again: `$GLAUNCH_HOME/cache`, else under the XDG cache directory.

    Raises:
        UserError: as `runs_directory`.
    """
    return _directory("cache", "XDG_CACHE_HOME", ".cache")


def _directory(kind: str, xdg_variable: str, xdg_default: str) -> Path:
    home = os.environ.get("GLAUNCH_HOME")
    try:
        if home:
            return Path(home).expanduser().absolute() / kind
        base = os.environ.get(xdg_variable) or Path.home() / xdg_default
    except RuntimeError as error:
        raise UserError(f"no place for runs and data ({error}): set GLAUNCH_HOME to a directory") from None
    return Path(base).absolute() / "glaunch" / kind
