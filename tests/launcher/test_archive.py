"""Archives depend on content alone, follow links, and are whole or not there."""

from __future__ import annotations

import os
import tarfile

import pytest

from launcher import archive


@pytest.fixture
def model(tmp_path):
    """`model(directory, names)`: a directory with a few files, written in that order."""

    def make(directory, names=("model-symbol.json", "code/net.py", "code/empty/", "weights", "ä")):
        for name in names:
            path = tmp_path / directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.write_text(name * 100)
        return tmp_path / directory

    return make


def members(path):
    """The content of each file, and None for each directory, by the member's name."""
    with tarfile.open(path) as packed:
        return {m.name: packed.extractfile(m).read().decode() if m.isfile() else None for m in packed.getmembers()}


def test_an_archive_holds_what_the_directory_holds(model, tmp_path):
    archive.pack(model("a"), tmp_path / "model.tar.gz")
    assert members(tmp_path / "model.tar.gz") == {
        "code": None,
        "code/empty": None,
        "code/net.py": "code/net.py" * 100,
        "model-symbol.json": "model-symbol.json" * 100,
        "weights": "weights" * 100,
        "ä": "ä" * 100,
    }


def test_the_same_content_gives_the_same_bytes(model, tmp_path):
    first = model("a")
    archive.pack(first, tmp_path / "1.tar.gz")
    second = model("another-name", ("ä", "weights", "code/empty/", "code/net.py", "model-symbol.json"))
    for number, path in enumerate(sorted(second.rglob("*"))):
        os.utime(path, (number, number))
        path.chmod(0o700)
        if os.getuid() == 0:
            os.chown(path, 1000 + number, 1000)
    archive.pack(second, tmp_path / "2.tar.gz")
    archive.pack(second, tmp_path / "elsewhere.tar.gz")
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "elsewhere.tar.gz").read_bytes()


def test_other_content_gives_other_bytes(model, tmp_path):
    directory = model("a")
    archive.pack(directory, tmp_path / "1.tar.gz")
    (directory / "weights").write_text("other")
    archive.pack(directory, tmp_path / "2.tar.gz")
    assert (tmp_path / "1.tar.gz").read_bytes() != (tmp_path / "2.tar.gz").read_bytes()


def test_the_names_are_sorted_relative_and_of_nobody(model, tmp_path):
    archive.pack(model("a"), tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as packed:
        found = packed.getmembers()
    names = [member.name for member in found]
    assert names == sorted(names)
    assert not any(name.startswith("/") or ".." in name for name in names)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found} == {(0, 0, "", "", 0)}
    assert {(m.isdir(), m.mode) for m in found} == {(True, 0o755), (False, 0o644)}


def test_links_are_followed(model, tmp_path):
    directory = model("a")
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (tmp_path / "outside" / "deep" / "file").write_text("far")
    (directory / "best").symlink_to("weights")
    (directory / "linked").symlink_to(tmp_path / "outside")
    os.link(directory / "weights", directory / "hard")
    archive.pack(directory, tmp_path / "model.tar.gz")
    found = members(tmp_path / "model.tar.gz")
    assert found["best"] == found["hard"] == found["weights"] == "weights" * 100
    assert found["linked/deep/file"] == "far"
    with tarfile.open(tmp_path / "model.tar.gz") as packed:
        assert not any(member.issym() or member.islnk() for member in packed)


@pytest.mark.parametrize("target", [".", "..", "nowhere"])
def test_a_link_without_an_end_is_refused_and_the_old_archive_stays(model, tmp_path, target):
    directory = model("a")
    (directory / "code" / "link").symlink_to(target)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.tar.gz").write_text("old")
    with pytest.raises(OSError, match="code/link"):
        archive.pack(directory, tmp_path / "out" / "model.tar.gz")
    assert os.listdir(tmp_path / "out") == ["model.tar.gz"]
    assert (tmp_path / "out" / "model.tar.gz").read_text() == "old"


def test_an_empty_directory_gives_an_empty_archive(tmp_path):
    (tmp_path / "empty").mkdir()
    archive.pack(tmp_path / "empty", tmp_path / "model.tar.gz")
    assert members(tmp_path / "model.tar.gz") == {}
