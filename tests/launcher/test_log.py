"""A log keeps its beginning and its end, and can be read while it grows."""

from __future__ import annotations

import itertools
import threading

import pytest

from launcher import log


def follow(path, is_over, **options):
    """The lines of one file."""
    return (line for _, line in log.follow({"log": path}, is_over, **options))


def test_the_lines_of_several_files_are_told_apart(tmp_path):
    (tmp_path / "a").write_text("1\n2")
    (tmp_path / "b").write_text("3\n")
    found = list(log.follow({"a": tmp_path / "a", "b": tmp_path / "b", "c": tmp_path / "c"}, lambda: True))
    assert found == [("a", "1"), ("a", "2"), ("b", "3")]


def written(path, chunks, head, tail):
    writer = log.LogWriter(path, head=head, tail=tail)
    for chunk in chunks:
        writer.write(chunk)
    writer.close()
    return path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 109, 110])
def test_what_fits_is_written_whole(tmp_path, size):
    content = bytes(itertools.islice(itertools.cycle(b"0123456789\n"), size))
    chunks = [content[i : i + 7] for i in range(0, size, 7)]
    assert written(tmp_path / "log", chunks, head=100, tail=10) == content


@pytest.mark.parametrize("chunk_size", [1, 3, 64, 1000, 5000])
@pytest.mark.parametrize("size", [151, 200, 1111, 5000])
def test_beyond_the_limit_the_beginning_and_the_end_are_kept_and_the_rest_is_counted(tmp_path, size, chunk_size):
    content = bytes(itertools.islice(itertools.cycle(b"abcdefghijklmnopqrstuvwxyz"), size))
    chunks = [content[i : i + chunk_size] for i in range(0, size, chunk_size)]
    found = written(tmp_path / "log", chunks, head=100, tail=50)
    note = f"\n[glaunch] {size - 150:,} bytes of output are left out here\n".encode()
    assert found == content[:100] + note + content[-50:]


def test_output_without_end_takes_the_room_of_its_limits(tmp_path):
    line = b"the same line again and again\n" * 100
    found = written(tmp_path / "log", itertools.repeat(line, 10_000), head=20_000, tail=10_000)
    assert found.startswith(line)
    assert found.endswith(line)
    assert b"\n[glaunch] 29,970,000 bytes of output are left out here\n" in found
    assert len(found) < 30_100


def test_the_log_can_be_read_before_it_is_closed(tmp_path):
    writer = log.LogWriter(tmp_path / "log", head=100, tail=10)
    writer.write(b"begun\n")
    assert (tmp_path / "log").read_bytes() == b"begun\n"
    writer.close()


def test_what_the_log_has_already_stays(tmp_path):
    (tmp_path / "log").write_bytes(b"installed\n")
    assert written(tmp_path / "log", [b"begun\n"], head=100, tail=10) == b"installed\nbegun\n"


def test_a_full_disk_is_reported_and_what_was_written_stays(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    writer = log.LogWriter(tmp_path / "full", head=3, tail=10)
    with pytest.raises(OSError, match="No space left"):
        writer.write(b"abcdef")
    with pytest.raises(OSError, match="No space left"):
        writer.write(b"abcdef")


def test_every_complete_line_of_a_file_is_read(tmp_path):
    (tmp_path / "log").write_bytes("one\n\ngrößer\r\n \tfour\nlast".encode())
    assert list(follow(tmp_path / "log", lambda: True)) == ["one", "", "größer", " \tfour", "last"]


def test_a_file_that_never_comes_has_no_lines(tmp_path):
    assert list(follow(tmp_path / "log", lambda: True)) == []


def test_an_invalid_byte_does_not_end_the_reading(tmp_path):
    (tmp_path / "log").write_bytes(b"a\xffb\n\xc3\nend\n")
    assert list(follow(tmp_path / "log", lambda: True)) == ["a\ufffdb", "\ufffd", "end"]


def test_a_file_that_appears_late_and_grows_in_pieces_is_followed(tmp_path):
    path, over = tmp_path / "log", threading.Event()
    lines = follow(path, over.is_set, poll=0.001)
    threading.Timer(0.05, path.write_bytes, [b"one\ntw"]).start()
    assert next(lines) == "one"

    def add(content):
        with path.open("ab") as file:
            file.write(content)

    threading.Timer(0.05, add, [b"o\nthree\r"]).start()
    assert next(lines) == "two"
    threading.Timer(0.05, add, ["\n ä".encode()[:-1]]).start()
    assert next(lines) == "three"
    add("ä".encode()[-1:] + b"\nrest")
    over.set()
    assert list(lines) == [" ä", "rest"]


def test_what_is_written_just_before_the_end_is_read(tmp_path):
    (tmp_path / "log").write_text("one\n")

    def is_over():
        with (tmp_path / "log").open("a") as file:
            file.write("late\n")
        return True

    assert list(follow(tmp_path / "log", is_over)) == ["one", "late"]


def test_a_line_longer_than_any_buffer_stays_in_one_piece(tmp_path):
    (tmp_path / "log").write_bytes(b"x" * 3_000_000 + b"\nend\n")
    long, end = follow(tmp_path / "log", lambda: True)
    assert len(long) == 3_000_000
    assert end == "end"


def test_a_reader_goes_on_where_it_is(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    reader = log.LogReader(path)
    assert list(log.follow({"a": reader}, lambda: True)) == [("a", "one"), ("a", "two")]
    with path.open("a") as file:
        file.write("three\n")
    assert list(log.follow({"a": reader}, lambda: True)) == [("a", "three")]
