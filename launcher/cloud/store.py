"""The bucket of a stack: what is sent to it, and fetched from it.

Nothing is sent twice: an object carries the SHA-256 of its content, and of a tree whose prefix is its digest a look at
the names is enough. Nothing half is ever there: S3 shows an object when all of it has arrived with the right checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

from launcher import files
from launcher.cloud import content, transfer
from launcher.cloud.bucket import Bucket, split
from launcher.cloud.content import File
from launcher.errors import UserError
from launcher.local import channels

Progress = Callable[[int, int], object]  # of bytes done, and bytes in all

_KEY_LIMIT = 1024  # bytes of UTF-8
_AT_ONCE = 10  # questions


@dataclass(frozen=True)
class Upload:
    """What sending a tree of files means, before anything is sent.

    Attributes:
        uri: of the tree: `s3://BUCKET/PREFIX/`.
        files: all of it, by key.
        missing: what S3 does not have yet, or with another content.
        stale: keys under the prefix that the tree has not, and a job would see.
    """

    uri: str
    files: Mapping[str, File]
    missing: Mapping[str, File]
    stale: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files.values())

    @property
    def missing_bytes(self) -> int:
        return sum(file.size for file in self.missing.values())


class Store(Bucket):
    """What moves to and from a bucket. A network that is lost for some minutes is waited out."""

    def put_file(self, path: Path, key: str, on_progress: Progress | None = None) -> bool:
        """Sends a file, unless the object is there with the same content; whether it was sent."""
        file = content.read(path)
        if self._has(key, file):
            return False
        self._send({key: file}, on_progress)
        return True

    def upload(self, source: Path | str, prefix: str | None = None, on_progress: Progress | None = None) -> str:
        """Sends what S3 has not of a directory, or a file, and returns the URI for a channel; an `s3://` one stays.

        What was sent stays when it is interrupted, and the next call sends the rest.

        Args:
            source: of a channel; see `launcher.local.channels.files`.
            prefix: of the keys, without a slash at its end; by default `data/DIGEST`, of names and contents.
            on_progress: called with the bytes that are sent and all that are to be, from other threads.
        """
        if isinstance(source, str) and source.startswith("s3://"):
            return source
        planned = self.plan(Path(source), prefix)
        self.send(planned, on_progress)
        return planned.uri

    def plan(self, source: Path, prefix: str | None = None, on_read: Progress | None = None) -> Upload:
        """What `upload` would do. Nothing is written.

        Args:
            source: as for `upload`.
            prefix: as for `upload`.
            on_read: called with the bytes that were read for their checksums, and all there are.
        """
        found = content.read_all(channels.files(source.name, source), on_read or _ignore)
        addressed = prefix is None
        prefix = prefix or f"data/{content.digest((name, file.sha256) for name, file in found.items())}"
        wanted = {_key(prefix, name): file for name, file in found.items()}
        there = self.sizes(f"{prefix}/")
        same = {key for key, file in wanted.items() if there.get(key) == file.size}
        if not addressed:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                same = set(compress(same, pool.map(lambda key: self._has(key, wanted[key]), same)))
        missing = {key: file for key, file in wanted.items() if key not in same}
        stale = there.keys() - wanted.keys() - {f"{prefix}/"}
        return Upload(self.uri(f"{prefix}/"), wanted, missing, tuple(sorted(stale)))

    def send(self, upload: Upload, on_progress: Progress | None = None, *, delete: bool = False) -> None:
        """Sends what is missing, then deletes what is stale; where that may not be deleted, it sends nothing.

        Args:
            upload: what `plan` found.
            on_progress: as for `upload`.
            delete: whether stale objects may be deleted.
        """
        if upload.stale and not delete:
            more = f" and {len(upload.stale) - 1:,} more" if len(upload.stale) > 1 else ""
            raise UserError(
                f"a job would also read {self.uri(upload.stale[0])}{more}, which the data has not: "
                "take another name, or delete what is there beside it with `glaunch upload --delete`"
            )
        self._send(upload.missing, on_progress)
        self.delete(upload.stale)

    def download(self, uri: str, path: Path, on_progress: Progress | None = None) -> None:
        """Fetches an object, which appears at `path` when its size and, where S3 knows one, its checksum are right.

        Args:
            uri: `s3://BUCKET/KEY`, of any bucket that may be read.
            path: is replaced; its directory must exist.
            on_progress: called with the bytes that have arrived and all of them, from other threads.
        """
        bucket, key = split(uri)
        owner = self._owner if bucket == self.bucket else {}
        with self._readable(f"fetching {uri}"):
            head = self._head(key, bucket)
            if head is None:
                raise UserError(f"there is no {uri}")
            with files.atomic(path) as file:

                def begin(manager: Any, subscribers: list[Any]) -> Any:  # each piece is written at its place
                    return manager.download(bucket, key, file, extra_args=owner, subscribers=subscribers)

                one = transfer.Move(head["ContentLength"], begin)
                transfer.move(self._client, [one], on_progress or _ignore)
                file.flush()
                if not _is_that(content.read(Path(file.name)), head):
                    raise UserError(f"what arrived of {uri} is not what S3 holds: was it replaced meanwhile? Try again")

    def _has(self, key: str, file: File) -> bool:
        head = self._head(key)
        return head is not None and head["Metadata"].get("sha256") == file.sha256

    def _send(self, wanted: Mapping[str, File], on_progress: Progress | None) -> None:
        with self._readable(f"sending to the bucket {self.bucket}"):
            moves = [self._move(key, file) for key, file in wanted.items()]
            transfer.move(self._client, moves, on_progress or _ignore)

    def _move(self, key: str, file: File) -> transfer.Move:
        # S3 compares the whole with this, and keeps nothing that differs.
        extra = {"Metadata": {"sha256": file.sha256}, "ChecksumCRC32": file.crc32, **self._owner}

        def begin(manager: Any, subscribers: list[Any]) -> Any:
            return manager.upload(str(file.path), self.bucket, key, extra_args=dict(extra), subscribers=subscribers)

        return transfer.Move(file.size, begin)


def _key(prefix: str, name: str) -> str:
    key = f"{prefix}/{name}"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise UserError(f"the name {name!r} is not UTF-8, which S3 needs: rename the file") from None
    if size > _KEY_LIMIT:
        raise UserError(f"the name {name!r} is too long for S3: {size} bytes, and a key has at most {_KEY_LIMIT}")
    return key


def _is_that(file: File, head: Mapping[str, Any]) -> bool:
    """Whether a file has the size and the checksums that S3 knows of an object."""
    sha256 = head["Metadata"].get("sha256", file.sha256)
    crc32 = head.get("ChecksumCRC32", file.crc32)
    if "-" in crc32:  # of an object in parts: a checksum of their checksums
        crc32 = file.crc32
    return (file.size, file.sha256, file.crc32) == (head["ContentLength"], sha256, crc32)


def _ignore(_done: int, _total: int) -> None:
    """For who does not want to know how far it is."""
