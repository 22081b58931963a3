"""Labelled pictures as the channels of a job bring them: a folder of each class, RecordIO, or CIFAR-10's files."""

import os
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from gluon_job import datasets, images
from gluon_job.cluster import Cluster
from gluon_job.errors import InputError
from gluon_job.vision import shards
from gluon_job.vision.records import RecordFile

_CHANNELS = ("training", "validation", "pretrained")
_SUFFIXES = (".png", ".jpg", ".jpeg")
_PARTS = {"train": ("train", "training"), "validation": ("val", "validation", "test")}  # names of folders and files
_CACHED = 2**30  # bytes of decoded pictures that are kept
_CIFAR_RECORD, _CIFAR_SIDE = 3073, 32  # bytes: the label, then red, green and blue


class Pictures:
    """Pictures of one kind each, decoded when they are asked for, and kept while there is room.

    Attributes:
        labels: int32 (N,).
        classes: the name of each class.

    Args:
        read: gives picture i, uint8 (height, width, 3); several threads call it.
    """

    def __init__(self, read: Callable[[int], np.ndarray], labels: Sequence[int], classes: Sequence[str]) -> None:
        self.labels, self.classes = np.asarray(labels, np.int32), list(classes)
        self._read, self._kept, self._room = read, {}, _CACHED  # type: Any, Dict[int, np.ndarray], int

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> np.ndarray:
        picture = self._kept.get(i)
        if picture is None:
            picture = self._read(i)
            if picture.nbytes <= self._room:
                self._room -= picture.nbytes
                self._kept[i] = picture
        return picture

    def part(self, indices: Sequence[int]) -> "Pictures":
        """Some of them, in this order."""
        places = np.asarray(indices, np.intp)
        return Pictures(lambda i: self._read(int(places[i])), self.labels[places], self.classes)

    def of_classes(self, classes: Sequence[str]) -> "Pictures":
        """The same pictures; their classes are some of these."""
        places = np.array([list(classes).index(name) for name in self.classes])
        return Pictures(self._read, places[self.labels], classes)


class Split(NamedTuple):
    """Pictures to train on and, where there are any, to score on; `is_own` where no other host scores on those."""

    training: Pictures
    validation: Optional[Pictures]
    is_own: bool = False


def load(
    channel_input_dirs: Mapping[str, str], validation_share: float, seed: int, cluster: Optional[Cluster] = None
) -> Split:
    """The pictures of the channels `training` and `validation`.

    A channel holds a folder for each class with PNG or JPEG files; or `train.rec`; or CIFAR-10's binary files. Pictures
    to score on are in the channel `validation`; or in `val/` (and the others in `train/`), `val.rec` or
    `test_batch.bin` of the channel `training`; else a share of each class is held back. `labels.txt` gives the names
    of the classes, where those of the folders are not enough.

    Args:
        channel_input_dirs: by name.
        validation_share: from 0 to 1, what is held back of each class where nothing else is there to score on.
        seed: of what is held back.
        cluster: the hosts, where each has its own part of the channel `training`: they agree on the classes.

    Raises:
        InputError: a channel is missing or unknown, a folder is empty, a file is not what its name says, a class is in
            the validation data alone, or there is one class.
    """
    directory = datasets.channel(channel_input_dirs, "training")
    datasets.check_channels(channel_input_dirs, _CHANNELS)
    known = names(directory)
    if cluster is not None:
        known = shards.labels(cluster, known)
    training = _read(directory, "train", known)
    if training is None:
        raise InputError(
            f"channel 'training' ({directory}) holds neither a folder of pictures for each class, nor a .rec file, "
            "nor CIFAR-10's data_batch_1.bin"
        )
    if cluster is not None:
        training = training.of_classes(shards.classes(cluster, training.classes))
    if len(training.classes) < 2:
        raise InputError(
            f"channel 'training' ({directory}) has pictures of one class, {training.classes[0]!r}: "
            "a classifier needs two, a folder each"
        )
    other = channel_input_dirs.get("validation")
    if other is None:
        validation = _read(directory, "validation", training.classes)
    else:
        validation = _read(other, "validation", training.classes) or _read(other, "train", training.classes)
        if validation is None:
            raise InputError(f"channel 'validation' ({other}) holds no pictures: it has the form of 'training'")
    split = Split(training, validation)
    if validation is None and validation_share:
        split = _hold_back(training, validation_share, seed)
    return _with_own_validation(cluster, split) if cluster is not None and other is None else split


def _hold_back(pictures: Pictures, share: float, seed: int) -> Split:
    random = np.random.RandomState(seed)
    held = np.zeros(len(pictures), bool)
    for label in range(len(pictures.classes)):
        own = random.permutation(np.flatnonzero(pictures.labels == label))
        held[own[: max(0, min(round(len(own) * share), len(own) - 1))]] = True
    if not held.any():
        return Split(pictures, None)
    return Split(pictures.part(np.flatnonzero(~held)), pictures.part(np.flatnonzero(held)))


def _with_own_validation(cluster: Cluster, split: Split) -> Split:
    """The same split; where another host has pictures to score on, this one has none rather than no such data."""
    own = split.validation if split.validation is not None else split.training.part([])
    return split._replace(validation=own if shards.are_any(cluster, len(own)) else None, is_own=True)


