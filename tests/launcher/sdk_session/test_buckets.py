"""S3 in a folder, through boto3."""

import io

import boto3
import pytest
from botocore.exceptions import ClientError

from launcher.sdk_session import boto
from launcher.sdk_session.buckets import DEFAULT, Buckets


@pytest.fixture
def attached(tmp_path):
    session = boto.session()
    Buckets(tmp_path / "s3").attach(session)
    return session


@pytest.fixture
def s3(attached):
    return attached.client("s3")


def test_what_is_put_is_found_listed_and_deleted(s3, tmp_path):
    for key in ("a/1", "a/2", "a/b/3", "ab"):
        s3.put_object(Bucket=DEFAULT, Key=key, Body=key.encode())
    assert (tmp_path / "s3" / DEFAULT / "a" / "b" / "3").read_bytes() == b"a/b/3"
    listed = s3.list_objects_v2(Bucket=DEFAULT, Prefix="a/", Delimiter="/")
    assert [one["Key"] for one in listed["Contents"]] == ["a/1", "a/2"]
    assert listed["CommonPrefixes"] == [{"Prefix": "a/b/"}]
    assert s3.head_object(Bucket=DEFAULT, Key="ab")["ContentLength"] == 2
    s3.copy_object(Bucket=DEFAULT, Key="copy", CopySource={"Bucket": DEFAULT, "Key": "a/1"})
    assert s3.get_object(Bucket=DEFAULT, Key="copy", Range="bytes=1-")["Body"].read() == b"/1"
    s3.delete_object(Bucket=DEFAULT, Key="ab")
    s3.delete_objects(Bucket=DEFAULT, Delete={"Objects": [{"Key": "copy"}]})
    assert s3.list_objects_v2(Bucket=DEFAULT)["KeyCount"] == 3


def test_resources_list_what_clients_put(attached, s3):
    s3.put_object(Bucket=DEFAULT, Key="x/y", Body=b"1")
    assert [one.key for one in attached.resource("s3").Bucket(DEFAULT).objects.filter(Prefix="x")] == ["x/y"]


def test_large_files_go_there_and_back_in_parts(s3, tmp_path):
    content = bytes(range(256)) * 2**16  # 16 MiB, twice what boto3 sends in one piece
    (tmp_path / "large").write_bytes(content)
    s3.upload_file(str(tmp_path / "large"), DEFAULT, "large")
    s3.download_file(DEFAULT, "large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    assert not [*(tmp_path / "s3" / ".uploads").iterdir()]


def test_what_is_not_there_is_what_s3_says(s3, tmp_path):
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=DEFAULT, Key="none")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=DEFAULT, Key="none")
    with pytest.raises(ClientError, match="404"):
        s3.download_file(DEFAULT, "none", str(tmp_path / "x"))


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "./x"])
def test_a_key_cannot_leave_the_folder(s3, key):
    with pytest.raises(ClientError, match="InvalidArgument"):
        s3.put_object(Bucket=DEFAULT, Key=key, Body=io.BytesIO(b"1"))


def test_other_buckets_are_s3s(no_instance, s3):
    with pytest.raises(Exception, match="Unable to locate credentials"):
        s3.put_object(Bucket="another", Key="x", Body=b"1")


def test_with_every_bucket_nothing_is_written_to_s3_until_it_is_detached(no_instance, tmp_path):
    session, buckets = boto3.Session(region_name="us-east-1"), Buckets(tmp_path / "s3", every=True)
    buckets.attach(session)
    s3 = session.client("s3")
    s3.put_object(Bucket="another", Key="x", Body=b"1")
    assert s3.get_object(Bucket="another", Key="x")["Body"].read() == b"1"
    with pytest.raises(Exception, match="Unable to locate credentials"):
        s3.get_object(Bucket="another", Key="not here")
    buckets.detach()
    with pytest.raises(Exception, match="Unable to locate credentials"):
        s3.put_object(Bucket="another", Key="x", Body=b"1")
