"""Data sets as the channels of a job bring them.

IDX is the format of MNIST (http://yann.lecun.com/exdb/mnist): a magic number 0x00 0x00 TYPE DIMENSIONS, each
dimension as a big-endian 32-bit integer, then the values. Only unsigned bytes (type 0x08) are read.
"""

import gzip
import os
import zlib
from typing import List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from gluon_job.errors import InputError
from gluon_job.hyperparameters import did_you_mean

CLASSES = 10
_UNSIGNED_BYTE = 0x08


class Images(NamedTuple):
    """Labelled grey images: `images` uint8 (N, 1, height, width), `labels` int32 (N,) from 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


def channel(channel_input_dirs: Mapping[str, str], name: str) -> str:
    """The directory of a channel the script cannot do without; InputError when the job does not have it."""
    if name not in channel_input_dirs:
        present = ", ".join(repr(other) for other in sorted(channel_input_dirs)) or "none"
        raise InputError(
            f"this script needs a channel {name!r}{did_you_mean(name, channel_input_dirs)}; the job's channels: {present}"
        )
    return channel_input_dirs[name]


def load_images(channel_input_dirs: Mapping[str, str]) -> Tuple[Images, Optional[Images]]:
    """The training images and, where there are any, the validation images.

    The channel `training` holds train-images-idx3-ubyte and train-labels-idx1-ubyte, gzipped or not, flat or in
    `train/`. Validation images are the t10k files of the channel `validation` or, without such a channel, of
    `training` (flat or in `test/`); a `validation` channel without t10k files may use the names of the training files.

    Raises:
        InputError: a channel or a file is missing, or a file is not what its name says.
    """
    directory = channel(channel_input_dirs, "training")
    training = _read_pair(directory, "train")
    if training is None:
        raise InputError(
            f"channel 'training' ({directory}) holds {_describe(directory)}: expected train-images-idx3-ubyte and "
            "train-labels-idx1-ubyte, with or without .gz, there or in train/"
        )
    if "validation" not in channel_input_dirs:
        validation = _read_pair(directory, "t10k")
    else:
        directory = channel_input_dirs["validation"]
        validation = _read_pair(directory, "t10k") or _read_pair(directory, "train")
        if validation is None:
            raise InputError(
                f"channel 'validation' ({directory}) holds {_describe(directory)}: expected t10k-images-idx3-ubyte and "
                "t10k-labels-idx1-ubyte, with or without .gz"
            )
    if validation is not None and validation.images.shape[1:] != training.images.shape[1:]:
        raise InputError(
            f"validation images are {_size(validation.images)}, training images {_size(training.images)}: they must have the same size"
        )
    return training, validation


def load_labels(channel_input_dirs: Mapping[str, str]) -> List[str]:
    """The names of the classes: the lines of `labels.txt` in the channel `training`, else the digits."""
    path = os.path.join(channel(channel_input_dirs, "training"), "labels.txt")
    if not os.path.exists(path):
        return [str(label) for label in range(CLASSES)]
    with open(path, encoding="utf-8") as file:
        labels = [line.strip() for line in file if line.strip()]
    if len(labels) != CLASSES:
        raise InputError(f"{path} names {len(labels)} classes, not {CLASSES}")
    return labels


def read_idx(path: str) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzipped (told by its first bytes, not by its name).

    Raises:
        InputError: not an IDX file of unsigned bytes, shorter or longer than its header says, or a broken archive.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: the gzip archive is damaged ({error}): fetch the file again") from None
    if len(content) < 4 or content[:2] != b"\x00\x00" or content[2] != _UNSIGNED_BYTE:
        raise InputError(
            "{}: not an IDX file of unsigned bytes (it begins with {}, expected 0000080N)".format(
                path, content[:4].hex() or "nothing"
            )
        )
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise InputError(f"{path}: the file ends inside its header")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", content[3], 4))
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise InputError(
            "%s: %s: %d bytes where its header %s needs %d: fetch the file again"
            % (path, "truncated" if len(content) < expected else "too long", len(content), shape, expected)
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_pair(directory: str, prefix: str) -> Optional[Images]:
    image_path = _find(directory, prefix, "images", 3)
    label_path = _find(directory, prefix, "labels", 1)
    if image_path is None and label_path is None:
        return None
    if image_path is None or label_path is None:
        raise InputError(
            "{} has no {}-{} file beside {}".format(
                directory,
                prefix,
                "labels" if image_path else "images",
                os.path.basename(image_path or label_path),
            )
        )
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3 or labels.ndim != 1:
        wrong = image_path if images.ndim != 3 else label_path
        raise InputError(
            "%s: wrong magic number for its name: %d dimensions"
            % (wrong, images.ndim if wrong == image_path else labels.ndim)
        )
    if len(images) != len(labels):
        raise InputError(
            "%s holds %d images, but %s holds %d labels: they are not of one data set"
            % (image_path, len(images), label_path, len(labels))
        )
    if not images.size:
        raise InputError(f"{image_path} holds no images")
    if labels.max() >= CLASSES:
        raise InputError(
            "%s: label %d at position %d is out of range: labels go from 0 to %d"
            % (label_path, labels.max(), labels.argmax(), CLASSES - 1)
        )
    return Images(images[:, None], labels.astype(np.int32))


def _find(directory: str, prefix: str, what: str, dimensions: int) -> Optional[str]:
    for folder in ("train" if prefix == "train" else "test", ""):
        for separator in "-.":  # some mirrors unpack to train-images.idx3-ubyte
            for suffix in ("", ".gz"):
                name = f"{prefix}-{what}{separator}idx{dimensions}-ubyte{suffix}"
                path = os.path.join(directory, folder, name)
                if os.path.exists(path):
                    return path
    return None


def _describe(directory: str) -> str:
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"


def _size(images: np.ndarray) -> str:
    return " x ".join(map(str, images.shape[2:]))
