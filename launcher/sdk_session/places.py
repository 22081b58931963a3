"""What the SDK's URIs name, `file://` and `s3://`, brought to this machine and from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.sdk_session.session import ProcessLocalSession


def path_of(uri: str) -> Path:
    """The path that a `file://` URI names; `file://data` is relative to the current directory, as in the SDK."""
    parsed = urlparse(uri)
    return Path(parsed.netloc + parsed.path).absolute()


def fetch(session: ProcessLocalSession, uri: str, directory: Path) -> Path:
    """The file or the directory of a URI, on this machine.

    Args:
        session: what calls S3.
        uri: `file://...`, or `s3://BUCKET/PREFIX`.
        directory: where it is downloaded to, if it is not here already; made then.

    Raises:
        UserError: there is nothing, or it is another kind of URI.
        ClientError, BotoCoreError: what S3 answers, or that there are no credentials.
    """
    if uri.startswith("file://"):
        path = path_of(uri)
        if not path.exists():
            raise UserError(f"no data at {uri}: there is no {path}")
        return path
    bucket, key = bucket_and_key(uri)
    if session.buckets.is_here(bucket, key):
        path = session.buckets.store.path(bucket, key)
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return path
    from sagemaker.utils import download_folder

    directory.mkdir(parents=True)
    download_folder(bucket, key, str(directory), session)
    if not any(directory.iterdir()):
        raise UserError(f"no object in S3 has a key that begins as {uri}")
    return directory


def fetch_file(session: ProcessLocalSession, uri: str, directory: Path) -> Path:
    """The file of a URI, as `fetch`; UserError also when it is a directory."""
    found = fetch(session, uri, directory)
    if found == directory and len([*found.iterdir()]) == 1:
        (found,) = found.iterdir()
    if not found.is_file():
        raise UserError(f"{uri} is not a file")
    return found


def deliver(session: ProcessLocalSession, source: Path, uri: str) -> str:
    """Copies a file, or what is in a directory, below a URI, and gives the URI of the copy.

    Raises:
        UserError: it is another kind of URI.
        OSError, Boto3Error, ClientError, BotoCoreError: it cannot be written.
    """
    uri = uri.rstrip("/")
    if uri.startswith("file://"):
        directory = path_of(uri)
        directory.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, directory, dirs_exist_ok=True)
        else:
            shutil.copy(source, directory)
    else:
        bucket, prefix = bucket_and_key(uri)
        session.upload_data(str(source), bucket, prefix)
    return uri if source.is_dir() else f"{uri}/{source.name}"


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The two parts of `s3://BUCKET/KEY`; UserError for another kind of URI."""
    parsed = urlparse(uri)
    if parsed.scheme != "s3" or not parsed.netloc:
        raise UserError(f"{uri!r} is no place: expected s3://BUCKET/PREFIX or file://PATH")
    return parsed.netloc, parsed.path.lstrip("/")
