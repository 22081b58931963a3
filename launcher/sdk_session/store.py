"""Objects in a folder: FOLDER/BUCKET/KEY."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Union

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_UPLOADS = ".uploads"  # no bucket's name begins with a dot
Content = Union[bytes, str, IO[bytes]]


class Missing(Exception):
    """There is no such object."""


class Store:
    """The objects in a folder. All methods may be called from several threads and processes at once.

    Raises:
        ValueError: of any method, for a bucket's name or a key that cannot be a path below the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, bucket: str, key: str = "") -> Path:
        """Where an object is, or would be."""
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise ValueError(f"{bucket!r} is no name of a bucket")
        parts = key.split("/")
        if ".." in parts or "." in parts or "\0" in key or key.startswith("/"):
            raise ValueError(f"the key {key!r} is no path: it cannot be kept in a folder")
        return self._folder / bucket / key

    def has(self, bucket: str, key: str = "") -> bool:
        """Whether there is an object of that key, or one whose key begins so."""
        return self.path(bucket, key).is_file() or bool(self.list(bucket, key))

    def put(self, bucket: str, key: str, content: Content) -> str:
        """Writes an object, at one stroke, and gives its ETag."""
        path = self.path(bucket, key)
        if key.endswith("/"):  # what consoles write for an empty folder
            path.mkdir(parents=True, exist_ok=True)
            return '""'
        aside = self._aside()
        with aside.open("wb") as file:
            _write(file, content)
        return self._place(aside, path)

    def describe(self, bucket: str, key: str) -> dict[str, Any]:
        """What HeadObject tells. Raises Missing."""
        path = self.path(bucket, key)
        if not path.is_file():
            raise Missing(key)
        status = path.stat()
        modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        return {"ContentLength": status.st_size, "LastModified": modified, "ETag": _etag(path), "Metadata": {}}

    def list(self, bucket: str, prefix: str = "") -> list[dict[str, Any]]:
        """What ListObjects tells of each object whose key begins so, in the order of S3."""
        root = self.path(bucket)
        top = self.path(bucket, prefix.rpartition("/")[0])
        found = []
        for directory, _, names in os.walk(top):
            for name in names:
                path = Path(directory, name)
                key = str(path.relative_to(root))
                if key.startswith(prefix):
                    status = path.stat()
                    modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
                    found.append({"Key": key, "Size": status.st_size, "LastModified": modified, "ETag": _etag(path)})
        return sorted(found, key=lambda one: os.fsencode(one["Key"]))

    def delete(self, bucket: str, key: str) -> None:
        """Deletes an object; one that is not there is no error, as in S3."""
        path = self.path(bucket, key)
        if path.is_dir():
            return
        path.unlink(missing_ok=True)

    def begin(self) -> str:
        """A new upload in parts; its name."""
        name = secrets.token_hex(8)
        (self._folder / _UPLOADS / name).mkdir(parents=True)
        return name

    def add(self, upload: str, number: int, content: Content) -> None:
        """Writes a part of an upload."""
        with (self._upload(upload) / f"{number:05d}").open("wb") as file:
            _write(file, content)

    def complete(self, upload: str, bucket: str, key: str) -> str:
        """Makes an object of the parts of an upload, and gives its ETag."""
        aside = self._aside()
        with aside.open("wb") as file:
            for part in sorted(self._upload(upload).iterdir()):
                with part.open("rb") as content:
                    shutil.copyfileobj(content, file)
        self.abort(upload)
        return self._place(aside, self.path(bucket, key))

    def abort(self, upload: str) -> None:
        """Forgets an upload."""
        shutil.rmtree(self._upload(upload), ignore_errors=True)

    def _upload(self, name: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{16}", name):
            raise ValueError(f"there is no upload {name!r}")
        return self._folder / _UPLOADS / name

    def _aside(self) -> Path:
        (self._folder / _UPLOADS).mkdir(parents=True, exist_ok=True)
        return self._folder / _UPLOADS / f"{secrets.token_hex(8)}.object"

    def _place(self, aside: Path, path: Path) -> str:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(path)
        except OSError as error:
            aside.unlink()
            raise ValueError(f"{path} cannot be written: {error.strerror}") from None
        return _etag(path)


def _etag(path: Path) -> str:
    status = path.stat()
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


def _write(file: IO[bytes], content: Content) -> None:
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        file.write(content)
    else:
        shutil.copyfileobj(content, file)
