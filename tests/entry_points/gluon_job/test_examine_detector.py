"""A detector whose answers are known, examined as `glaunch report` has it done."""

import sys
from pathlib import Path

import drawings
import numpy as np
import pytest

from gluon_job import detector, examine, examine_detector, images
from gluon_job.errors import InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "shared"))
import quarters

VALUES = {"validation_split": 0.1, "seed": 1}
# Of red: right, wrong, right, wrong, right of three. Of green: right, right of three. The difficult one does not count.
PRECISIONS = (1 + 2 / 3 + 3 / 5) / 3, 2 / 3
MAP = sum(PRECISIONS) / 2


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("quarters")
    quarters.save_detector(directory)
    return directory


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return quarters.write(tmp_path_factory.mktemp("scenes"))


def look(model_dir, data, **values):
    return examine_detector.examine(str(model_dir), {**VALUES, **values}, {"training": str(data)})


def test_the_precision_and_the_mistakes_of_each_class_are_those_of_arithmetic(model_dir, data):
    found, arrays = look(model_dir, data)
    assert (found["labels"], found["pictures"], found["available"]) == (["red", "green"], 5, 5)
    assert found["threshold"] == detector.THRESHOLD == 0.3
    red, green = found["classes"]
    assert (red["objects"], red["found"], red["right"]) == (3, 4, 2)
    assert red["average_precision"] == pytest.approx(PRECISIONS[0])
    assert red["best_f1"] == pytest.approx(2 * 3 / (5 + 3))
    assert red["best_threshold"] == pytest.approx(quarters.probability(120), abs=1e-5)
    assert (green["objects"], green["found"], green["right"]) == (3, 1, 1)
    assert green["average_precision"] == pytest.approx(PRECISIONS[1])
    assert green["best_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert found["map"] == pytest.approx(MAP)
    precisions = arrays["precisions"]
    assert precisions.shape == (2, 101)
    assert precisions[0, [0, 33, 34, 66, 67, 100]] == pytest.approx([1, 1, 2 / 3, 2 / 3, 3 / 5, 3 / 5])
    assert precisions[1, [0, 66, 67, 100]].tolist() == [1, 1, 0, 0]


def test_a_recall_that_is_reached_has_its_precision_whatever_the_rounding():
    for objects in (10, 25, 50, 100):
        for right in range(1, objects + 1):
            table = np.stack([np.zeros(right), np.linspace(0.9, 0.5, right), np.ones(right)], axis=1)
            precisions = examine_detector._precisions(table, 0, objects)
            assert (precisions > 0).sum() == 100 // objects * right + 1


def test_the_pictures_with_most_mistakes_come_first_and_say_which(model_dir, data):
    found, arrays = look(model_dir, data)
    worst, other = found["mistakes"]
    assert found["mistaken"] == 2
    assert [(one["row"], one["name"]) for one in (worst, other)] == [(2, "val2.png"), (1, "val1.png")]
    assert [(one["class"], one["is_found"]) for one in worst["true"]] == [(1, False), (0, False), (1, False)]
    [wrong] = worst["found"]
    assert (wrong["class"], wrong["is_right"]) == (0, False)
    assert wrong["probability"] == pytest.approx(quarters.probability(180), abs=1e-5)
    assert wrong["box"] == [4, 36, 28, 60]
    assert sorted((one["is_right"], tuple(one["box"])) for one in other["found"]) == [
        (False, (4, 36, 28, 60)),
        (True, (36, 4, 60, 28)),
    ]
    assert [one["is_found"] for one in other["true"]] == [True]
    pictures = arrays["mistake_pictures"]
    assert pictures.shape == (2, 64, 64, 3)
    for picture, name in zip(pictures, ("val2.png", "val1.png")):
        np.testing.assert_array_equal(picture, images.decode((data / "JPEGImages" / name).read_bytes()))


def test_an_object_that_does_not_count_is_neither_found_nor_missed(model_dir, data):
    found, _ = look(model_dir, data)
    assert [one["row"] for one in found["samples"]] == [0, 1, 2, 3, 4]
    difficult = found["samples"][3]
    assert [one["is_right"] for one in difficult["found"]] == [None]
    assert [one["is_found"] for one in difficult["true"]] == [None]
    assert found["samples"][4]["found"] == found["samples"][4]["true"] == []


def test_when_the_time_is_over_fewer_pictures_are_looked_at_and_counted(model_dir, tmp_path, monkeypatch):
    scenes = [[quarters.Block(0, 0, 250, 0)]] * 40
    quarters.write(tmp_path / "scenes", scenes)
    monkeypatch.setattr(examine_detector, "_SECONDS", 0.0)
    found, _ = look(model_dir, tmp_path / "scenes")
    assert (found["available"], found["pictures"]) == (40, examine_detector._CHUNK)
    assert found["classes"][0]["objects"] == examine_detector._CHUNK
    assert found["classes"][1]["average_precision"] is None
    assert len({one["row"] for one in found["samples"]}) == examine_detector._SAMPLES


def test_a_large_picture_is_shown_smaller_with_its_boxes(data, tmp_path):
    quarters.save_detector(tmp_path, size=512)
    found, arrays = look(tmp_path, data)
    assert arrays["sample_pictures"].shape == (5, 256, 256, 3)
    assert found["samples"][0]["true"][0]["box"] == [16, 16, 112, 112]
    assert found["map"] == pytest.approx(MAP)
    assert arrays["sample_pictures"][0, 20:108, 20:108, 0].min() > 200


def test_a_wide_picture_is_shown_without_the_margins_that_the_net_sees(model_dir, tmp_path):
    data = quarters.write(tmp_path / "scenes", [[quarters.Block(0, 0, 250, 0)]])
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :64, 0] = 250
    (data / "JPEGImages" / "val0.png").write_bytes(drawings.png(pixels))
    found, arrays = look(model_dir, data)
    [one] = found["samples"]
    assert (one["height"], one["width"]) == (32, 64)
    assert one["true"][0]["box"] == [2, 2, 14, 14]
    assert [other["box"] for other in one["found"]] == [[4, 0, 28, 12], [4, 20, 28, 32]]
    [picture] = arrays["sample_pictures"]
    assert (picture[:32, :32, 0] == 250).all()
    assert picture[32:].max() == picture[:, 32:].max() == 0


