"""One S3 bucket: whether it can be used, what is in it, and S3's errors as a person can use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

from launcher.cloud.aws import Aws, code, readable
from launcher.cloud.waiting import wait_for
from launcher.errors import UserError

_T = TypeVar("_T")

_PATIENCE = 90.0  # seconds that a question to S3 is repeated while there is no network
_DELETED_AT_ONCE = 1000  # objects, S3's limit
_CHANGED = {"BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody"}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_DENIED = {"403", "AccessDenied", "Forbidden"}
_NAMING = "`glaunch infra up` makes one, `glaunch config set bucket NAME` names one"


class Bucket:
    """A bucket of this account. Its methods raise UserError: what is wrong, and what to do.

    Attributes:
        bucket: its name.

    Raises:
        UserError: no bucket is named.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        if not bucket:
            raise UserError(f"no bucket is known: {_NAMING}")
        self.bucket = bucket
        self._aws = aws

    def uri(self, key: str) -> str:
        """`s3://BUCKET/KEY`."""
        return f"s3://{self.bucket}/{key}"

    def check(self) -> None:
        """Raises UserError unless the bucket is there, is this account's, may be used, and is in the stack's region."""
        from botocore.exceptions import ClientError

        with self._readable(f"the bucket {self.bucket}"):
            try:
                found = self._client.head_bucket(**self._ours)
            except ClientError as error:
                if code(error) in _MISSING:
                    raise UserError(self._no_bucket()) from None
                if code(error) in _DENIED:
                    raise UserError(
                        f"the bucket {self.bucket} belongs to another AWS account, or these credentials may not list "
                        "it: see `glaunch config ls` and `glaunch infra policy`"
                    ) from None
                raise
        region = found.get("BucketRegion") or self._aws.region
        if region != self._aws.region:
            raise UserError(
                f"the bucket {self.bucket} is in {region}, and jobs in {self._aws.region} need one in their region: "
                f"`glaunch config set region {region}`, or name another bucket"
            )

    def exists(self, key: str) -> bool:
        """Whether there is an object."""
        return self._head(key) is not None

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects."""
        for begin in range(0, len(keys), _DELETED_AT_ONCE):
            wanted = [{"Key": key} for key in keys[begin : begin + _DELETED_AT_ONCE]]
            with self._readable(f"deleting from the bucket {self.bucket}"):
                answer = self._client.delete_objects(Delete={"Objects": wanted, "Quiet": True}, **self._ours)
            for error in answer.get("Errors", []):
                raise UserError(f"{self.uri(error['Key'])} could not be deleted: {error['Code']}")

    @cached_property
    def _client(self) -> Any:
        return self._aws.client("s3")

    @cached_property
    def _owner(self) -> dict[str, str]:
        """What makes S3 refuse a bucket of somebody else's who took its name."""
        with readable("whose credentials these are"):
            return {"ExpectedBucketOwner": self._aws.client("sts").get_caller_identity()["Account"]}

    @property
    def _ours(self) -> dict[str, str]:
        return {"Bucket": self.bucket, **self._owner}

    @contextmanager
    def _readable(self, doing: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        with readable(doing):
            try:
                yield
            except ClientError as error:
                if code(error) == "NoSuchBucket":
                    raise UserError(self._no_bucket()) from None
                if code(error) in _CHANGED:
                    raise UserError(f"{doing}: a file was changed while it was read: run the command again") from None
                raise
            except OSError as error:
                raise UserError(f"{doing}: {error.filename or ''} {error.strerror or error}") from None

    def _no_bucket(self) -> str:
        return f"there is no bucket {self.bucket}: {_NAMING}"

    def _ask(self, call: Callable[[], _T]) -> _T:
        return wait_for(call, _PATIENCE)

    def _head(self, key: str, bucket: str | None = None) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        owner = self._owner if bucket in (None, self.bucket) else {}
        bucket = bucket or self.bucket
        wanted = {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED", **owner}
        with self._readable(f"s3://{bucket}/{key}"):
            try:
                head: dict[str, Any] = self._ask(lambda: self._client.head_object(**wanted))
            except ClientError as error:
                if code(error) in _MISSING:
                    return None
                raise
        return head

    def sizes(self, prefix: str) -> dict[str, int]:
        """The bytes of each object whose key begins so, by its key."""
        found: dict[str, int] = {}
        wanted = {"Prefix": prefix, **self._ours}
        while True:
            with self._readable(f"looking into the bucket {self.bucket}"):
                page = self._ask(lambda: self._client.list_objects_v2(**wanted))
            found |= {one["Key"]: one["Size"] for one in page.get("Contents", [])}
            if not page["IsTruncated"]:
                return found
            wanted["ContinuationToken"] = page["NextContinuationToken"]


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URI; UserError for what is none."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise UserError(f"{uri!r} is no s3://BUCKET/KEY")
    return bucket, key
