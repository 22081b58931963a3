"""`glaunch upload`: data goes to the bucket once, and the URI is what is printed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from launcher.config import Config

SAMPLE = {
    f"{part}/{name}-{kind}-ubyte"
    for part, name in (("train", "train"), ("test", "t10k"))
    for kind in ("images-idx3", "labels-idx1")
}


@pytest.fixture
def digits(tmp_path):
    """A directory with three files."""
    (tmp_path / "digits" / "train").mkdir(parents=True)
    (tmp_path / "digits" / "test").write_bytes(b"t" * 2**20)
    (tmp_path / "digits" / "train" / "images").write_bytes(b"i" * 2**21)
    (tmp_path / "digits" / "train" / "labels").write_bytes(b"l")
    return tmp_path / "digits"


def keys(account, bucket):
    return {one["Key"] for one in account("s3").list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_the_uri_is_the_only_thing_on_standard_output(account, run, stack, digits):
    done = run("upload", digits)
    uri = done.stdout.strip()
    prefix = uri.removeprefix(f"s3://{stack.bucket}/")
    assert keys(account, stack.bucket) == {f"{prefix}{name}" for name in ("test", "train/images", "train/labels")}
    assert "3 files, 3.0 MiB; 3 to send, 3.0 MiB" in done.stderr
    assert done.stderr.splitlines()[-1] == "sending: 3.0 MiB of 3.0 MiB"
    assert 2 <= len(done.stderr.splitlines()) <= 11
    again = run("upload", digits)
    assert again.stdout.strip() == uri
    assert "3 files, 3.0 MiB; 0 to send, 0.0 MiB" in again.stderr
    assert "sending" not in again.stderr


def test_under_a_name_what_has_changed_follows(account, run, stack, digits):
    run("upload", digits, "--name", "digits")
    (digits / "train" / "labels").write_bytes(b"L")
    (digits / "test").unlink()
    assert "data/digits/test, which the data has not" in run("upload", digits, "--name", "digits", status=2).stderr
    done = json.loads(run("upload", digits, "--name", "digits", "--delete", "--json").stdout)
    assert done == {
        "uri": f"s3://{stack.bucket}/data/digits/",
        "files": 2,
        "bytes": 2**21 + 1,
        "sent_files": 1,
        "sent_bytes": 1,
        "deleted": 1,
    }
    assert keys(account, stack.bucket) == {"data/digits/train/images", "data/digits/train/labels"}


def test_a_data_set_is_found_by_its_name_and_a_file_by_its_path(account, run, stack, digits):
    sample = json.loads(run("upload", "mnist-sample", "--json").stdout)
    assert sample["files"] == 4
    assert {f"s3://{stack.bucket}/{key}".removeprefix(sample["uri"]) for key in keys(account, stack.bucket)} == SAMPLE
    uri = run("upload", digits / "train" / "labels").stdout.strip()
    assert f"{uri}labels".removeprefix(f"s3://{stack.bucket}/") in keys(account, stack.bucket)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing-here"], "no directory or data set 'nothing-here'"),
        (["mnist"], "`glaunch data get mnist` downloads it"),
        (["s3://bucket/data"], "s3://bucket/data is in S3 already: name it as a channel"),
        (["empty"], "there is no file in"),
        (["digits", "--name", "../code"], "--name ../code: letters, digits"),
        (["digits", "--name", "0" * 64], "and no digest"),
    ],
)
def test_wrong_use_is_one_clear_message_and_sends_nothing(
    account, run, stack, digits, tmp_path, monkeypatch, words, message
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert message in run("upload", *words, status=2).stderr
    assert keys(account, stack.bucket) == set()


def test_without_a_bucket_it_says_how_to_get_one(account, run, digits):
    Config(region="eu-west-1").save("default")
    assert "no bucket is known: `glaunch infra up` makes one" in run("upload", digits, status=2).stderr
    Config(region="eu-west-1", bucket="gone").save("default")
    assert "there is no bucket gone" in run("upload", digits, status=2).stderr


def test_another_profile_has_another_bucket(account, run, stack, digits):
    account("s3").create_bucket(Bucket="other", CreateBucketConfiguration={"LocationConstraint": stack.region})
    Config(region=stack.region, bucket="other").save("second")
    assert run("upload", digits, "--profile", "second").stdout.startswith("s3://other/data/")
    assert keys(account, stack.bucket) == set()


def test_on_a_terminal_there_is_a_bar(tmp_path, digits):
    code = (
        "from moto import mock_aws\nimport boto3\nfrom launcher.cli import main\n"
        "with mock_aws():\n"
        "    boto3.client('s3').create_bucket(Bucket='mine')\n"
        "    main()\n"
    )
    Config(region="us-east-1", bucket="mine").save("default")
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", code, "upload", str(digits)]
    environment = {**os.environ, **keys, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = read_all(ours)
        assert process.stdout.read().startswith(b"s3://mine/data/")
    assert process.returncode == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "reading ━" in plain
    assert "3 files, 3.0 MiB; 3 to send" in plain
    assert re.search(r"sending ━+ 3\.1/3\.1 MB [0-9.]+ MB/s", plain)


def read_all(descriptor, seconds=60):
    until, text = time.monotonic() + seconds, b""
    while time.monotonic() < until:
        if select.select([descriptor], [], [], 0.5)[0]:
            try:
                text += os.read(descriptor, 2**16)
            except OSError:  # nobody has the other end any more
                break
    os.close(descriptor)
    return text.decode()