def test_a_box_that_is_endless_or_no_number_can_be_shown(model_dir, data, monkeypatch):
    rows = [[0, 0.9, -np.inf, -np.inf, np.inf, np.inf], [0, 0.8, np.nan, np.nan, np.nan, np.nan]]
    answer = np.array(rows, np.float32)
    monkeypatch.setattr(examine_detector, "Predictor", lambda _: lambda samples: np.stack([answer] * len(samples)))
    found, _ = look(model_dir, data)
    assert [one["box"] for one in found["samples"][0]["found"]] == [[0, 0, 64, 64], [0, 0, 0, 0]]


def test_what_is_not_the_models_data_is_told(model_dir, data, tmp_path):
    with pytest.raises(InputError, match="the script is not object_detector"):
        examine_detector.examine(str(model_dir), {"epochs": 1}, {"training": str(data)})
    other = quarters.write(tmp_path / "other", names=("cat", "dog"))
    with pytest.raises(InputError, match="the data has other classes than the model"):
        look(model_dir, other)
    (other / "ImageSets" / "Main" / "val.txt").unlink()
    quarters.save_detector(tmp_path, ("cat", "dog"))
    with pytest.raises(InputError, match="the job had no validation data"):
        look(tmp_path, other, validation_split=0)


def test_a_job_has_the_part_of_a_detector_and_its_layers(model_dir, data, tmp_path):
    request = {
        "model_dir": str(model_dir),
        "script": "object_detector",
        "hyperparameters": {"epochs": 2, "warmup_epochs": 0},
        "channel_input_dirs": {"training": str(data)},
        "batches": 3,
        "epochs": 2,
    }
    found = examine.examine(request, str(tmp_path / "arrays.npz"))
    assert found["problems"] == []
    assert found["detector"]["map"] == pytest.approx(MAP)
    assert found["values"]["validation_split"] == 0.1
    assert len(found["rates"]["rates"]) == 6
    assert "mean" in [layer["operator"] for layer in found["layers"]]
    assert sum(layer["parameters"] for layer in found["layers"]) == 0  # its boxes are constants
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert set(arrays) == {"precisions", "sample_pictures", "mistake_pictures"}
