import contextlib
import json

import drawings
import numpy as np
import pytest

from gluon_job.errors import InputError
from gluon_job.vision import pictures, zoo


def load(directory, share=0.0, **channels):
    return pictures.load({"training": str(directory), **{k: str(v) for k, v in channels.items()}}, share, seed=1)


def values(some):
    return [some[i].tobytes() for i in range(len(some))]


def test_a_folder_is_a_class_and_its_name_the_label(tmp_path):
    drawings.write_folders(tmp_path, count=2)
    (tmp_path / "blue" / "notes.txt").write_text("not a picture")
    (tmp_path / "green" / "more.png").mkdir()
    (tmp_path / ".hidden").mkdir()
    training, validation, _ = load(tmp_path)
    assert (training.classes, training.labels.tolist()) == (["blue", "green", "red"], [0, 0, 1, 1, 2, 2])
    assert (training[2].dtype, training[2].shape, training[2].argmax(axis=2).mean()) == (np.uint8, (32, 32, 3), 1)
    assert validation is None


def test_records_and_folders_of_the_same_pictures_are_the_same(tmp_path):
    folders = drawings.write_folders(tmp_path / "folders", count=2)
    (tmp_path / "records").mkdir()
    paths = sorted(folders.rglob("*.png"))
    bodies = [(["blue", "green", "red"].index(path.parent.name), path.read_bytes()) for path in paths]
    drawings.write_records(tmp_path / "records" / "train.rec", bodies)
    (tmp_path / "records" / "labels.txt").write_text("blue\ngreen\nred\n")
    one, other = load(folders).training, load(tmp_path / "records").training
    assert (one.classes, one.labels.tolist(), values(one)) == (other.classes, other.labels.tolist(), values(other))


def test_cifar_10_is_read_from_its_binary_files(tmp_path):
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    rows = np.random.RandomState(0).randint(256, size=(6, 3073)).astype(np.uint8)
    rows[:, 0] = [3, 9, 0, 1, 2, 3]
    rows[:2].tofile(str(inner / "data_batch_1.bin"))
    rows[2:4].tofile(str(inner / "data_batch_2.bin"))
    rows[4:].tofile(str(inner / "test_batch.bin"))
    (inner / "batches.meta.txt").write_text("\n".join(f"name {i}" for i in range(10)) + "\n\n")
    training, validation, _ = load(tmp_path)
    assert (training.labels.tolist(), validation.labels.tolist()) == ([3, 9, 0, 1], [2, 3])
    assert training.classes[9] == "name 9"
    assert (training[1].transpose(2, 0, 1).ravel() == rows[1, 1:]).all()
    assert (validation[0].transpose(2, 0, 1).ravel() == rows[4, 1:]).all()


def test_validation_pictures_are_those_of_val_or_of_the_channel(tmp_path):
    drawings.write_folders(tmp_path / "data" / "train", count=3)
    drawings.write_folders(tmp_path / "data" / "val", count=1)
    drawings.write_folders(tmp_path / "other", ("green",), count=2)
    training, validation, _ = load(tmp_path / "data", share=0.5)
    assert (len(training), len(validation)) == (9, 3)
    _, validation, _ = load(tmp_path / "data", validation=tmp_path / "other")
    assert (validation.labels.tolist(), validation.classes) == ([1, 1], ["blue", "green", "red"])


def test_a_share_of_each_class_is_held_back_and_no_picture_is_in_both_parts(tmp_path):
    drawings.write_folders(tmp_path, count=10)
    training, validation, _ = load(tmp_path, share=0.2)
    assert np.bincount(training.labels).tolist() == [8, 8, 8]
    assert np.bincount(validation.labels).tolist() == [2, 2, 2]
    assert not set(values(training)) & set(values(validation))
    assert values(load(tmp_path, share=0.2).validation) == values(validation)


def test_a_class_of_one_picture_keeps_it_to_train_on(tmp_path):
    drawings.write_folders(tmp_path, count=1)
    assert load(tmp_path, share=0.5).validation is None


def test_a_picture_is_decoded_once_while_there_is_room(monkeypatch):
    read = []
    some = pictures.Pictures(lambda i: read.append(i) or np.zeros((8, 8, 3), np.uint8), [0, 0], ["a"])
    for i in (0, 1, 0, 1):
        some[i]
    assert read == [0, 1]
    monkeypatch.setattr(pictures, "_CACHED", 8 * 8 * 3)
    some = pictures.Pictures(lambda i: read.append(i) or np.zeros((8, 8, 3), np.uint8), [0, 0], ["a"])
    for i in (0, 1, 0, 1):
        some[i]
    assert read == [0, 1, 0, 1, 1]


def empty_class(tmp_path):
    (tmp_path / "orange").mkdir()


def not_a_picture(tmp_path):
    (tmp_path / "red" / "7.png").write_bytes(b"GIF89a")


def another_class(tmp_path):
    drawings.write_folders(tmp_path.parent / "more", ("orange",))


def wrong_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("blue\ngreen\n")


def repeated_labels(tmp_path):
    (tmp_path / "labels.txt").write_text("blue\nblue\n")


