"""RecordIO, MXNet's format of many pictures in one file (what its tool im2rec writes).

A record is a magic number, a word with its length in the lower 29 bits, its content, and zeros up to a multiple of
four bytes (dmlc-core's recordio.h). The content is a header (flag, label, two numbers) and an encoded picture; with a
flag above 0 that many labels are between the two (MXNet's image_recordio.h).
"""

import os
import struct
import threading
from typing import Any, List, NamedTuple, Tuple

import numpy as np

from gluon_job.errors import InputError

_MAGIC = 0xCED7230A
_WORDS, _HEADER = struct.Struct("<II"), struct.Struct("<IfQQ")
_LENGTH = 2**29 - 1


class Record(NamedTuple):
    """Where a record's parts begin, and their lengths: there are several where it contains the magic number itself."""

    parts: Tuple[Tuple[int, int], ...]


class RecordFile:
    """The labels and the encoded pictures of a .rec file; its index is not needed.

    Attributes:
        labels: float32 (N, labels of a record).

    Raises:
        InputError: it is not such a file, a damaged one, or its records have different numbers of labels.
    """

    def __init__(self, path: str) -> None:
        self._path, self._lock = path, threading.Lock()
        self._file = open(path, "rb")  # noqa: SIM115  it is read as long as the job runs
        self._records = self._scan()
        if not self._records:
            raise InputError(f"{path} holds no records")
        labels = [self._labels(i) for i in range(len(self._records))]
        if len({len(label) for label in labels}) > 1:
            raise InputError(f"{path}: its records have different numbers of labels")
        self.labels = np.array(labels, np.float32)

    def __len__(self) -> int:
        return len(self._records)

    def picture(self, i: int) -> bytes:
        """The encoded picture of a record."""
        content = self._content(i)
        flag = _HEADER.unpack_from(content)[0]
        return content[_HEADER.size + 4 * flag :]

    def where(self, i: int) -> str:
        """A record's place, for a message."""
        return f"{self._path}, record {i} at byte {self._records[i].parts[0][0] - _WORDS.size}"

    def _scan(self) -> List[Record]:
        size = os.path.getsize(self._path)
        records: List[Record] = []
        parts: List[Tuple[int, int]] = []
        place = 0
        while place < size:
            words = self._read(place, _WORDS.size)
            magic, word = _WORDS.unpack(words) if len(words) == _WORDS.size else (0, 0)
            begin, length, kind = place + _WORDS.size, word & _LENGTH, word >> 29
            if magic != _MAGIC or begin + length > size:
                what = "is truncated" if magic == _MAGIC else "is not a RecordIO file, or damaged"
                raise InputError(f"{self._path} {what} at byte {place}: make it again with im2rec")
            parts.append((begin, length))
            if kind in (0, 3):  # a whole record, or the last part of one
                records.append(Record(tuple(parts)))
                parts = []
            place = begin + length + -length % 4
        return records

    def _labels(self, i: int) -> Any:
        content = self._content(i)
        if len(content) < _HEADER.size:
            raise InputError(f"{self.where(i)}: too short for a picture")
        flag, label, _, _ = _HEADER.unpack_from(content)
        if len(content) < _HEADER.size + 4 * flag:
            raise InputError(f"{self.where(i)}: it says that it has {flag} labels, and is too short for them")
        return np.frombuffer(content, "<f4", flag, _HEADER.size) if flag else [label]

    def _content(self, i: int) -> bytes:
        parts = [self._read(*part) for part in self._records[i].parts]
        return struct.pack("<I", _MAGIC).join(parts)  # the magic number itself is where a record is cut

    def _read(self, place: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(place)
            return self._file.read(length)
