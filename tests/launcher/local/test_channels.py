"""The files of a channel reach a host as links in directories of its own."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launcher.errors import UserError
from launcher.local import channels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    source = tmp_path / "data"
    for name in ("b/2.txt", "a.txt", "b/deep/3.txt", ".hidden"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "nothing").mkdir()
    return source


def test_the_tree_holds_every_file_hidden_ones_too_and_no_empty_directory(data: Path, tmp_path: Path) -> None:
    channels.link(channels.files("training", data), tmp_path / "tree")
    found = sorted(str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*"))
    assert found == [".hidden", "a.txt", "b", "b/2.txt", "b/deep", "b/deep/3.txt"]
    assert (tmp_path / "tree" / "b" / "deep" / "3.txt").read_text() == "b/deep/3.txt"


def test_a_script_that_adds_and_deletes_files_leaves_the_users_data_alone(data: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    channels.link(channels.files("training", data), tree)
    (tree / "a.txt").unlink()
    (tree / "b" / "2.txt").rename(tree / "b" / "renamed")
    (tree / "b" / "deep" / "new").write_text("new")
    assert (data / "a.txt").exists()
    assert sorted(os.listdir(data / "b")) == ["2.txt", "deep"]
    assert os.listdir(data / "b" / "deep") == ["3.txt"]


def test_a_single_file_is_put_into_the_channel_by_its_name(data: Path, tmp_path: Path) -> None:
    channels.link(channels.files("training", data / "a.txt"), tmp_path / "tree")
    assert os.listdir(tmp_path / "tree") == ["a.txt"]
    assert (tmp_path / "tree" / "a.txt").read_text() == "a.txt"


def test_a_directory_behind_a_link_is_part_of_the_channel(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far").write_text("far")
    (data / "linked").symlink_to(tmp_path / "elsewhere")
    assert "linked/far" in channels.files("training", data)


def test_shards_share_out_the_files_in_the_order_of_s3_keys(tmp_path: Path) -> None:
    for name in ("z", "ä", "B", "a/1", "a.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    found = channels.files("training", tmp_path / "data")
    assert list(found) == ["B", "a.txt", "a/1", "z", "ä"]
    assert [list(channels.shard(found, index, 2)) for index in range(2)] == [["B", "a/1", "ä"], ["a.txt", "z"]]


def test_a_host_beyond_the_last_file_gets_an_empty_channel(data: Path, tmp_path: Path) -> None:
    found = channels.files("training", data / "a.txt")
    channels.link(channels.shard(found, 1, 2), tmp_path / "tree")
    assert os.listdir(tmp_path / "tree") == []


def test_names_that_are_not_utf8_and_odd_ones_are_linked(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    names = [b"\xff\xfe", b"new\nline", b"-rf", "naïve £.csv".encode()]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path / "data"), name), "wb") as file:
            file.write(name)
    channels.link(channels.files("training", tmp_path / "data"), tmp_path / "tree")
    assert sorted(os.listdir(os.fsencode(tmp_path / "tree"))) == sorted(names)


def test_an_empty_directory_is_refused_with_channel_and_directory(tmp_path: Path) -> None:
    (tmp_path / "data" / "inner").mkdir(parents=True)
    with pytest.raises(UserError, match=rf"'validation'.*no file in '{tmp_path}/data'"):
        channels.files("validation", tmp_path / "data")


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"'training'.*'{tmp_path}/data'"):
        channels.files("training", tmp_path / "data")


def test_a_broken_link_is_refused_by_name(data: Path) -> None:
    (data / "b" / "gone").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"'training'.*/b/gone' is a broken link"):
        channels.files("training", data)


def test_a_broken_link_whose_name_is_not_utf8_gives_a_message_that_can_be_printed(data: Path) -> None:
    os.symlink(b"nowhere", os.path.join(os.fsencode(data), b"\xff"))
    with pytest.raises(UserError, match="broken link") as caught:
        channels.files("training", data)
    assert str(caught.value).encode()


@pytest.mark.timeout(20)
def test_a_directory_that_contains_itself_is_refused(data: Path) -> None:
    (data / "b" / "again").symlink_to(data)
    with pytest.raises(UserError, match=r"'training'.*/b/again' leads back"):
        channels.files("training", data)


def test_what_is_neither_file_nor_directory_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(UserError, match=r"/s' is neither"):
            channels.files("training", data)


@contextmanager
def _without_privileges() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize("name", ["b", "a.txt"])
def test_what_may_not_be_read_is_refused_by_name(name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:  # anyone can reach it; only its owner a test's own
        data = Path(directory)
        data.chmod(0o755)
        (data / "b").mkdir()
        (data / "a.txt").write_text("a")
        (data / name).chmod(0)
        with _without_privileges(), pytest.raises(UserError, match=rf"'training'.*/{name}'"):
            channels.files("training", data)
        (data / name).chmod(0o700)


@pytest.mark.parametrize("name", [".", ".."])
def test_a_channel_cannot_lead_out_of_the_data_directory(data: Path, name: str) -> None:
    with pytest.raises(UserError, match="named"):
        channels.files(name, data)
