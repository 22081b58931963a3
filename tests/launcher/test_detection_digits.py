import hashlib
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from launcher import data, detection_digits


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(detection_digits, "TRAINING", 12)
    monkeypatch.setattr(detection_digits, "TEST", 6)


def boxes(path):
    found = []
    for one in ElementTree.parse(path).iter("object"):
        box = one.find("bndbox")
        found.append([int(box.find(side).text) for side in ("xmin", "ymin", "xmax", "ymax")])
    return np.array(found)


def test_the_data_set_has_a_name_and_the_form_of_voc(small, home):
    directory = data.resolve("detection-digits")
    assert directory == data.get("detection-digits") == home / "cache" / "detection-digits"
    lists = {path.stem: path.read_text().split() for path in (directory / "ImageSets" / "Main").iterdir()}
    assert {name: len(names) for name, names in lists.items()} == {"train": 12, "test": 6}
    for name in lists["train"] + lists["test"]:
        assert (directory / "JPEGImages" / f"{name}.png").exists()
        assert len(boxes(directory / "Annotations" / f"{name}.xml")) >= 1
    assert [one.name for one in data.listing()][:2] == ["mnist-sample", "detection-digits"]


def test_each_box_holds_a_digit_to_its_edges_and_hardly_anything_of_another(small, tmp_path):
    detection_digits.write(tmp_path)
    for path in sorted((tmp_path / "Annotations").iterdir()):
        picture = np.asarray(Image.open(tmp_path / "JPEGImages" / f"{path.stem}.png"), float)
        found = boxes(path)
        assert found.min() >= 1
        assert found.max() <= detection_digits.SIDE
        for left, top, right, bottom in found:
            part = picture[top - 1 : bottom, left - 1 : right]
            assert part.max() > picture.min() + 40
            others = [box for box in found if tuple(box) != (left, top, right, bottom)]
            for box in others:
                width, height = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
                assert max(0, width) * max(0, height) <= 0.15 * (right - left + 1) * (bottom - top + 1) or (
                    max(0, width) * max(0, height) <= 0.15 * (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
                )


def test_it_is_the_same_each_time(small, tmp_path):
    digests = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        detection_digits.write(tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2 * 18 + 2