def other_alphabet(tmp_path):
    (tmp_path / "labels.txt").write_bytes("bl\xfce\ngreen\nred\n".encode("latin-1"))


def one_class(tmp_path):
    for name in ("blue", "green"):
        (tmp_path / name / "0.png").unlink()
        (tmp_path / name).rmdir()


@pytest.mark.parametrize(("damage", "message"), [
    (empty_class, r"the folder .*orange holds no PNG or JPEG picture"),
    (not_a_picture, r"red.7\.png: the body is not a PNG or JPEG picture"),
    (another_class, r"more.orange: there is no class 'orange' in .*, which has blue, green, red"),
    (wrong_labels, r"there is no class 'red' in labels\.txt"),
    (repeated_labels, r"labels\.txt: one name of a class a line, each once"),
    (other_alphabet, r"labels\.txt is not text in UTF-8"),
    (one_class, "has pictures of one class, 'red': a classifier needs two"),
])  # fmt: skip
def test_wrong_folders_are_refused(tmp_path, damage, message):
    directory = drawings.write_folders(tmp_path / "data", count=1)
    damage(directory)
    more = {"validation": tmp_path / "more"} if (tmp_path / "more").exists() else {}
    with pytest.raises(InputError, match=message):
        load(directory, **more)


def zoo_or_none():
    """GluonCV, which changes a setting of Pillow's, where it is installed."""
    with contextlib.suppress(InputError):
        zoo.classifiers()


def test_a_picture_that_is_cut_off_is_named_when_it_is_read(tmp_path):
    drawings.write_folders(tmp_path, count=1)
    path = tmp_path / "green" / "0.png"
    path.write_bytes(path.read_bytes()[:-200])
    zoo_or_none()
    training = load(tmp_path).training
    with pytest.raises(InputError, match=r"green.0\.png: the picture"):
        training[1]


def test_a_damaged_picture_in_a_record_file_is_named(tmp_path):
    drawings.write_records(tmp_path / "train.rec", [(0, drawings.png(np.zeros((4, 4), np.uint8))), (1, b"no picture")])
    with pytest.raises(InputError, match=r"train\.rec, record 1 at byte \d+: the body is not a PNG"):
        load(tmp_path).training[1]


@pytest.mark.parametrize(("files", "message"), [
    ({}, "holds neither a folder of pictures for each class, nor a .rec file, nor CIFAR-10's"),
    ({"data_batch_1.bin": b"\0" * 3000}, "has 3000 bytes, not a multiple of 3073"),
    ({"data_batch_1.bin": b"\xff" * 3073}, "label 255, but CIFAR-10 has 10 classes"),
    ({"data_batch_1": b"pickle"}, "holds CIFAR-10 for Python, a pickle: fetch its binary version"),
    ({"a.rec": b"", "b.rec": b""}, "several files of records"),
], ids=range(5))  # fmt: skip
def test_a_channel_of_something_else_is_refused(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


class Told:
    """A cluster whose other host says the same each time."""

    def __init__(self, **others):
        self.others = others

    def gather(self, name, content):
        return [content, json.dumps(self.others[name]).encode()]

    def agree(self, name, value):
        return [value, self.others[name]]


def load_own(directory, share=0.0, **others):
    return pictures.load({"training": str(directory)}, share, 1, Told(**{"labels": None, "held back": 0, **others}))


def test_hosts_with_their_own_pictures_have_the_classes_of_all(tmp_path):
    drawings.write_folders(tmp_path, ("green", "red"), count=2)
    split = load_own(tmp_path, classes=["blue", "green"])
    assert split.training.classes == ["blue", "green", "red"]
    assert split.training.labels.tolist() == [1, 1, 2, 2]
    assert [split.training[i].argmax(axis=2).mean() for i in (0, 3)] == [0, 1]  # they were drawn for labels 0 and 1
    assert split.validation is None


def test_the_labels_that_one_host_has_got_are_those_of_all(tmp_path):
    bodies = [(label, drawings.png(np.zeros((4, 4), np.uint8))) for label in (0, 1)]
    drawings.write_records(tmp_path / "train.rec", bodies)
    assert load_own(tmp_path, classes=[str(i) for i in range(12)]).training.classes == [str(i) for i in range(12)]
    names = ["ten", "two", "one"]
    split = load_own(tmp_path, labels=names, classes=names)
    assert (split.training.classes, split.training.labels.tolist()) == (names, [0, 1])


def test_each_host_scores_on_what_it_has_held_back_itself(tmp_path):
    drawings.write_folders(tmp_path, ("green", "red"), count=4)
    split = load_own(tmp_path, 0.25, classes=["green", "red"])
    assert (len(split.training), len(split.validation), split.is_own) == (6, 2, True)
    split = load_own(tmp_path, 0.1, classes=["green", "red"], **{"held back": 3})
    assert (len(split.training), len(split.validation), split.is_own) == (8, 0, True)
    split = load_own(tmp_path, 0.1, classes=["green", "red"])
    assert split.validation is None


def test_a_channel_that_is_misspelt_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"does not read a channel 'validaton' \(did you mean 'validation'\?\)"):
        load(drawings.write_folders(tmp_path), validaton=tmp_path)
