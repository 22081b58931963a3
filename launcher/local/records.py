"""The files of a batch transform as records, and the records as the bodies of requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from launcher.errors import UserError

SPLITS = ("None", "Line", "RecordIO")
_MAGIC = 0xCED7230A  # of a record: https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading
_LENGTH = (1 << 29) - 1  # the bits of the second word that are the length


def split(content: bytes, kind: str) -> Iterator[bytes]:
    """The records of a file: lines with their ends, RecordIO's records whole, or all of it.

    Raises:
        UserError: it is no RecordIO.
    """
    if kind == "Line":
        yield from content.splitlines(keepends=True)
    elif kind == "RecordIO":
        yield from _split_recordio(content)
    else:
        yield content


def batch(records: Iterable[bytes], limit: int, most: int) -> Iterator[bytes]:
    """The bodies of requests: as many records in each as fit.

    Args:
        records: of one file.
        limit: bytes; 0 for no limit.
        most: records of one request; 0 for no limit.

    Raises:
        UserError: one record is longer than the limit.
    """
    body, count = b"", 0
    for record in records:
        if limit and len(record) > limit:
            raise UserError(f"a record of {len(record):,} bytes is longer than max_payload, {limit:,}: split the input")
        if body and (count == most or (limit and len(body) + len(record) > limit)):
            yield body
            body, count = b"", 0
        body, count = body + record, count + 1
    if body:
        yield body


def files(source: Path) -> dict[str, Path]:
    """The files of a directory, or the one file, by their relative names, in the order of S3."""
    if source.is_file():
        return {source.name: source}
    return {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}


def _split_recordio(content: bytes) -> Iterator[bytes]:
    begin = 0
    while begin < len(content):
        magic, word = (int.from_bytes(content[begin + at : begin + at + 4], "little") for at in (0, 4))
        end = begin + 8 + (word & _LENGTH) + -(word & _LENGTH) % 4
        if magic != _MAGIC or end > len(content):
            raise UserError(f"split_type='RecordIO': at byte {begin:,} there is no record")
        yield content[begin:end]
        begin = end
