import gzip
import re

import digits
import numpy as np
import pytest

from gluon_job import datasets
from gluon_job.errors import InputError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture
def training(tmp_path):
    return digits.write(tmp_path / "training")


@pytest.fixture
def validation(tmp_path):
    return digits.write(tmp_path / "validation", training=0, test=30)


def load(training, **channels):
    return datasets.load_images({"training": str(training), **{name: str(path) for name, path in channels.items()}})


def refuses(message, training, **channels):
    with pytest.raises(InputError, match=message):
        load(training, **channels)


def assert_holds(loaded, count, seed):
    images, labels = digits.draw(count, seed)
    assert (loaded.images.dtype, loaded.labels.dtype) == (np.uint8, np.int32)
    assert loaded.images.shape == (count, 1, 28, 28)
    assert (loaded.images[:, 0] == images).all()
    assert (loaded.labels == labels).all()


def assert_is_the_data(directory):
    loaded = load(directory)
    assert_holds(loaded[0], 60, 0)
    assert_holds(loaded[1], 20, 1)


def test_a_flat_channel_has_training_and_validation_images(training):
    assert_is_the_data(training)


def test_a_channel_may_have_the_folders_train_and_test(training):
    for folder, prefix in (("train", "train"), ("test", "t10k")):
        (training / folder).mkdir()
        for path in sorted(training.glob(prefix + "-*")):
            path.rename(training / folder / path.name)
    assert_is_the_data(training)


