"""Data sets as the channels of a job bring them.

IDX is the format of MNIST (http://yann.lecun.com/exdb/mnist): a magic number 0x00 0x00 TYPE DIMENSIONS, each
dimension as a big-endian 32-bit integer, then the values. Only unsigned bytes (type 0x08) are read.
"""

import gzip
import math
import os
import zlib
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from gluon_job.errors import InputError
from gluon_job.hyperparameters import did_you_mean

CLASSES = 10
_CHANNELS = ("training", "validation")


class Images(NamedTuple):
    """Labelled grey images: `images` uint8 (N, 1, height, width), `labels` int32 (N,) from 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


def channel(channel_input_dirs: Mapping[str, str], name: str) -> str:
    """The directory of a channel the script cannot do without; InputError when the job does not have it."""
    if name not in channel_input_dirs:
        present = ", ".join(repr(other) for other in sorted(channel_input_dirs)) or "none"
        raise InputError(
            f"this script needs a channel {name!r}{did_you_mean(name, channel_input_dirs)}; "
            f"the job's channels: {present}"
        )
    return channel_input_dirs[name]


def check_channels(channel_input_dirs: Mapping[str, str], known: Sequence[str]) -> None:
    """InputError for a channel that the script does not read: one that was misspelt would go unread."""
    for name in channel_input_dirs:
        if name not in known:
            raise InputError(
                f"this script does not read a channel {name!r}{did_you_mean(name, known)}; "
                f"it reads {' and '.join(map(repr, known))}"
            )


def load_images(channel_input_dirs: Mapping[str, str]) -> Tuple[Images, Optional[Images]]:
    """The training images and, where there are any, the validation images.

    The channel `training` holds train-images-idx3-ubyte and train-labels-idx1-ubyte, gzipped or not, flat or in
    `train/`. Validation images are the t10k files of the channel `validation` or, without such a channel, of
    `training` (flat or in `test/`); a `validation` channel without t10k files may use the names of the training files.

    Raises:
        InputError: a channel or a file is missing, a file is not what its name says, or a channel has another name
            (one that was misspelt would go unread).
    """
    directory = channel(channel_input_dirs, "training")
    check_channels(channel_input_dirs, _CHANNELS)
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
            f"validation images are {_size(validation.images)}, training images {_size(training.images)}: "
            "they must have the same size"
        )
    return training, validation


def is_sharded(input_data_config: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether SageMaker gave each host its own part of the files of the channel `training`."""
    return input_data_config.get("training", {}).get("S3DistributionType") == "ShardedByS3Key"


def load_labels(channel_input_dirs: Mapping[str, str]) -> List[str]:
    """The names of the classes: the lines of `labels.txt` in the channel `training`, else the digits."""
    path = os.path.join(channel(channel_input_dirs, "training"), "labels.txt")
    if not os.path.exists(path):
        return [str(label) for label in range(CLASSES)]
    try:
        with open(path, encoding="utf-8-sig") as file:
            labels = [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 ({error})") from None
    if len(labels) != CLASSES:
        raise InputError(f"{path} names {len(labels)} classes, not {CLASSES}")
    return labels


def read_idx(path: str, dimensions: int) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzipped (told by its first bytes, not by its name).

    Raises:
        InputError: not an IDX file of unsigned bytes in so many dimensions, shorter or longer than its header says, or
            a broken archive.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: the gzip archive is damaged ({error}): fetch the file again") from None
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic:
        raise InputError(
            f"{path}: not an IDX file of unsigned bytes in {dimensions} dimension(s): "
            f"its magic number is {content[:4].hex() or 'missing'}, expected {magic.hex()}"
        )
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise InputError(f"{path}: truncated: the file ends inside its header: fetch the file again")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, 4))
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise InputError(
            f"{path}: {'truncated' if len(content) < expected else 'too long'}: {len(content)} bytes where its header "
            f"{shape} needs {expected}: fetch the file again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_pair(directory: str, prefix: str) -> Optional[Images]:
    image_path = _find(directory, prefix, "images", 3)
    label_path = _find(directory, prefix, "labels", 1)
    if image_path is None and label_path is None:
        return None
    if image_path is None or label_path is None:
        missing, present = ("labels", image_path) if image_path else ("images", label_path)
        raise InputError(f"{directory} has no {prefix}-{missing} file beside {os.path.basename(present)}")
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(images) != len(labels):
        raise InputError(
            f"{image_path} holds {len(images)} images, but {label_path} holds {len(labels)} labels: "
            "they are not of one data set"
        )
    if not images.size:
        raise InputError(f"{image_path} holds no images")
    if labels.max() >= CLASSES:
        raise InputError(
            f"{label_path}: label {labels.max()} at position {labels.argmax()} is out of range: "
            f"labels go from 0 to {CLASSES - 1}"
        )
    return Images(images[:, None], labels.astype(np.int32))


def _find(directory: str, prefix: str, what: str, dimensions: int) -> Optional[str]:
    for folder in ("train" if prefix == "train" else "test", ""):
        for separator in "-.":  # some mirrors unpack to train-images.idx3-ubyte
            for suffix in ("", ".gz"):
                name = f"{prefix}-{what}{separator}idx{dimensions}-ubyte{suffix}"
                path = os.path.join(directory, folder, name)
                if os.path.isfile(path):
                    return path
    return None


def _describe(directory: str) -> str:
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"


def _size(images: np.ndarray) -> str:
    return " x ".join(map(str, images.shape[2:]))
