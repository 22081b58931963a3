"""Where runs and cached data are kept."""

from __future__ import annotations

import pytest

from launcher import home as kept
from launcher.errors import UserError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A user who has not set anything, with a home directory in tmp_path."""
    for name in ("GLAUNCH_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_runs_and_cache_are_in_the_users_own_directories(elsewhere):
    assert kept.runs_directory() == elsewhere / ".local/share/glaunch/runs"
    assert kept.cache_directory() == elsewhere / ".cache/glaunch/cache"


def test_the_xdg_directories_are_respected(elsewhere, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(elsewhere / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert kept.runs_directory() == elsewhere / "data/glaunch/runs"
    assert kept.cache_directory() == elsewhere / ".cache/glaunch/cache"


def test_glaunch_home_goes_before_everything(elsewhere, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(elsewhere / "data"))
    monkeypatch.setenv("GLAUNCH_HOME", "~/jobs")
    assert kept.runs_directory() == elsewhere / "jobs/runs"
    assert kept.cache_directory() == elsewhere / "jobs/cache"


@pytest.mark.parametrize("variable", ["GLAUNCH_HOME", "XDG_DATA_HOME"])
def test_a_relative_directory_becomes_absolute(elsewhere, monkeypatch, variable):
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv(variable, "here")
    assert kept.runs_directory().is_relative_to(elsewhere / "here")


def test_nothing_is_made_by_asking(elsewhere):
    kept.runs_directory()
    kept.cache_directory()
    assert list(elsewhere.iterdir()) == []


def test_a_home_of_an_unknown_user_is_refused_with_what_to_set(monkeypatch):
    monkeypatch.setenv("GLAUNCH_HOME", "~no-such-user/jobs")
    with pytest.raises(UserError, match="set GLAUNCH_HOME to a directory"):
        kept.runs_directory()
