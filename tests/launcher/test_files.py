"""Files are there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from launcher import files


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "status.json"
    with files.atomic(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["status.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "status.json"
    path.write_text("old")

    def write_half():
        with files.atomic(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "job.yaml").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(tmp_path / "job.yaml", "new")
    assert (tmp_path / "job.yaml").read_text() == "old"
    assert os.listdir(tmp_path) == ["job.yaml"]


def test_a_missing_directory_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_atomic(tmp_path / "missing" / "file", "x")


def test_text_is_written_as_utf8_and_bytes_as_they_are(tmp_path):
    files.write_atomic(tmp_path / "text", "größer\n")
    files.write_atomic(tmp_path / "bytes", b"\xff\x00")
    assert (tmp_path / "text").read_bytes() == "größer\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\xff\x00"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        files.write_atomic(tmp_path / "file", "x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_reader_sees_one_content_or_another_and_never_a_half(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([letter]) * 300_000 for letter in b"abcd"]
    files.write_atomic(path, contents[0])

    def write(content):
        for _ in range(10):
            files.write_atomic(path, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_bytes())
    assert seen <= set(contents)
    assert os.listdir(tmp_path) == ["file"]
