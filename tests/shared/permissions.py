"""Which permission a call of AWS needs, and that the documented policy of a caller has it: for every call of a test.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.client import BaseClient

from launcher.config import Config
from launcher.infra.policy import ADMINISTRATOR, CALLER, policy

_FREE = {("sts", "GetCallerIdentity")}  # which nobody can be denied
_PREFIXES = {"sagemaker-runtime": "sagemaker", "resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas"}
_ACTIONS = {
    "HeadBucket": ["ListBucket"],
    "ListObjectsV2": ["ListBucket"],
    "HeadObject": ["GetObject"],
    "CopyObject": ["GetObject", "PutObject"],
    "UploadPart": ["PutObject"],
    "UploadPartCopy": ["GetObject", "PutObject"],
    "CreateMultipartUpload": ["PutObject"],
    "CompleteMultipartUpload": ["PutObject"],
    "DeleteObjects": ["DeleteObject"],  # and DeleteObjectVersion, where it names versions
    "ListObjectVersions": ["ListBucketVersions"],
}


def actions_of(service: str, operation: str) -> set[str]:
    """The actions that a policy must allow for a call, `s3:GetObject`."""
    if (service, operation) in _FREE:
        return set()
    prefix = _PREFIXES.get(service, service)
    names = _ACTIONS.get(operation, [operation]) if service == "s3" else [operation]
    return {f"{prefix}:{name}" for name in names}


def allowed(*policies: str) -> set[str]:
    """Every action in these policies."""
    return {action for name in policies for one in policy(name, Config())["Statement"] for action in one["Action"]}


@pytest.fixture(autouse=True)
def only_what_is_documented(monkeypatch, request) -> Iterator[None]:
    """Fails a test in which glaunch itself made a call that its documented policy does not allow."""
    needed: dict[str, tuple[str, str]] = {}
    call = BaseClient._make_api_call

    def note(self, operation, arguments):
        service = self.meta.service_model.service_name
        if "glaunch" in (self.meta.config.user_agent_extra or ""):  # a test's own clients say nothing of it
            needed.update(dict.fromkeys(actions_of(service, operation), (service, operation)))
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", note)
    yield
    policies = [CALLER, ADMINISTRATOR] if request.node.get_closest_marker("administrator") else [CALLER]
    missing = needed.keys() - allowed(*policies)
    assert not missing, f"policies/caller.json lacks {sorted(missing)}"
