import hashlib
import random
import socket
import stat
import zipfile

import pytest

from launcher import download
from launcher.errors import JobFailed

CONTENT = random.Random(0).randbytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def mirror(start_mirror):
    return start_mirror({"/file": CONTENT})


@pytest.fixture
def other_mirror(start_mirror):
    return start_mirror({"/file": CONTENT})


def fetch(path, *mirrors, report=lambda _: None):
    urls = [mirror if isinstance(mirror, str) else f"{mirror.url}file" for mirror in mirrors]
    download.fetch(urls, path, len(CONTENT), SHA256, report)


def start(path, arrived):
    path.with_name(f"{path.name}.part").write_bytes(arrived)


def assert_whole(path):
    assert path.read_bytes() == CONTENT
    assert [sibling.name for sibling in path.parent.iterdir()] == [path.name]


def refusing():
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"


def test_a_file_is_downloaded_into_a_directory_that_is_made_for_it(tmp_path, mirror):
    fetch(tmp_path / "new" / "directory" / "file", mirror)
    assert_whole(tmp_path / "new" / "directory" / "file")
    assert mirror.requests == [("/file", None)]


def test_what_arrives_is_reported_up_to_the_size(tmp_path, mirror):
    reports = []
    fetch(tmp_path / "file", mirror, report=reports.append)
    assert reports == sorted(reports)
    assert reports[-1] == len(CONTENT)


def test_a_truncated_download_is_continued_where_it_ended(tmp_path, mirror):
    mirror.faults = ["truncated", "truncated"]
    fetch(tmp_path / "file", mirror)
    assert_whole(tmp_path / "file")
    assert mirror.requests == [("/file", None), ("/file", "bytes=50000-"), ("/file", "bytes=75000-")]
    assert mirror.sent == len(CONTENT)


def test_another_mirror_continues_what_the_first_began(tmp_path, mirror, other_mirror):
    mirror.faults = ["truncated"]
    fetch(tmp_path / "file", mirror, other_mirror)
    assert_whole(tmp_path / "file")
    assert other_mirror.requests == [("/file", "bytes=50000-")]


def test_a_part_from_an_earlier_try_is_continued(tmp_path, mirror):
    start(tmp_path / "file", CONTENT[:99_000])
    fetch(tmp_path / "file", mirror)
    assert_whole(tmp_path / "file")
    assert mirror.sent == 1000


def test_a_part_that_only_lacked_its_name_needs_no_request(tmp_path, mirror):
    start(tmp_path / "file", CONTENT)
    fetch(tmp_path / "file", mirror)
    assert_whole(tmp_path / "file")
    assert mirror.requests == []


def test_a_mirror_that_ignores_ranges_sends_the_whole_file_anew(tmp_path, mirror):
    start(tmp_path / "file", CONTENT[:60_000])
    mirror.faults = ["whole"]
    fetch(tmp_path / "file", mirror)
    assert_whole(tmp_path / "file")


def test_a_mirror_that_answers_with_another_part_is_not_believed(tmp_path, mirror, other_mirror):
    start(tmp_path / "file", CONTENT[:60_000])
    mirror.faults = ["other-part"]
    fetch(tmp_path / "file", mirror, other_mirror)
    assert_whole(tmp_path / "file")
    assert other_mirror.sent == 40_000


def test_a_page_instead_of_the_file_costs_nothing_of_what_has_arrived(tmp_path, mirror, other_mirror):
    start(tmp_path / "file", CONTENT[:60_000])
    mirror.faults = ["page"]
    fetch(tmp_path / "file", mirror, other_mirror)
    assert_whole(tmp_path / "file")
    assert other_mirror.sent == 40_000


