"""Files become the bodies of requests, or are refused with the reason."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest

from launcher import idx, payload
from launcher.errors import UserError

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)


@pytest.fixture
def images(tmp_path):
    """An IDX file of 5 images of 2 x 3 pixels."""
    path = tmp_path / "t10k-images-idx3-ubyte"
    idx.write(path, IMAGES)
    return path


def array(read):
    assert read.content_type == "application/x-npy"
    return np.load(io.BytesIO(read.body))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.png", "image/png"),
        ("a.JPG", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("a.npy", "application/x-npy"),
        ("a.csv", "text/csv"),
        ("a.json", "application/json"),
        ("2026-01-01T10:00:00.json", "application/json"),
    ],
)
def test_a_file_is_sent_as_it_is_with_its_type(tmp_path, name, content_type):
    (tmp_path / name).write_bytes(b"\0\xff")
    assert payload.read(str(tmp_path / name)) == (b"\0\xff", content_type, str(tmp_path / name))


@pytest.mark.parametrize(
    ("span", "rows", "expected"),
    [
        ("", None, IMAGES[:1]),
        (":2", None, IMAGES[2:3]),
        (":0-4", None, IMAGES),
        (":3-3", None, IMAGES[3:4]),
        ("", "1:3", IMAGES[1:3]),
        ("", "1-3", IMAGES[1:4]),
        ("", "2:", IMAGES[2:]),
        ("", ":2", IMAGES[:2]),
        ("", "4", IMAGES[4:]),
        (":1", "2:4", IMAGES[1:2]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_range_of_samples_is_taken_from_an_idx_file(images, span, rows, expected, packed):
    path = images
    if packed:
        path = images.with_name(f"{images.name}.gz")
        path.write_bytes(gzip.compress(images.read_bytes()))
    assert np.array_equal(array(payload.read(f"{path}{span}", rows)), expected)


def test_labels_are_idx_too(tmp_path):
    idx.write(tmp_path / "labels.idx", IMAGES[:, 0, 0])
    assert array(payload.read(f"{tmp_path}/labels.idx:0-1")).tolist() == [0, 6]


@pytest.mark.parametrize(
    ("span", "rows", "reason"),
    [
        (":5", None, "has the samples 0 to 4, not 5 to 5"),
        (":0-5", None, "has the samples 0 to 4, not 0 to 5"),
        ("", "7:", "has the samples 0 to 4"),
        ("", "3:3", "'3:3' is empty"),
        ("", "4:2", "is empty"),
        ("", "a:b", "expected 0:10, or 0-9"),
        ("", "1-", "expected 0:10, or 0-9"),
        ("", "1:2:3", "expected 0:10, or 0-9"),
    ],
)
def test_a_range_that_is_none_is_refused(images, span, rows, reason):
    with pytest.raises(UserError, match=reason):
        payload.read(f"{images}{span}", rows)


def test_what_cannot_be_sent_is_named(tmp_path, images):
    with pytest.raises(UserError, match=r"cannot read .*gone\.png: No such file"):
        payload.read(str(tmp_path / "gone.png"))
    with pytest.raises(UserError, match=r"cannot read .*gone-idx3-ubyte: No such file"):
        payload.read(str(tmp_path / "gone-idx3-ubyte"))
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UserError, match=r"a\.txt: expected one of \.csv, .*, or a file in the IDX format"):
        payload.read(str(tmp_path / "a.txt"))
    (tmp_path / "a.png").write_text("")
    with pytest.raises(UserError, match="only files in the IDX format are taken in part"):
        payload.read(str(tmp_path / "a.png"), "0:2")
    (tmp_path / "d.png").mkdir()
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        payload.read(str(tmp_path / "d.png"))


@pytest.mark.parametrize("keep", [0, 3, 4, 10, 16, 20, 45])
def test_an_idx_file_that_is_cut_off_is_refused(images, keep):
    images.write_bytes(images.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"IDX format|shorter than its header says"):
        payload.read(f"{images}:0-4")


def test_a_damaged_gzip_file_is_refused(images):
    path = images.with_name("a-idx3-ubyte.gz")
    for content in (b"no gzip", gzip.compress(images.read_bytes())[:30]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="shorter than its header says, or damaged"):
            payload.read(f"{path}:0-4")


def test_floats_in_idx_are_refused(images):
    content = bytearray(images.read_bytes())
    content[2] = 0x0D
    images.write_bytes(content)
    with pytest.raises(UserError, match="not in the IDX format, or holds no bytes"):
        payload.read(str(images))
