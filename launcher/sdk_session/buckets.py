"""S3 in a folder, for clients of boto3: no network, no credentials.

botocore asks its handlers before each call (`before-call`, as its own Stubber is asked), and what they answer is the
answer. So uploads, downloads and listings of the SDK, and of a program that uses the same boto3 session, work.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody

from launcher.sdk_session.store import Missing, Store

DEFAULT = "sagemaker-local-000000000000"  # the bucket of sessions that name none
_WRITES = ("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "CreateBucket")
_NOTED = "glaunch_parameters"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
Answer = tuple[AWSResponse, dict[str, Any]]


class Buckets:
    """The buckets in a folder.

    Args:
        folder: FOLDER/BUCKET/KEY is an object.
        every: whether all that is written stays here, whichever bucket it names; what is not here is then read from S3.
            Otherwise only the bucket DEFAULT is here.
    """

    def __init__(self, folder: Path, every: bool = False) -> None:
        self.store = Store(folder)
        self._every = every
        self._attached: list[Any] = []

    def attach(self, boto_session: Any) -> None:
        """From now on the clients that this boto3 session makes find the buckets here."""
        boto_session.events.register("before-parameter-build.s3", self._note)
        boto_session.events.register("before-call.s3", self._answer)
        self._attached.append(boto_session)

    def detach(self) -> None:
        """Clients that are made from now on go to S3, and with `every` those that were made before as well."""
        self._every = False
        for boto_session in self._attached:
            boto_session.events.unregister("before-parameter-build.s3", self._note)
            boto_session.events.unregister("before-call.s3", self._answer)
        self._attached.clear()

    def is_here(self, bucket: str, key: str = "") -> bool:
        """Whether a bucket's object, or all below a prefix, is here and not in S3."""
        try:
            return bucket == DEFAULT or (self._every and self.store.has(bucket, key))
        except ValueError:  # what cannot be kept here
            return False

    def _note(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_NOTED] = dict(params)

    def _answer(self, model: Any, context: Mapping[str, Any], **_: Any) -> Answer | None:
        """The answer to a call; None for one that goes to S3."""
        params = context.get(_NOTED, {})
        bucket, name = params.get("Bucket"), model.name
        if not bucket or not (self._is_ours(name, params) and hasattr(self, f"_{name}")):
            return None
        try:
            return _response(200, getattr(self, f"_{name}")(params))
        except Missing:
            # A HEAD has no body that could say more.
            code, text = ("404", "Not Found") if name == "HeadObject" else ("NoSuchKey", "The key does not exist.")
            return _response(404, {"Error": {"Code": code, "Message": text}})
        except ValueError as error:
            return _response(400, {"Error": {"Code": "InvalidArgument", "Message": str(error)}})

    def _is_ours(self, operation: str, params: Mapping[str, Any]) -> bool:
        if self._every and (operation in _WRITES or operation.startswith("Delete")):
            return True
        return self.is_here(params["Bucket"], params.get("Key", params.get("Prefix") or ""))

    def _HeadBucket(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def _CreateBucket(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def _PutObject(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"ETag": self.store.put(params["Bucket"], params["Key"], params.get("Body", b""))}

    def _CopyObject(self, params: Mapping[str, Any]) -> dict[str, Any]:
        source = params["CopySource"]
        bucket, key = unquote(source).split("/", 1) if isinstance(source, str) else (source["Bucket"], source["Key"])
        self.store.describe(bucket, key)
        with self.store.path(bucket, key).open("rb") as file:
            return {"CopyObjectResult": {"ETag": self.store.put(params["Bucket"], params["Key"], file)}}

    def _HeadObject(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return self.store.describe(params["Bucket"], params["Key"])

    def _GetObject(self, params: Mapping[str, Any]) -> dict[str, Any]:
        described = self.store.describe(params["Bucket"], params["Key"])
        path, size = self.store.path(params["Bucket"], params["Key"]), described["ContentLength"]
        part = _RANGE.fullmatch(params.get("Range", ""))
        if not part:
            return {**described, "Body": StreamingBody(path.open("rb"), size)}
        first, last = int(part[1]), min(int(part[2] or size), size - 1)
        with path.open("rb") as file:
            file.seek(first)
            content = file.read(last + 1 - first)
        described |= {"ContentLength": len(content), "ContentRange": f"bytes {first}-{last}/{size}"}
        return {**described, "Body": StreamingBody(io.BytesIO(content), len(content))}

    def _ListObjectsV2(self, params: Mapping[str, Any]) -> dict[str, Any]:
        listed = self._ListObjects(params)
        return {**listed, "KeyCount": len(listed.get("Contents", []))}

    def _ListObjects(self, params: Mapping[str, Any]) -> dict[str, Any]:
        prefix, delimiter = params.get("Prefix") or "", params.get("Delimiter")
        found = self.store.list(params["Bucket"], prefix)
        common: list[str] = []
        if delimiter:
            ends = {one["Key"]: one["Key"].find(delimiter, len(prefix)) for one in found}
            common = sorted({key[: end + len(delimiter)] for key, end in ends.items() if end >= 0})
            found = [one for one in found if ends[one["Key"]] < 0]
        listed: dict[str, Any] = {"Name": params["Bucket"], "Prefix": prefix, "IsTruncated": False}
        if found:
            listed["Contents"] = found
        if common:
            listed["CommonPrefixes"] = [{"Prefix": one} for one in common]
        return listed

    def _DeleteObject(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self.store.delete(params["Bucket"], params["Key"])
        return {}

    def _DeleteObjects(self, params: Mapping[str, Any]) -> dict[str, Any]:
        for one in params["Delete"]["Objects"]:
            self.store.delete(params["Bucket"], one["Key"])
        return {"Deleted": [{"Key": one["Key"]} for one in params["Delete"]["Objects"]]}

    def _CreateMultipartUpload(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Bucket": params["Bucket"], "Key": params["Key"], "UploadId": self.store.begin()}

    def _UploadPart(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self.store.add(params["UploadId"], int(params["PartNumber"]), params["Body"])
        return {"ETag": f'"{params["PartNumber"]}"'}

    def _CompleteMultipartUpload(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"ETag": self.store.complete(params["UploadId"], params["Bucket"], params["Key"])}

    def _AbortMultipartUpload(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self.store.abort(params["UploadId"])
        return {}


def _response(status: int, parsed: dict[str, Any]) -> Answer:
    headers: Any = {}
    return AWSResponse("", status, headers, None), {**parsed, "ResponseMetadata": {"HTTPStatusCode": status}}
