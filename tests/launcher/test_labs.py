"""The data of the labs: samples, unless the user asks for all there is."""

from __future__ import annotations

import pytest

from launcher import data, labs
from launcher.errors import UserError


@pytest.mark.parametrize(("name", "sample"), [("mnist", "mnist-sample"), ("movielens-100k", "generated-ratings")])
def test_the_labs_take_samples(monkeypatch, home, name, sample):
    monkeypatch.delenv(labs.VARIABLE, raising=False)
    assert labs.folder(name) == home / "cache" / sample
    assert not labs.is_full()


def test_clothes_are_taken_from_this_machine_and_else_are_digits(monkeypatch, home, tmp_path):
    monkeypatch.delenv(labs.VARIABLE, raising=False)
    monkeypatch.setattr(data, "locate", lambda name: {"fashion-mnist": tmp_path}[name])
    assert labs.folder("fashion-mnist") == tmp_path
    monkeypatch.setattr(data, "locate", lambda _: None)
    assert labs.folder("fashion-mnist") == home / "cache" / "mnist-sample"


def test_all_data_are_downloaded_unless_they_are_here(monkeypatch, tmp_path):
    here = {"mnist": tmp_path / "here"}
    monkeypatch.setenv(labs.VARIABLE, "full")
    monkeypatch.setattr(data, "locate", here.get)
    monkeypatch.setattr(data, "get", lambda name: tmp_path / "downloaded" / name)
    assert labs.is_full()
    assert labs.folder("mnist") == tmp_path / "here"
    assert labs.folder("fashion-mnist") == tmp_path / "downloaded" / "fashion-mnist"


def test_all_data_may_be_in_a_directory(monkeypatch, tmp_path):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv(labs.VARIABLE, str(tmp_path))
    assert labs.is_full()
    assert labs.folder("mnist") == tmp_path / "mnist"
    with pytest.raises(UserError, match="give `full`, or a directory that has movielens-100k in it"):
        labs.folder("movielens-100k")