def _read(directory: str, part: str, known: Optional[List[str]]) -> Optional[Pictures]:
    if not os.path.isdir(directory):
        raise InputError(f"{directory} is not a directory")
    return _records(directory, part, known) or _cifar(directory, part) or _folders(directory, part, known)


def _folders(directory: str, part: str, known: Optional[List[str]]) -> Optional[Pictures]:
    inner = [name for name in _PARTS[part] if os.path.isdir(os.path.join(directory, name))]
    if inner and (part != "train" or _subfolders(os.path.join(directory, inner[0]))):
        directory = os.path.join(directory, inner[0])
    elif part != "train":
        return None
    folders = _subfolders(directory)
    if not folders:
        return None
    classes = known if known is not None else folders
    paths: List[str] = []
    labels: List[int] = []
    for folder in folders:
        if folder not in classes:
            raise InputError(
                f"{os.path.join(directory, folder)}: there is no class {folder!r} in labels.txt, or in the training "
                f"data, which has {', '.join(classes[:20])}"
            )
        found = _pictures(os.path.join(directory, folder))
        paths += found
        labels += [classes.index(folder)] * len(found)
    return Pictures(lambda i: read_file(paths[i]), labels, classes)


def _subfolders(directory: str) -> List[str]:
    return sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))


def _pictures(folder: str) -> List[str]:
    found = sorted(entry.name for entry in os.scandir(folder) if entry.name[0] != "." and entry.is_file())
    paths = [os.path.join(folder, name) for name in found if name.lower().endswith(_SUFFIXES)]
    if not paths:
        raise InputError(f"the folder {folder} holds no PNG or JPEG picture: fill it, or remove it")
    for path in paths:
        with open(path, "rb") as file:
            start = file.read(2**16)
        _named(path, images.size, start)
    return paths


def read_file(path: str) -> np.ndarray:
    """A picture, uint8 (height, width, 3); InputError names the file."""
    with open(path, "rb") as file:
        return _named(path, images.decode, file.read())


def _named(where: str, function: Callable[[Any], Any], data: bytes) -> Any:
    try:
        return function(data)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _records(directory: str, part: str, known: Optional[List[str]]) -> Optional[Pictures]:
    files = sorted(file for file in os.listdir(directory) if file.endswith(".rec"))
    fitting = [file for file in files if file.startswith(_PARTS[part])]
    if not fitting and part == "train":
        fitting = [file for file in files if not file.startswith(_PARTS["validation"])]
    if not fitting:
        return None
    if len(fitting) > 1:
        raise InputError(f"{directory} has several files of records ({', '.join(fitting)}): leave one to train on")
    path = os.path.join(directory, fitting[0])
    records = RecordFile(path)
    labels = records.labels[:, 0]
    if records.labels.shape[1] != 1 or (labels < 0).any() or (labels % 1).any():
        raise InputError(f"{path}: a picture's label is one whole number from 0 on: these are not of classes")
    classes = known if known is not None else [str(label) for label in range(int(labels.max()) + 1)]
    if labels.max() >= len(classes):
        raise InputError(f"{path}: label {labels.max():g}, but there are only {len(classes)} classes")
    return Pictures(lambda i: _named(records.where(i), images.decode, records.picture(i)), labels, classes)


def _cifar(directory: str, part: str) -> Optional[Pictures]:
    inner = os.path.join(directory, "cifar-10-batches-bin")
    directory = inner if os.path.isdir(inner) else directory
    files = [f"data_batch_{number}.bin" for number in range(1, 6)] if part == "train" else ["test_batch.bin"]
    paths = [os.path.join(directory, name) for name in files if os.path.isfile(os.path.join(directory, name))]
    if not paths:
        if os.path.isfile(os.path.join(directory, "data_batch_1")):
            raise InputError(f"{directory} holds CIFAR-10 for Python, a pickle: fetch its binary version (.bin)")
        return None
    parts = []
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if not content.size or content.size % _CIFAR_RECORD:
            raise InputError(f"{path} has {content.size} bytes, not a multiple of {_CIFAR_RECORD}: fetch it again")
        parts.append(content.reshape(-1, _CIFAR_RECORD))
    rows = np.concatenate(parts)
    classes = names(directory, "batches.meta.txt") or [str(label) for label in range(10)]
    if rows[:, 0].max() >= len(classes):
        raise InputError(f"{directory}: label {rows[:, 0].max()}, but CIFAR-10 has {len(classes)} classes")
    pixels = rows[:, 1:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE).transpose(0, 2, 3, 1)
    return Pictures(lambda i: pixels[i], rows[:, 0], classes)


def names(directory: str, file: str = "labels.txt") -> Optional[List[str]]:
    """The names of the classes, a line each; None where there is no such file."""
    path = os.path.join(directory, file)
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding="utf-8-sig") as text:
            found = [line.strip() for line in text if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 ({error})") from None
    if len(set(found)) != len(found) or not found:
        raise InputError(f"{path}: one name of a class a line, each once")
    return found
