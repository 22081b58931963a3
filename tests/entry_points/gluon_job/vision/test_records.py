import struct

import drawings
import pytest

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.vision.records import RecordFile


def write(path, records):
    drawings.write_records(path, records)
    return str(path)


def test_what_mxnet_writes_is_read(tmp_path):
    writer = mx.recordio.MXRecordIO(str(tmp_path / "a.rec"), "w")
    magic = struct.pack("<I", 0xCED7230A)
    # The second holds the magic number, at a multiple of four bytes: MXNet cuts it in parts there.
    bodies = [b"first", b"1234" + magic + b"after" + magic * 2, b""]
    for number, body in enumerate(bodies):
        writer.write(mx.recordio.pack(mx.recordio.IRHeader(0, float(number), number, 0), body))
    writer.close()
    records = RecordFile(str(tmp_path / "a.rec"))
    assert [records.picture(i) for i in range(len(records))] == bodies
    assert records.labels.tolist() == [[0], [1], [2]]


def test_a_record_may_have_several_labels(tmp_path):
    writer = mx.recordio.MXRecordIO(str(tmp_path / "a.rec"), "w")
    writer.write(mx.recordio.pack(mx.recordio.IRHeader(3, [1, 2, 3], 0, 0), b"body"))
    writer.close()
    records = RecordFile(str(tmp_path / "a.rec"))
    assert (records.labels.tolist(), records.picture(0)) == ([[1, 2, 3]], b"body")


@pytest.mark.parametrize(("damage", "message"), [
    (lambda _: b"", "holds no records"),
    (lambda _: b"no such format", "is not a RecordIO file, or damaged at byte 0"),
    (lambda content: content[:-8], "is truncated at byte 36"),
    (lambda content: content[:36] + b"abcd" + content[40:], "is not a RecordIO file, or damaged at byte 36"),
    (lambda content: content + b"\x0a\x23\xd7\xce", "damaged at byte 72"),
    (lambda _: struct.pack("<III", 0xCED7230A, 4, 0), "record 0 at byte 0: too short for a picture"),
    (lambda content: content[:8] + struct.pack("<I", 9) + content[12:], "says that it has 9 labels"),
], ids=range(7))  # fmt: skip
def test_a_damaged_file_is_refused_with_the_place(tmp_path, damage, message):
    path = write(tmp_path / "a.rec", [(0, b"abcd"), (1, b"efgh")])
    content = (tmp_path / "a.rec").read_bytes()
    (tmp_path / "a.rec").write_bytes(damage(content))
    with pytest.raises(InputError, match=message):
        RecordFile(path)
