"""What a user's word for a script means."""

from __future__ import annotations

import re

import pytest

from launcher import library
from launcher.errors import UserError


def test_the_entry_points_are_found_by_name():
    built_in = library.built_in()
    assert {"mnist_mlp", "mnist_cnn"} <= set(built_in)
    for name, path in built_in.items():
        assert path.is_absolute()
        assert path.name == f"{name}.py"
        assert library.find_script(name) == path


def test_gluon_job_lies_beside_the_entry_points():
    assert (library.directory() / "gluon_job" / "contract.py").is_file()
    assert "gluon_job" not in library.built_in()


def test_a_path_is_relative_to_the_working_directory_or_the_one_given(script, tmp_path, monkeypatch):
    path = script("print(1)\n")
    monkeypatch.chdir(tmp_path)
    assert library.find_script("scripts/script.py") == path
    assert library.find_script("script.py", path.parent) == path
    assert library.find_script(str(path), tmp_path / "anywhere") == path


def test_a_path_may_begin_with_the_home_directory(script, tmp_path, monkeypatch):
    path = script("print(1)\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert library.find_script("~/scripts/script.py") == path


def test_a_script_that_is_a_link_keeps_its_name_and_neighbours(script, tmp_path):
    target = script("print(1)\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "train.py").symlink_to(target)
    (tmp_path / "there").symlink_to(tmp_path / "here")
    assert library.find_script(str(tmp_path / "there" / "train.py")) == tmp_path / "here" / "train.py"


def test_a_file_without_an_ending_is_taken_as_it_is(script):
    assert library.find_script("train", script("", "train").parent).name == "train"


@pytest.mark.parametrize("word", ["missing.py", "no/such", "~no-such-user/train.py", "x" * 300 + ".py", "scripts/"])
def test_a_path_that_leads_nowhere_is_named(tmp_path, word):
    (tmp_path / "scripts").mkdir()
    with pytest.raises(UserError, match=re.escape(f"no script {tmp_path / word}")):
        library.find_script(word, tmp_path)


@pytest.mark.parametrize(("word", "nearest"), [("mnist_mpl", "mnist_mlp"), ("mnist-cnn", "mnist_cnn")])
def test_the_nearest_name_is_suggested(word, nearest):
    with pytest.raises(UserError, match=re.escape(f"no entry point {word!r} (did you mean {nearest}?)")):
        library.find_script(word)


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(UserError, match=r"no entry point 'xyzzy': give .*mnist_cnn, mnist_mlp, .*\.py script or a"):
        library.find_script("xyzzy")