def test_files_may_be_gzipped(training):
    for path in list(training.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert_is_the_data(training)


def test_files_may_be_gzipped_without_saying_so(training):
    for path in training.iterdir():
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert_is_the_data(training)


def test_files_may_have_the_names_with_a_dot(training):
    for path in list(training.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert_is_the_data(training)


def test_a_directory_of_an_image_files_name_is_no_image_file(training):
    (training / IMAGES).rename(training / IMAGES.replace("-idx", ".idx"))
    (training / IMAGES).mkdir()
    assert_is_the_data(training)


def test_without_t10k_files_there_is_no_validation(tmp_path):
    training, validation = load(digits.write(tmp_path, test=0))
    assert_holds(training, 60, 0)
    assert validation is None


def test_a_validation_channel_wins_over_the_training_channels_t10k_files(training, validation):
    assert_holds(load(training, validation=validation)[1], 30, 1)


def test_a_validation_channel_may_use_the_names_of_the_training_files(training, tmp_path):
    validation = digits.write(tmp_path / "validation", training=40, test=0)
    assert_holds(load(training, validation=validation)[1], 40, 0)


def test_a_validation_channel_with_both_names_is_read_by_those_of_the_test_files(training, tmp_path):
    validation = digits.write(tmp_path / "validation", training=40, test=30)
    assert_holds(load(training, validation=validation)[1], 30, 1)


@pytest.mark.parametrize(("channels", "message"), [
    ([], "needs a channel 'training'; the job's channels: none"),
    (["trainning"], r"needs a channel 'training' \(did you mean 'trainning'\?\); the job's channels: 'trainning'"),
    (["Training", "test"], r"needs a channel 'training' \(did you mean 'Training'\?\); .* 'Training', 'test'"),
    (["training", "validaton"], r"not read a channel 'validaton' \(did you mean 'validation'\?\); it reads 'training'"),
    (["training", "test"], "does not read a channel 'test'; it reads 'training' and 'validation'"),
])  # fmt: skip
def test_a_missing_or_misspelt_channel_is_named(training, channels, message):
    with pytest.raises(InputError, match=message):
        datasets.load_images(dict.fromkeys(channels, str(training)))


def test_an_empty_directory_is_named_with_what_was_expected(tmp_path):
    refuses(
        rf"channel 'training' \({re.escape(str(tmp_path))}\) holds nothing: expected {IMAGES} and {LABELS}", tmp_path
    )


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    refuses(r"/nowhere\) holds nothing: expected", tmp_path / "nowhere")


def test_what_other_files_a_directory_holds_is_said(tmp_path):
    for i in range(7):
        (tmp_path / f"{i}.png").touch()
    refuses(r"holds 0\.png, 1\.png, 2\.png, 3\.png, 4\.png and 2 more: expected", tmp_path)


def test_a_validation_channel_without_files_is_named(training, tmp_path):
    (tmp_path / "empty").mkdir()
    refuses(
        r"channel 'validation' \(.*/empty\) holds nothing: expected t10k-images",
        training,
        validation=tmp_path / "empty",
    )


def cut(content):
    return content[:-100]


def lengthen(content):
    return content + b"\0"


DAMAGES = {
    "truncated": (cut, r": truncated: 46956 bytes where its header \(60, 28, 28\) needs 47056: fetch"),
    "truncated in its header": (lambda content: content[:7], ": truncated: the file ends inside its header"),
    "too long": (lengthen, ": too long: 47057 bytes where"),
    "empty": (lambda _: b"", ": not an IDX file .* magic number is missing, expected 00000803"),
    "a web page": (lambda _: b"<html>not found</html>", ": not an IDX file .* is 3c68746d, expected 00000803"),
    "of floats": (lambda content: b"\0\0\x0d" + content[3:], ": not an IDX file .* is 00000d03, expected 00000803"),
    "of labels": (lambda content: b"\0\0\x08\x01" + content[4:], ": not an IDX file .* is 00000801, expected 00000803"),
    "of a huge size": (lambda content: content[:4] + b"\xff" * 12 + content[16:], ": truncated: 47056 bytes where"),
    "a truncated archive": (lambda content: gzip.compress(content)[:-20], ": the gzip archive is damaged"),
    "an archive cut to its header": (lambda content: gzip.compress(content)[:5], ": the gzip archive is damaged"),
    "a corrupted archive": (
        lambda content: gzip.compress(content)[:500] + b"\xff" * 20 + gzip.compress(content)[520:],
        ": the gzip archive is damaged",
    ),
    "an archive with a wrong checksum": (
        lambda content: gzip.compress(content)[:-8] + bytes(8),
        ": the gzip archive is damaged",
    ),
    "an archive of a truncated file": (lambda content: gzip.compress(cut(content)), ": truncated: 46956 bytes where"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_its_damage(training, damage):
    spoil, message = DAMAGES[damage]
    path = training / IMAGES
    path.write_bytes(spoil(path.read_bytes()))
    refuses(re.escape(str(path)) + message, training)


def test_a_damaged_validation_file_is_named(training):
    path = training / "t10k-labels-idx1-ubyte"
    path.write_bytes(cut(path.read_bytes() * 10))
    refuses("t10k-labels-idx1-ubyte: too long", training)


def test_counts_of_images_and_labels_that_differ_are_said(training):
    digits.write_idx(training / LABELS, digits.draw(59)[1])
    refuses(rf"{IMAGES} holds 60 images, but .*{LABELS} holds 59 labels", training)


def test_a_label_out_of_range_is_said_with_its_position(training):
    labels = digits.draw(60)[1]
    labels[7] = 10
    digits.write_idx(training / LABELS, labels)
    refuses(f"{LABELS}: label 10 at position 7 is out of range: labels go from 0 to 9", training)


@pytest.mark.parametrize(("missing", "present"), [(IMAGES, LABELS), (LABELS, IMAGES)])
def test_one_file_of_a_pair_is_not_enough(training, missing, present):
    (training / missing).unlink()
    refuses(f"has no {missing[:12]} file beside {present}", training)


def test_files_without_images_are_refused(training):
    digits.write_idx(training / IMAGES, np.zeros((0, 28, 28), np.uint8))
    digits.write_idx(training / LABELS, np.zeros(0, np.uint8))
    refuses(f"{IMAGES} holds no images", training)


def test_validation_images_must_have_the_training_images_size(training):
    digits.write_idx(training / "t10k-images-idx3-ubyte", np.zeros((20, 32, 30), np.uint8))
    refuses("validation images are 32 x 30, training images 28 x 28", training)


def test_the_names_of_the_classes_are_the_digits_by_default(training):
    assert datasets.load_labels({"training": str(training)}) == list("0123456789")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_names_of_the_classes_are_read_from_the_channel(training, encoding):
    names = [f"Größe {i}" for i in range(10)]
    (training / "labels.txt").write_text("\n".join(names) + "\n\n", encoding=encoding)
    assert datasets.load_labels({"training": str(training)}) == names


@pytest.mark.parametrize(("content", "message"), [
    (b"a\nb\nc\n", r"labels\.txt names 3 classes, not 10"),
    (b"\xe9\n" * 10, r"labels\.txt is not text in UTF-8"),
])  # fmt: skip
def test_names_of_the_classes_that_cannot_be_used_are_refused(training, content, message):
    (training / "labels.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        datasets.load_labels({"training": str(training)})
