import io
import struct

import numpy as np
import pytest

from gluon_job import formats
from gluon_job.errors import InputError
from gluon_job.formats import CSV, JSON, NPY


@pytest.mark.parametrize(("accept", "answer"), [
    (None, JSON),
    ("", JSON),
    ("*/*", JSON),
    ("application/*", JSON),
    ("text/*", CSV),
    ("Text/CSV; charset=utf-8", CSV),
    ("application/x-npy, application/json", JSON),  # equals: the server's own order
    ("application/json;q=0.5, application/x-npy", NPY),
    ("text/html, text/csv;q=0.9, */*;q=0.8", CSV),
    ("*/*, application/json;q=0.1", CSV),  # what is said of JSON itself counts
    ("application/json;q=0, */*", CSV),
    ("image/png, */*;q=0.1", JSON),
    ("text/csv;q=many", CSV),
])  # fmt: skip
def test_the_answer_is_of_the_type_the_client_likes_best(accept, answer):
    assert formats.negotiate(accept) == answer


@pytest.mark.parametrize(
    "accept", ["image/png", "text/html, image/*", "application/json;q=0", ",", "*", "text/csv;q=0"]
)
def test_a_client_that_accepts_nothing_on_offer_is_told_what_is(accept):
    with pytest.raises(formats.NotAcceptableError) as error:
        formats.negotiate(accept)
    assert str(error.value) == f"cannot answer as {accept!r}: accept {JSON}, {CSV} or {NPY}"
    assert error.value.status == 406


@pytest.mark.parametrize("header", ["text/html", "application/octet-stream", "application/x-npz", "json", " "])
def test_an_unknown_type_is_unsupported(header):
    with pytest.raises(formats.UnsupportedTypeError, match="is not supported: send"):
        formats.decode(b"[1]", header)


@pytest.mark.parametrize(("header", "body", "value"), [
    ("application/json; charset=UTF-8", b"[1.5]", 1.5),
    ('application/json;charset="utf-8"', b"[1.5]", 1.5),
    ("text/csv; header=absent; charset=latin-1", b"1.5", 1.5),
    ("text/csv", "\ufeff1.5\n".encode(), 1.5),
    (" Application/JSON ;", b"[1.5]", 1.5),
])  # fmt: skip
def test_a_content_type_may_have_parameters(header, body, value):
    assert formats.decode(body, header).ravel() == [value]


@pytest.mark.parametrize("charset", ["utf-16", "zip", "idna", "nonsense"])
def test_a_charset_that_is_not_known_is_unsupported(charset):
    with pytest.raises(formats.UnsupportedTypeError, match="charset"):
        formats.decode(b"[1]", f"application/json; charset={charset}")


@pytest.mark.parametrize("array", [
    np.arange(6, dtype=np.uint8).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    np.arange(6, dtype=">f4").reshape(1, 2, 3),
    np.array([True, False]),
    np.float16(3),
], ids=lambda array: f"{array.dtype} {array.shape}")  # fmt: skip
def test_npy_is_read_as_numpy_reads_it(array):
    body = formats.write_npy(array)
    found = formats.decode(body, NPY)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert (found == np.load(io.BytesIO(body))).all()


def npy_with_header(text, version=1, content=b"\0" * 64):
    header = text.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + content


@pytest.mark.parametrize("body", [
    npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,), }"),
    npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
    npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }"),
    npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': 'x', }"),
    npy_with_header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,), }"),
    npy_with_header("__import__('os').getpid()"),
    npy_with_header("{"),
    npy_with_header("{'a': '"),
    npy_with_header("(" * 5000),
    npy_with_header("[" * 90000, version=2),
    npy_with_header("{}", version=3),
    npy_with_header("{}", version=9),
    b"\x93NUMPY",
], ids=range(13))  # fmt: skip
def test_an_npy_header_that_lies_is_refused_and_reserves_nothing(body):
    with pytest.raises(InputError, match="the body is not application/x-npy of numbers"):
        formats.decode(body, NPY)


def test_a_reason_is_short_however_long_the_body():
    with pytest.raises(InputError) as error:
        formats.decode("x," * 100000, CSV)
    assert len(str(error.value)) < 300
