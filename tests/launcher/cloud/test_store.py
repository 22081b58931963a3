"""What is sent to the bucket is sent once, whole, and with its checksum; what is fetched is what is there."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import signal
import zlib

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from launcher.cloud import transfer
from launcher.cloud.aws import Aws
from launcher.cloud.store import Store
from launcher.config import Config
from launcher.errors import UserError

FILES = {"train/images": b"i" * 3000, "train/labels": b"l" * 100, "test/images": b"", "ä b": b"x"}
LARGE = 2 * 5 * 2**20 + 77  # bytes: three parts of the smallest size
LOST = EndpointConnectionError(endpoint_url="https://bucket.s3.amazonaws.com/")


@pytest.fixture
def store(stack, monkeypatch):
    monkeypatch.setattr(transfer, "_PAUSE", 0)
    monkeypatch.setattr(transfer, "PART", 5 * 2**20)
    return Store(Aws(stack), stack.bucket)


@pytest.fixture
def tree(tmp_path):
    """A directory of a few files."""
    for name, content in FILES.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(content)
    return tmp_path / "tree"


@pytest.fixture
def large(tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(LARGE))
    return tmp_path / "large"


def objects(account, store):
    s3 = account("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=store.bucket).get("Contents", [])]
    return {key: s3.get_object(Bucket=store.bucket, Key=key)["Body"].read() for key in keys}


def made(calls, *operations):
    return [arguments for _, operation, arguments in calls if operation in operations]


WRITES = ("PutObject", "CreateMultipartUpload", "DeleteObjects")


def test_a_directory_is_sent_under_the_digest_of_its_content(account, store, tree):
    uri = store.upload(tree)
    prefix = uri.removeprefix(f"s3://{store.bucket}/")
    assert prefix.startswith("data/")
    assert prefix.endswith("/")
    assert objects(account, store) == {prefix + name: content for name, content in FILES.items()}
    assert store.upload(tree.rename(tree.with_name("other"))) == uri
    (tree.with_name("other") / "train" / "labels").write_bytes(b"L" * 100)
    assert store.upload(tree.with_name("other")) != uri


def test_what_is_there_is_not_sent_again_nor_even_looked_at(store, tree, calls):
    store.upload(tree)
    calls.clear()
    store.upload(tree)
    assert {operation for _, operation, _ in calls} == {"ListObjectsV2"}


def test_under_a_name_only_what_has_changed_is_sent(account, store, tree, calls):
    assert store.upload(tree, "data/digits") == f"s3://{store.bucket}/data/digits/"
    (tree / "train" / "labels").write_bytes(b"L" * 100)  # of the same size
    calls.clear()
    store.upload(tree, "data/digits")
    assert [one["Key"] for one in made(calls, *WRITES)] == ["data/digits/train/labels"]
    assert objects(account, store)["data/digits/train/labels"] == b"L" * 100


def test_what_another_job_would_see_beside_it_is_refused_or_deleted(account, store, tree, calls):
    store.upload(tree, "data/digits")
    store.upload(tree, "data/digits2")
    (tree / "ä b").unlink()
    (tree / "train" / "labels").unlink()
    (tree / "new").touch()
    planned = store.plan(tree, "data/digits")
    calls.clear()
    with pytest.raises(UserError, match=r"read s3://.*/data/digits/train/labels and 1 more, which the data has not"):
        store.send(planned)
    assert not made(calls, *WRITES)
    store.send(planned, delete=True)
    found = objects(account, store)
    assert {key for key in found if key.startswith("data/digits/")} == {
        "data/digits/new", "data/digits/test/images", "data/digits/train/images"}  # fmt: skip
    assert len([key for key in found if key.startswith("data/digits2/")]) == len(FILES)


def test_a_plan_writes_nothing_and_knows_what_would_be_sent(store, tree, calls):
    store.put_file(tree / "train" / "images", "data/digits/train/images")
    calls.clear()
    read = []
    planned = store.plan(tree, "data/digits", lambda *progress: read.append(progress))
    assert not made(calls, *WRITES)
    assert (planned.bytes, planned.missing_bytes, len(planned.missing)) == (3101, 101, 3)
    assert read[-1] == (3101, 3101)


def test_a_single_file_is_a_channel_too(account, store, tree):
    uri = store.upload(tree / "train" / "labels", "data/labels")
    assert objects(account, store) == {"data/labels/labels": FILES["train/labels"]}
    assert uri.endswith("/data/labels/")


def test_what_is_in_s3_already_passes_through(store, calls):
    assert store.upload("s3://somebody/data/x") == "s3://somebody/data/x"
    assert not calls


def test_a_listing_of_several_pages_is_read_whole(store, tree, calls, monkeypatch):
    store.upload(tree)
    client = store._client
    list_page = client.list_objects_v2
    monkeypatch.setattr(client, "list_objects_v2", lambda **words: list_page(MaxKeys=2, **words))
    calls.clear()
    assert not store.plan(tree).missing
    assert len(made(calls, "ListObjectsV2")) == 2


def test_s3_is_told_the_checksum_of_the_whole_and_the_owner(account, store, tree, large, calls):
    store.put_file(tree / "train" / "images", "a")
    store.put_file(large, "b")
    owner = account("sts").get_caller_identity()["Account"]
    (small,), (parts,), (end,) = (
        made(calls, name) for name in ("PutObject", "CreateMultipartUpload", "CompleteMultipartUpload")
    )
    assert len(made(calls, "UploadPart")) == 3
    for content, checked, whole in ((FILES["train/images"], small, small), (large.read_bytes(), end, parts)):
        crc32 = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
        assert checked["ChecksumCRC32"] == crc32
        assert whole["Metadata"] == {"sha256": hashlib.sha256(content).hexdigest()}
        assert whole["ExpectedBucketOwner"] == checked["ExpectedBucketOwner"] == owner
    assert parts["ChecksumType"] == "FULL_OBJECT"
    s3_calls = [arguments for service, _, arguments in calls if service == "s3"]
    assert all(arguments["ExpectedBucketOwner"] == owner for arguments in s3_calls)


def test_a_file_of_several_parts_is_known_again(account, store, large, calls):
    assert store.put_file(large, "code/x") is True
    assert objects(account, store) == {"code/x": large.read_bytes()}
    calls.clear()
    assert store.put_file(large, "code/x") is False
    assert {operation for _, operation, _ in calls} == {"HeadObject"}
    large.write_bytes(bytes(LARGE))
    assert store.put_file(large, "code/x") is True
    assert store.exists("code/x")
    assert not store.exists("code")


def test_progress_never_falls_and_ends_with_all(store, tree, large, refuse):
    refuse("CompleteMultipartUpload", LOST, times=2)  # when all has been sent: it is sent anew
    large.rename(tree / "large")
    told = []
    store.upload(tree, on_progress=lambda *progress: told.append(progress))
    assert told == sorted(told)
    assert told[-1] == (LARGE + 3101, LARGE + 3101)


@pytest.mark.parametrize("operation", ["ListObjectsV2", "PutObject", "UploadPart", "CompleteMultipartUpload"])
def test_a_network_that_is_lost_for_a_while_is_waited_out(account, store, tree, large, refuse, operation):
    refuse(operation, LOST, times=7)
    large.rename(tree / "large")
    store.upload(tree)
    assert sorted(map(len, objects(account, store).values())) == [0, 1, 100, 3000, LARGE]


def test_a_network_that_stays_away_is_told_at_the_deadline(account, store, tree, refuse, monkeypatch):
    monkeypatch.setattr(transfer, "PATIENCE", 0.05)
    refuse("PutObject", LOST)
    with pytest.raises(UserError, match="AWS cannot be reached"):
        store.upload(tree)
    assert objects(account, store) == {}


def test_what_was_sent_before_a_ctrl_c_stays_and_the_rest_follows(account, store, tree, calls, alter):
    answers = itertools.count(1)

    def interrupt(found):
        if next(answers) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return found

    for number in range(40):
        (tree / f"more-{number}").touch()
    alter("PutObject", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.upload(tree)
    there = len(objects(account, store))
    assert 2 <= there < len(FILES) + 40
    calls.clear()
    store.upload(tree)
    assert len(made(calls, "PutObject")) == len(FILES) + 40 - there
    assert len(objects(account, store)) == len(FILES) + 40


def test_a_file_that_breaks_off_is_not_there_and_nothing_is_kept_of_it(account, store, tree, large, refuse, calls):
    large.rename(tree / "large")
    refuse("CompleteMultipartUpload", "AccessDenied", "no", times=1)
    with pytest.raises(UserError, match=r"AWS denies CompleteMultipartUpload: no\. `glaunch infra policy`"):
        store.upload(tree)
    assert not any(key.endswith("large") for key in objects(account, store))
    assert account("s3").list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []
    calls.clear()
    store.upload(tree)
    assert [one["Key"].rsplit("/", 1)[1] for one in made(calls, *WRITES)] == ["large"]


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        ("ListObjectsV2", "NoSuchBucket", "there is no bucket glaunch-bucket.*`glaunch infra up` makes one"),
        ("PutObject", "AccessDenied", "AWS denies PutObject"),
        ("PutObject", "ExpiredToken", "credentials have expired: run `aws sso login`"),
        ("PutObject", "BadDigest", "a file was changed while it was read: run the command again"),
    ],
)
def test_what_will_not_pass_is_told_at_once(store, tree, refuse, operation, error, message):
    refuse(operation, error, "no")
    with pytest.raises(UserError, match=message):
        store.upload(tree)


def test_a_file_that_is_gone_when_it_is_sent_is_named(store, tree):
    planned = store.plan(tree)
    (tree / "train" / "labels").unlink()
    with pytest.raises(UserError, match=r"sending to the bucket .*train/labels.* No such file"):
        store.send(planned)


@pytest.mark.parametrize(
    ("name", "message"), [(b"caf\xe9", "is not UTF-8"), (b"x/" + 5 * (b"y" * 220 + b"/") + b"z", "too long")]
)
def test_a_name_that_s3_does_not_take_is_told_before_anything_is_sent(store, tree, name, message, calls):
    path = os.path.join(os.fsencode(tree), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    with pytest.raises(UserError, match=message):
        store.upload(tree)
    assert not calls


def test_a_bucket_that_can_be_used_is_found_to_be(store):
    assert store.check() is None


def test_no_bucket_at_all_says_how_to_get_one(stack):
    with pytest.raises(UserError, match="no bucket is known: `glaunch infra up` makes one"):
        Store(Aws(stack), "")


def test_a_bucket_that_is_missing_says_how_to_get_one(stack):
    with pytest.raises(UserError, match="there is no bucket gone: `glaunch infra up` makes one"):
        Store(Aws(stack), "gone").check()


def test_a_bucket_in_another_region_is_named_with_its_region(stack):
    with pytest.raises(
        UserError, match=r"glaunch-bucket.* is in eu-west-1, and jobs in us-east-2 need one .*region eu-west-1"
    ):
        Store(Aws(Config(region="us-east-2")), stack.bucket).check()


def test_a_bucket_of_another_account_is_told_as_such(store, refuse):
    refuse("HeadBucket", "403", "Forbidden")
    with pytest.raises(UserError, match="belongs to another AWS account, or these credentials may not list it"):
        store.check()


def test_a_download_is_what_is_there(store, large, tmp_path):
    store.put_file(large, "runs/a/model.tar.gz")
    told = []
    store.download(store.uri("runs/a/model.tar.gz"), tmp_path / "model.tar.gz", lambda *progress: told.append(progress))
    assert (tmp_path / "model.tar.gz").read_bytes() == large.read_bytes()
    assert told[-1] == (LARGE, LARGE)


def test_an_object_of_somebody_elses_is_fetched_by_its_size(account, store, tmp_path):
    account("s3").put_object(Bucket=store.bucket, Key="runs/output", Body=b"12345")
    store.download(store.uri("runs/output"), tmp_path / "output")
    assert (tmp_path / "output").read_bytes() == b"12345"


def test_a_download_waits_for_the_network(store, large, tmp_path, refuse):
    store.put_file(large, "model")
    refuse("GetObject", ReadTimeoutError(endpoint_url="https://x"), times=12)
    store.download(store.uri("model"), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == large.read_bytes()


@pytest.mark.parametrize("kept", ["sha256", "crc32"])
def test_a_download_with_another_content_never_takes_the_old_ones_place(account, store, tmp_path, kept, alter):
    digest = {"Metadata": {"sha256": hashlib.sha256(b"12345").hexdigest()}} if kept == "sha256" else {}
    account("s3").put_object(Bucket=store.bucket, Key="model", Body=b"12345", ChecksumAlgorithm="CRC32", **digest)

    def other_body(found):
        found["Body"].read = lambda *_: other.pop() if other else b""
        return found

    other = [b"54321"]
    alter("GetObject", other_body)
    (tmp_path / "model").write_bytes(b"old")
    with pytest.raises(UserError, match=r"what arrived of s3://.*/model is not what S3 holds"):
        store.download(store.uri("model"), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == ["model"]


@pytest.mark.parametrize(
    ("uri", "message"), [("s3://{bucket}/gone", "there is no s3://"), ("http://x/y", "is no s3://BUCKET/KEY")]
)
def test_what_cannot_be_fetched_leaves_nothing(store, tmp_path, uri, message):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        store.download(uri.format(bucket=store.bucket), tmp_path / "model")
    assert sorted(tmp_path.iterdir()) == before
