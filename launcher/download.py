"""Files from elsewhere: fetched from whichever mirror has them, checked, resumed, and unpacked."""

from __future__ import annotations

import hashlib
import http.client
import os
import stat
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

from launcher import files
from launcher.errors import JobFailed

SOCKET_TIMEOUT = 30.0  # seconds of silence, while connecting or between bytes
STALL_TIMEOUT = 60.0  # seconds after which a mirror slower than MINIMUM_SPEED is given up
MINIMUM_SPEED = 4096  # bytes per second
ROUNDS = 5  # times the list of mirrors is gone through, as long as it helps
MAXIMUM_UNPACKED = 1 << 28  # bytes
_BLOCK = 1 << 18  # bytes

# Nothing that opens file: or ftp: addresses, not even when a server redirects there.
_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.UnknownHandler,
)


class _MirrorFailed(Exception):
    """This mirror did not give the file: another may."""


def fetch(urls: Sequence[str], path: Path, size: int, sha256: str, report: Callable[[int], None]) -> None:
    """Downloads a file to `path`, where it appears once all its bytes are right.

    What has arrived waits beside it as `NAME.part`, and the next try, from any mirror, asks for the rest alone.
    Two processes must not fetch the same path at once.

    Args:
        urls: the file's addresses, http or https, the best first.
        path: its place; the directory is made.
        size: of the file, in bytes.
        sha256: of the file, as 64 hexadecimal digits.
        report: called with the number of bytes that have arrived; it falls when a mirror starts anew.

    Raises:
        JobFailed: no mirror has the file; the message says why of each.
        OSError: the disk is full, or the directory cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    reasons: dict[str, str] = {}
    for _ in range(ROUNDS):
        arrived = _size(part)
        for url in urls:
            try:
                _fetch_rest(url, part, size, report)
                _check(part, sha256)
            except _MirrorFailed as failure:
                reasons[url] = str(failure)
            else:
                part.replace(path)
                return
        if _size(part) == arrived:
            break
    details = "".join(f"\n  {url}: {reason}" for url, reason in reasons.items())
    raise JobFailed(
        f"cannot download {path.name} from any of its mirrors:{details}\n"
        "Try again later, or fetch the files by hand into a directory DIR and use --data DIR."
    )


def unpack(archive: Path, directory: Path) -> None:
    """Unpacks into `directory` the one folder that a zip holds, without the folder's own name.

    Raises:
        JobFailed: the zip is damaged or too large, or has a link or a member outside its folder.
        OSError: the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > MAXIMUM_UNPACKED:
                raise JobFailed(f"{archive} holds more than {MAXIMUM_UNPACKED} bytes: not unpacked")
            for member in members:
                path = directory / _place(member, archive)
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_atomic(path, zipped.read(member))
    except zipfile.BadZipFile as error:
        raise JobFailed(f"{archive} is damaged ({error}): remove it and try again") from None


def _place(member: zipfile.ZipInfo, archive: Path) -> PurePosixPath:
    """Where a member belongs below the folder that the archive holds."""
    path = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or is_link:
        raise JobFailed(f"{archive} has the unsafe member {member.filename!r}: not unpacked")
    return PurePosixPath(*path.parts[1:])


def _fetch_rest(url: str, part: Path, size: int, report: Callable[[int], None]) -> None:
    done = _size(part)
    if done >= size:
        return
    with closing(_open(url, part, done)) as response:
        done = _beginning(response, done, size)
        with part.open("ab" if done else "wb") as file:
            checkpoint, deadline = done, time.monotonic() + STALL_TIMEOUT
            while done < size:
                if time.monotonic() > deadline:
                    if done - checkpoint < MINIMUM_SPEED * STALL_TIMEOUT:
                        raise _MirrorFailed(f"too slow: {done - checkpoint} bytes in {STALL_TIMEOUT:g} seconds")
                    checkpoint, deadline = done, time.monotonic() + STALL_TIMEOUT
                block = _read(response, min(_BLOCK, size - done))
                file.write(block)
                done += len(block)
                report(done)


def _open(url: str, part: Path, offset: int) -> http.client.HTTPResponse:
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    request = urllib.request.Request(url, headers={"User-Agent": "gluon-launcher"})  # noqa: S310 (see _HANDLERS)
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=SOCKET_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # more has arrived than this mirror has: begin anew
        raise _MirrorFailed(f"HTTP status {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _MirrorFailed(_describe(error)) from None
    return response


def _beginning(response: http.client.HTTPResponse, offset: int, size: int) -> int:
    """Where in the file the response begins: at `offset`, or at 0 when the mirror ignores ranges.

    Looked at before what has arrived is overwritten: a page of excuses has the status 200 too.
    """
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        offset = 0
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        raise _MirrorFailed("answers with another part of the file than it was asked for")
    length = response.headers.get("Content-Length")
    if length is not None and length != str(size - offset):
        raise _MirrorFailed(f"offers {length} bytes instead of {size - offset}: another file")
    return offset


def _read(response: http.client.HTTPResponse, limit: int) -> bytes:
    """The next bytes as soon as there are any; `read` would wait for all of them, however slowly they drip."""
    try:
        block = response.read1(limit)
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorFailed(_describe(error)) from None
    if not block:
        raise _MirrorFailed("the connection was closed before the end of the file")
    return block


def _check(part: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        part.unlink()
        raise _MirrorFailed(f"wrong content: its SHA-256 is {digest.hexdigest()} instead of {sha256}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _describe(error: Exception) -> str:
    reason = getattr(error, "reason", error)  # URLError wraps the cause
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return f"no answer within {SOCKET_TIMEOUT:g} seconds"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
