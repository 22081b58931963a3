"""Archives depend on content alone, follow links, and are whole or not there."""

from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest

from launcher import archive
from launcher.errors import UserError


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


@pytest.fixture
def packed(tmp_path):
    """`packed(*members)`: a gzipped tar file of (name, content) pairs or TarInfos, whatever they say."""

    def make(*contents):
        path = tmp_path / "evil.tar.gz"
        with tarfile.open(path, "w:gz") as made:
            for content in contents:
                if isinstance(content, tarfile.TarInfo):
                    made.addfile(content)
                else:
                    member = tarfile.TarInfo(content[0])
                    member.size = len(content[1])
                    made.addfile(member, io.BytesIO(content[1]))
        return path

    return make


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_what_was_packed_is_extracted(model, tmp_path):
    archive.pack(model("a"), tmp_path / "model.tar.gz")
    archive.extract(tmp_path / "model.tar.gz", tmp_path / "b")
    archive.pack(tmp_path / "b", tmp_path / "again.tar.gz")
    assert (tmp_path / "again.tar.gz").read_bytes() == (tmp_path / "model.tar.gz").read_bytes()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_inside_an_archive_becomes_a_copy(packed, tmp_path, kind):
    target = "weights" if kind == tarfile.SYMTYPE else "code/weights"
    path = packed(("code/weights", b"123"), link("code/same", target, kind))
    archive.extract(path, tmp_path / "b")
    assert (tmp_path / "b" / "code" / "same").read_bytes() == b"123"
    assert not (tmp_path / "b" / "code" / "same").is_symlink()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../outside", b"x")], r"'\.\./outside' lies outside it"),
        ([("a/../../outside", b"x")], "lies outside it"),
        ([("/tmp/outside", b"x")], "lies outside it"),
        ([link("a", "/etc/passwd")], "neither a file nor a link to one inside it"),
        ([link("a", "../../outside")], "neither a file nor a link"),
        ([link("a", "outside", tarfile.LNKTYPE)], "neither a file nor a link"),
        ([link("a", "."), ("a/b", b"x")], "neither a file nor a link"),
        ([link("a", "b"), link("b", "a")], "that can be extracted"),
        ([link("a", "", tarfile.FIFOTYPE)], "neither a file nor a link"),
        ([link("a", "", tarfile.CHRTYPE)], "neither a file nor a link"),
        ([("a", b"x"), ("a/b", b"x")], "that can be extracted"),
        ([("a" * 300, b"x")], "that can be extracted"),
        ([("a", b"x" * 2000)], "more than a model does"),
        ([("a", b"x" * 600), ("b", b"x" * 600)], "more than a model does"),
    ],
)
def test_an_archive_that_cannot_be_trusted_leaves_nothing(packed, tmp_path, members, reason):
    path = packed(("first", b"1"), *members)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=reason):
        archive.extract(path, tmp_path / "b", limit=1000)
    assert set(tmp_path.rglob("*")) == before


def test_a_sparse_member_counts_with_the_zeros_it_would_write(tmp_path):
    member = tarfile.TarInfo("zeros")
    member.size = 2**40
    header = member.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header + bytes(10240)))
    with pytest.raises(UserError, match="can be extracted"):
        archive.extract(tmp_path / "a.tar.gz", tmp_path / "b", limit=1000)
    assert not (tmp_path / "b").exists()


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path):
    member = tarfile.TarInfo("././@PaxHeader")
    member.type, member.size = tarfile.XHDTYPE, 2**33 - 1
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(member.tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(2**25))
    with pytest.raises(UserError, match=r"a header of 8,589,934,592 bytes"):
        archive.extract(tmp_path / "a.tar.gz", tmp_path / "b")


def test_a_damaged_archive_leaves_nothing(model, tmp_path):
    archive.pack(model("a"), tmp_path / "model.tar.gz")
    content = (tmp_path / "model.tar.gz").read_bytes()
    for size in (0, 5, len(content) // 2, len(content) - 9):
        (tmp_path / "part.tar.gz").write_bytes(content[:size])
        with pytest.raises(UserError, match=r"part\.tar\.gz is no model\.tar\.gz that can be extracted"):
            archive.extract(tmp_path / "part.tar.gz", tmp_path / "b")
        assert not (tmp_path / "b").exists()