@pytest.mark.parametrize("arrived", [b"x" * 10_000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_part_of_something_else_is_thrown_away_and_the_file_downloaded_anew(tmp_path, mirror, arrived):
    start(tmp_path / "file", arrived)
    fetch(tmp_path / "file", mirror)
    assert_whole(tmp_path / "file")


def test_a_part_longer_than_what_the_mirror_has_is_thrown_away(tmp_path, mirror):
    mirror.content["/file"] = CONTENT[:10]
    start(tmp_path / "file", CONTENT[:60_000])
    with pytest.raises(JobFailed):
        fetch(tmp_path / "file", mirror)
    assert mirror.requests == [("/file", "bytes=60000-"), ("/file", None)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["missing", "broken", "corrupted", "page"])
def test_the_next_mirror_is_tried_when_one_fails(tmp_path, mirror, other_mirror, fault):
    mirror.faults = [fault]
    fetch(tmp_path / "file", mirror, other_mirror)
    assert_whole(tmp_path / "file")
    assert (len(mirror.requests), len(other_mirror.requests)) == (1, 1)


def test_the_next_mirror_is_tried_when_nobody_listens(tmp_path, mirror):
    fetch(tmp_path / "file", refusing(), mirror)
    assert_whole(tmp_path / "file")


def test_the_next_mirror_is_tried_when_one_falls_silent(tmp_path, mirror, other_mirror, monkeypatch):
    monkeypatch.setattr(download, "SOCKET_TIMEOUT", 2)
    mirror.faults = ["silent"]
    fetch(tmp_path / "file", mirror, other_mirror)
    assert_whole(tmp_path / "file")
    assert other_mirror.sent == 50_000


def test_the_next_mirror_is_tried_when_one_drips(tmp_path, mirror, other_mirror, monkeypatch):
    monkeypatch.setattr(download, "STALL_TIMEOUT", 0.5)
    monkeypatch.setattr(download, "MINIMUM_SPEED", 200_000)  # the first half comes at once, and is not enough
    mirror.faults = ["dripping"]
    fetch(tmp_path / "file", mirror, other_mirror)
    assert_whole(tmp_path / "file")
    assert 0 < other_mirror.sent <= 50_000


def test_a_corrupted_download_leaves_nothing_and_the_next_try_starts_afresh(tmp_path, mirror):
    mirror.faults = ["corrupted"]
    with pytest.raises(JobFailed, match="wrong content"):
        fetch(tmp_path / "file", mirror)
    assert not list(tmp_path.iterdir())
    fetch(tmp_path / "file", mirror)
    assert_whole(tmp_path / "file")


def test_when_all_mirrors_fail_the_message_says_why_of_each_and_what_to_do(tmp_path, mirror, other_mirror):
    mirror.faults = ["missing"]
    other_mirror.faults = ["corrupted"]
    nobody = refusing()
    with pytest.raises(JobFailed) as failure:
        fetch(tmp_path / "file", mirror, other_mirror, nobody)
    message = str(failure.value)
    assert "cannot download file" in message
    assert f"{mirror.url}file: HTTP status 404" in message
    assert f"{other_mirror.url}file: wrong content" in message
    assert f"{nobody}: Connection refused" in message
    assert "--data DIR" in message
    assert failure.value.exit_status == 1


def test_a_mirror_that_always_breaks_off_is_given_up_and_what_arrived_is_kept(tmp_path, mirror):
    mirror.faults = ["truncated"] * 100
    with pytest.raises(JobFailed, match="closed before the end"):
        fetch(tmp_path / "file", mirror)
    assert len(mirror.requests) == download.ROUNDS
    assert [path.name for path in tmp_path.iterdir()] == ["file.part"]
    assert CONTENT.startswith((tmp_path / "file.part").read_bytes())


def test_only_http_addresses_are_opened(tmp_path):
    (tmp_path / "local").write_bytes(CONTENT)
    with pytest.raises(JobFailed, match="unknown url type: file"):
        fetch(tmp_path / "file", (tmp_path / "local").as_uri())


def test_the_proxy_of_the_environment_is_used(tmp_path, mirror, monkeypatch):
    mirror.content["http://mirror.invalid/file"] = CONTENT  # a proxy is asked for the whole address
    monkeypatch.setenv("http_proxy", mirror.url)
    monkeypatch.delenv("no_proxy", raising=False)
    fetch(tmp_path / "file", "http://mirror.invalid/file")
    assert_whole(tmp_path / "file")


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def test_the_folder_of_a_zip_is_unpacked_without_its_name(tmp_path):
    archive = pack(tmp_path / "set.zip", [("set/", ""), ("set/u.data", "1 2 3"), ("set/deep/er", b"\0")])
    download.unpack(archive, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "u.data").read_text() == "1 2 3"
    assert (tmp_path / "unpacked" / "deep" / "er").read_bytes() == b"\0"


@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "evil"])
def test_a_member_outside_the_folder_of_a_zip_is_refused(tmp_path, name):
    archive = pack(tmp_path / "set.zip", [(name, "evil")])
    (tmp_path / "here").mkdir()
    with pytest.raises(JobFailed, match=r"unsafe member.*evil"):
        download.unpack(archive, tmp_path / "here" / "unpacked")
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("set/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(JobFailed, match="unsafe member 'set/link'"):
        download.unpack(pack(tmp_path / "set.zip", [(link, "/etc/passwd")]), tmp_path / "unpacked")


def test_a_zip_that_would_fill_the_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAXIMUM_UNPACKED", 1000)
    archive = pack(tmp_path / "set.zip", [("set/zeros", bytes(1001))])
    with pytest.raises(JobFailed, match="more than 1000 bytes"):
        download.unpack(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_a_damaged_zip_is_reported(tmp_path):
    (tmp_path / "set.zip").write_bytes(b"no zip")
    with pytest.raises(JobFailed, match=r"set\.zip is damaged"):
        download.unpack(tmp_path / "set.zip", tmp_path / "unpacked")
