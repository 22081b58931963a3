"""Records and the bodies of requests."""

import io

import numpy as np
import pytest
from sagemaker.amazon.common import read_recordio, write_numpy_to_dense_tensor

from launcher.errors import UserError
from launcher.local import records


def test_lines_keep_their_ends_and_fill_a_request_up_to_the_limit():
    lines = [*records.split(b"1\n22\n333\n4", "Line")]
    assert lines == [b"1\n", b"22\n", b"333\n", b"4"]
    assert [*records.batch(lines, 5, 0)] == [b"1\n22\n", b"333\n4"]
    assert [*records.batch(lines, 5, 1)] == lines
    assert [*records.batch(lines, 0, 0)] == [b"1\n22\n333\n4"]
    assert [*records.batch(lines, 0, 3)] == [b"1\n22\n333\n", b"4"]
    assert [*records.batch(lines, 5, 3)] == [b"1\n22\n", b"333\n4"]


def test_a_record_longer_than_a_request_is_refused():
    with pytest.raises(UserError, match="longer than max_payload"):
        [*records.batch([b"123"], 2, 0)]


def test_recordio_is_split_where_the_sdk_splits_it():
    file = io.BytesIO()
    write_numpy_to_dense_tensor(file, np.arange(6, dtype="float32").reshape(2, 3))
    content = file.getvalue()
    found = [*records.split(content, "RecordIO")]
    assert b"".join(found) == content
    assert [next(read_recordio(io.BytesIO(one))) for one in found] == [*read_recordio(io.BytesIO(content))]


@pytest.mark.parametrize("content", [b"nothing of the kind", b"\x0a\x23\xd7\xce\xff\0\0\0short"])
def test_what_is_no_recordio_is_refused(content):
    with pytest.raises(UserError, match="there is no record"):
        [*records.split(content, "RecordIO")]
