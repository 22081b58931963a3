import json

import drawings
import numpy as np
import pytest

import object_detector
from gluon_job import checkpoint
from gluon_job.errors import InputError
from gluon_job.vision import detection

pytest.importorskip("gluoncv")
SMALL = {
    "network": "ssd_300_mobilenet0.25",
    "image_size": 64,
    "threads": 1,
    "batch_size": 8,
    "epochs": 1,
    "flip": False,
    "crop": False,
    "box_scale": 2.0,
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """24 + 8 scenes with red and green blocks."""
    return drawings.write_voc(tmp_path_factory.mktemp("scenes"))


def train(directory, hyperparameters, **channels):
    named = {"training": str(directory), **{name: str(path) for name, path in channels.items()}}
    return object_detector.train(named, {**SMALL, **hyperparameters}, ["algo-1"], 0)


def weights(net):
    return {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}


def are_equal(one, other):
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.fixture(scope="module")
def job(run_job, scenes, tmp_path_factory):
    """A detector trained in a process of its own, until it finds something."""
    # A hundred steps: after fewer, batch normalization's running variances are still near the 1 they begin with.
    values = {**SMALL, "epochs": 16, "batch_size": 4, "box_scale": 3.0, "optimizer": "adam", "learning_rate": 0.003}
    job = run_job(tmp_path_factory.mktemp("job"), object_detector.__file__, values, {"training": scenes})
    assert job.status == 0, job.err
    return job


def precisions(job):
    lines = [line for line in job.out.splitlines() if "] Validation: map=" in line]
    return [float(line.partition("map=")[2]) for line in lines]


def test_a_detector_learns_to_find_objects(job):
    found = precisions(job)
    assert len(found) == 16
    assert found[-1] >= 0.3 > found[0]
    assert sorted(path.name for path in job.model_dir.iterdir()) == [
        "model-0000.params",
        "model-metadata.json",
        "model-shapes.json",
        "model-symbol.json",
    ]


def test_its_endpoint_answers_boxes_in_pixels_of_the_picture_that_was_sent(job, scenes):
    pil = pytest.importorskip("PIL.Image")
    net = object_detector.model_fn(str(job.model_dir))
    path = scenes / "JPEGImages" / "train0.png"

    def objects(body, kind="image/png; threshold=0.1"):
        answer, content_type = object_detector.transform_fn(net, body, kind, "application/json")
        assert content_type == "application/json"
        return json.loads(answer)["predictions"][0]

    small = objects(path.read_bytes())
    assert (small["width"], small["height"]) == (64, 64)
    assert small["objects"]
    assert all(one["label"] in ("red", "green") and 0.1 <= one["probability"] <= 1 for one in small["objects"])
    wide = pil.new("RGB", (256, 128))
    wide.paste(pil.open(path).resize((128, 128), pil.Resampling.NEAREST), (64, 0))
    wide.save(scenes / "wide.png")
    assert objects((scenes / "wide.png").read_bytes())["width"] == 256
    best = small["objects"][0]
    left, top, right, bottom = best["box"]
    assert 0 <= left < right <= 64
    assert 0 <= top < bottom <= 64
    assert len(objects(path.read_bytes(), "image/png;threshold=0")["objects"]) >= len(small["objects"])


@pytest.mark.parametrize(("body", "kind", "message", "status"), [
    (b"[[1, 2]]", "application/json", "send image/png or image/jpeg", 415),
    (b"no picture", "image/png", "not a PNG or JPEG picture", None),
    (b"", "image/png; threshold=2", r"threshold=2: it is a number from 0 to 1", None),
])  # fmt: skip
def test_a_request_that_cannot_be_understood_is_refused(job, body, kind, message, status):
    net = object_detector.model_fn(str(job.model_dir))
    with pytest.raises(InputError, match=message) as refused:
        object_detector.transform_fn(net, body, kind, "application/json")
    assert getattr(refused.value, "status", None) == status


def test_the_same_seed_gives_the_same_weights_and_a_checkpoint_goes_on_with_them(scenes, tmp_path, monkeypatch):
    values = {"epochs": 2, "schedule": "constant", "crop": True, "expand": 2.0, "colour": 0.2, "flip": True}
    whole = weights(train(scenes, values))
    directory = str(tmp_path)
    monkeypatch.setattr(
        checkpoint, "of_this_job", lambda: checkpoint.Checkpoints(directory, checkpoint.interval("1 epoch"))
    )
    train(scenes, {**values, "epochs": 1})
    assert are_equal(weights(train(scenes, values)), whole)


def test_yolo_trains_too(scenes, capfd):
    train(scenes, {"network": "yolo3_mobilenet0.25"})
    out = capfd.readouterr().out
    assert "[Epoch 0] Training: loss=" in out
    assert "[Epoch 0] Validation: map=" in out


def test_a_files_parameters_are_taken_and_frozen_ones_stay(scenes, tmp_path, capfd):
    before = train(scenes, {})
    object_detector.save(before, str(tmp_path))
    after = train(scenes, {"pretrained": "model-0000.params", "freeze": True}, pretrained=tmp_path)
    assert "Pretrained: " in capfd.readouterr().out
    mine, theirs = weights(after), weights(before)
    changed = [name for name in mine if not (mine[name] == theirs[name]).all()]
    assert changed
    # The graph takes 1 for the gammas of the layers that SSD adds, whatever they are.
    fixed = [name for name in changed if "_expand_" in name and name.endswith("_gamma")]
    assert [name for name in changed if "convpredictor" not in name and name not in fixed] == []


@pytest.mark.parametrize(("options", "message"), [
    ({"network": "ssd_512_mobilnet1.0"}, r"\(did you mean 'ssd_512_mobilenet1\.0'\?\): GluonCV has "),
    ({"image_size": 100}, "image_size is 100: a multiple of 32 is needed"),
    ({"batch_size": 25}, "batch_size is 25, but there are only 24 training samples"),
    ({"require_onnx": True}, "unknown hyperparameter 'require_onnx'"),
])  # fmt: skip
def test_what_cannot_be_used_ends_the_job_with_a_sentence(scenes, options, message):
    with pytest.raises(InputError, match=message):
        train(scenes, options)


def test_a_wrong_annotation_ends_the_job_with_its_name(tmp_path, run_job):
    drawings.write_voc(tmp_path / "scenes")
    (tmp_path / "scenes" / "Annotations" / "train3.xml").write_text("<annotation>")
    job = run_job(tmp_path / "job", object_detector.__file__, SMALL, {"training": tmp_path / "scenes"})
    assert job.status == 1
    assert "train3.xml is not XML" in job.failure
    assert not job.model_dir.exists()


def test_objects_stay_on_their_boxes_whatever_is_done_to_the_picture():
    values = {"crop": True, "expand": 3.0, "flip": True, "colour": 0}
    shown = 0
    for seed in range(60):
        random = np.random.RandomState(seed)
        picture, objects = drawings.scene(random, side=96)
        boxes = np.array([box for _, box in objects], np.float32)
        kinds = np.array([("red", "green").index(name) for name, _ in objects])
        picture, boxes, kinds = detection.augmented((picture, boxes, kinds), values, random)
        assert ((boxes[:, :2] >= 0) & (boxes[:, 2:] <= [picture.shape[1], picture.shape[0]])).all()
        for (left, top, right, bottom), kind in zip(boxes.astype(int), kinds):
            inside = picture[top:bottom, left:right, kind]
            assert (inside >= 190).all()
            shown += 1
    assert shown > 60
