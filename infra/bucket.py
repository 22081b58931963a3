"""What is in the stack's bucket, and emptying it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from launcher.cloud.aws import Aws, code, readable, without_secrets
from launcher.errors import JobFailed

_PAGE = 1000  # objects: what one call lists, and another deletes
_EMPTYING = 1800.0  # seconds, some millions of objects


@dataclass(frozen=True)
class Content:
    """Objects and bytes, older versions too; `is_all` is False where there are more, which were not counted."""

    objects: int = 0
    bytes: int = 0
    is_all: bool = True


def content(aws: Aws, bucket: str) -> Content:
    """What is in a bucket, counted up to 10,000 objects; nothing where there is no such bucket."""
    objects = size = 0
    with readable(f"the bucket {bucket}"):
        for number, page in enumerate(_pages(aws.client("s3"), bucket)):
            if number == 10:
                return Content(objects, size, is_all=False)
            objects += len(page)
            size += sum(one.get("Size", 0) for one in page)
    return Content(objects, size)


def empty(aws: Aws, bucket: str, progress: Callable[[int], None] = lambda _: None) -> None:
    """Deletes every object and every version of it; `progress` is told how many, a thousand at a time.

    Raises:
        JobFailed: an object could not be deleted (what is gone is gone), or it took more than half an hour.
    """
    until = time.monotonic() + _EMPTYING
    client = aws.client("s3")
    with readable(f"emptying the bucket {bucket}"):
        while page := next(_pages(client, bucket), None):
            if time.monotonic() > until:
                raise JobFailed(f"the bucket {bucket} was not empty after {_EMPTYING:.0f} s: run the command again")
            wanted = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in page]
            answer = client.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True})
            for error in answer.get("Errors", []):
                reason = without_secrets(f"{error['Code']}: {error['Message']}")
                raise JobFailed(f"{error['Key']} in the bucket {bucket} could not be deleted ({reason})")
            progress(len(page))


def _pages(client: Any, bucket: str) -> Iterator[list[dict[str, Any]]]:
    """The versions and the marks of deletion in a bucket, no empty page."""
    from botocore.exceptions import ClientError

    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": _PAGE})
    try:
        for page in pages:
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if found:
                yield found
    except ClientError as error:
        if code(error) != "NoSuchBucket":
            raise
