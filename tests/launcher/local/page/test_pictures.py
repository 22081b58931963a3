"""Images that are opened, dropped or pasted instead of drawn."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(400)  # the first test trains the model

DROP = """
const bytes = Uint8Array.from(atob(values[0]), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
const target = document.getElementById("pad");
const options = {bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer};
if (values[1] === "paste") return target.dispatchEvent(new ClipboardEvent("paste", options));
target.dispatchEvent(new DragEvent("dragover", options));
const marked = document.body.classList.contains("dragging");
target.dispatchEvent(new DragEvent("drop", options));
return marked && !document.body.classList.contains("dragging");
"""


def png(pixels: np.ndarray) -> bytes:
    """A grey image, uint8 (height, width), or grey with alpha, uint8 (height, width, 2)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    header = struct.pack(">2I5B", width, height, 8, 0 if pixels.ndim == 2 else 4, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def seven(training_images, training_labels) -> np.ndarray:
    """A 7 of MNIST, uint8 (28, 28)."""
    return training_images[training_labels == 7][3]


@pytest.fixture
def seven_file(seven, tmp_path) -> Path:
    path = tmp_path / "seven.png"
    path.write_bytes(png(seven))
    return path


def test_a_digit_of_mnist_is_opened_and_reaches_the_model_pixel_by_pixel(page, seven, seven_file):
    page.find("file").send_keys(str(seven_file))
    page.wait_until(lambda: page.text("announcement").startswith("7, "))
    assert page.pixels() == seven.ravel().tolist()
    assert page.text("note") == ""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(page, seven, way):
    assert page.run(DROP, base64.b64encode(png(seven)).decode(), way)
    page.wait_until(lambda: page.text("announcement").startswith("7, "))
    page.find("undo").click()
    page.wait_until(lambda: page.text("label") == page.NOTHING)


def test_a_scan_of_dark_ink_on_grey_paper_is_inverted_and_says_so(page, seven, tmp_path):
    scan = np.full((300, 420), 205, np.uint8)
    scan[10:290, 70:350] -= (np.kron(seven, np.ones((10, 10))) * 0.7).astype(np.uint8)
    (tmp_path / "scan.png").write_bytes(png(scan))
    page.find("file").send_keys(str(tmp_path / "scan.png"))
    page.wait_until(lambda: page.text("announcement").startswith("7, "))
    assert "inverted" in page.text("note")
    assert page.pixels()[0] == 0


@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_a_transparent_ground_is_seen_whatever_its_colour(page, seven, tmp_path, ink):
    (tmp_path / "clear.png").write_bytes(png(np.dstack([np.full_like(seven, ink), seven])))
    page.find("file").send_keys(str(tmp_path / "clear.png"))
    page.wait_until(lambda: page.text("announcement").startswith("7, "))


def test_a_file_that_is_no_image_is_refused_by_name_and_the_drawing_stays(page, seven_file, tmp_path):
    page.find("file").send_keys(str(seven_file))
    page.wait_until(lambda: page.text("announcement").startswith("7, "))
    (tmp_path / "notes.png").write_text("not an image")
    page.find("file").send_keys(str(tmp_path / "notes.png"))
    page.wait_until(lambda: "“notes.png” is not an image" in page.text("note"))
    assert page.text("label") == "7"
    assert page.text("state") == "ready"
