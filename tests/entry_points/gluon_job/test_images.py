import base64
import io
import struct
import sys
import zlib

import numpy as np
import pytest

from gluon_job import images
from gluon_job.errors import InputError

GREY, COLOUR = (1, 28, 28), (3, 28, 28)
# 16 x 8 pixels, the left half black and the right half white.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8"
    "ybqmx5moq6T/wAALCAAIABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABgf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/ADKmP//Z"
)


def png(values, colour_type=0, depth=8, extra=b""):
    """A PNG of uint8 (height, width[, channels])."""
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.fixture(params=["Pillow", "MXNet"])
def decoder(request, monkeypatch):
    """Each of the two that decode; Pillow is not in AWS's image."""
    if request.param == "MXNet":
        monkeypatch.setitem(sys.modules, "PIL", None)
    else:
        pytest.importorskip("PIL")
    return request.param


def pattern():
    values = (np.arange(784).reshape(28, 28) % 200).astype(np.uint8)
    values[[0, -1]] = values[:, [0, -1]] = 0
    return values


def test_a_picture_of_the_models_size_is_taken_as_it_is(decoder):
    sample = images.read(png(pattern()), {}, GREY)
    assert (sample.dtype, sample.shape) == (np.float32, GREY)
    assert (sample[0] == pattern()).all()


def test_the_buffer_may_be_a_bytearray(decoder):
    assert (images.read(bytearray(png(pattern())), {}, GREY)[0] == pattern()).all()


def test_ink_on_paper_is_inverted_unless_it_is_said_otherwise(decoder):
    paper = 255 - pattern()
    assert (images.read(png(paper), {}, GREY)[0] == pattern()).all()
    assert (images.read(png(paper), {"invert": "false"}, GREY)[0] == paper).all()
    assert (images.read(png(pattern()), {"invert": "true"}, GREY)[0] == paper).all()
    with pytest.raises(InputError, match="invert=maybe: it is true or false"):
        images.read(png(paper), {"invert": "maybe"}, GREY)


def test_colours_become_grey_for_a_grey_model_and_stay_for_one_of_colours(decoder):
    red = np.zeros((28, 28, 3), np.uint8)
    red[4:24, 4:24, 0] = 200
    assert images.read(png(red, colour_type=2), {}, GREY)[0].max() == pytest.approx(200 * 0.299, abs=1)
    sample = images.read(png(red, colour_type=2), {}, COLOUR)
    assert (sample == red.transpose(2, 0, 1)).all()


def test_a_large_picture_is_averaged_down(decoder):
    values = np.kron(pattern(), np.ones((4, 4), np.uint8))
    values[1::2] = 0  # every second line: half the brightness
    np.testing.assert_allclose(images.read(png(values), {}, GREY)[0], pattern() / 2, atol=1e-3)


def test_a_small_picture_is_enlarged(decoder):
    values = np.zeros((14, 14), np.uint8)
    values[3, 4] = 100
    expected = np.zeros((28, 28))
    expected[6:8, 8:10] = 100
    np.testing.assert_allclose(images.read(png(values), {}, GREY)[0], expected, atol=1e-3)


def test_proportions_are_kept_and_the_margins_have_the_colour_of_the_border(decoder):
    values = np.full((56, 14), 30, np.uint8)
    values[10:46, 4:10] = 200
    sample = images.read(png(values), {}, GREY)[0]
    assert (sample[:, :10] == 30).all()
    assert (sample[:, 18:] == 30).all()
    assert (sample[5:23, 12:15] == 200).all()


def test_a_jpeg_is_read_as_well(decoder):
    sample = images.read(JPEG, {"invert": "false"}, (1, 8, 16))[0]
    assert sample[:, :6].max() < 30
    assert sample[:, 10:].min() > 225


def test_what_is_seen_through_is_white():
    pytest.importorskip("PIL")
    ink = np.zeros((28, 28, 4), np.uint8)  # black, and nowhere to be seen
    ink[10:20, 10:20, 3] = 255
    sample = images.read(png(ink, colour_type=6), {}, GREY)[0]
    assert (sample[10:20, 10:20] == 255).all()
    assert sample[0, 0] == 0


def test_what_is_seen_through_is_refused_where_it_cannot_be_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    for body in (
        png(np.zeros((28, 28, 4), np.uint8), colour_type=6),
        png(pattern(), extra=chunk(b"tRNS", b"\0\0")),
    ):
        with pytest.raises(InputError, match="transparent"):
            images.read(body, {}, GREY)


def test_sixteen_bits_are_scaled_and_not_cut_off(decoder):
    values = pattern().astype(">u2") * 257
    assert np.abs(images.read(png(values, depth=16), {}, GREY)[0] - pattern()).max() <= 1


@pytest.mark.parametrize("size", [(2**16, 2**16), (2**31, 1), (2**13 + 1, 1), (5000, 5000), (0, 28)], ids=str)
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(decoder, size):
    body = bytearray(png(pattern()))
    body[16:24] = struct.pack(">II", *size)
    with pytest.raises(InputError, match="pixels: send at most 16,777,216, and 8,192 a side"):
        images.read(bytes(body), {}, GREY)
    frame = JPEG.index(b"\xff\xc0")
    jpeg = JPEG[: frame + 5] + struct.pack(">HH", 65535, 65535) + JPEG[frame + 9 :]
    with pytest.raises(InputError, match="65535 x 65535 pixels"):
        images.read(jpeg, {}, GREY)


@pytest.mark.parametrize("body", [
    b"",
    "text",
    b"\x89PNG\r\n\x1a\n",
    png(pattern())[:24],
    png(pattern())[:100],
    png(pattern()).replace(b"IDAT", b"IDOT"),
    b"\xff\xd8",
    b"\xff\xd8" + b"\xff" * 50,
    b"\xff\xd8" + b"\xff\xe0\0\2" * 20000,
    b"GIF89a\1\0\1\0\0\0\0;",
], ids=range(10))  # fmt: skip
def test_a_damaged_picture_is_refused(decoder, body):
    with pytest.raises(InputError, match="picture"):
        images.read(body, {}, GREY)


def test_a_picture_that_was_cut_off_is_refused_though_another_library_lets_pillow_fill_it_in(monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)  # as `import gluoncv` does
    with pytest.raises(InputError, match="cannot be read"):
        images.read(png(pattern())[:100], {}, GREY)


@pytest.mark.parametrize("shape", [(784,), (2, 28, 28), (28, 28)], ids=str)
def test_a_model_of_other_samples_takes_no_pictures(shape):
    with pytest.raises(InputError, match="it takes no pictures"):
        images.read(png(pattern()), {}, shape)


def test_a_photograph_taken_on_its_side_is_turned():
    pil = pytest.importorskip("PIL.Image")
    upright = pil.fromarray(np.repeat([[0, 255]], 8, axis=0).repeat(8, axis=1).astype(np.uint8))
    exif = upright.getexif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    body = io.BytesIO()
    upright.save(body, "JPEG", exif=exif)
    sample = images.read(body.getvalue(), {"invert": "false"}, (1, 16, 8))[0]
    assert sample[:6].max() < 30
    assert sample[10:].min() > 225
