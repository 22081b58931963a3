import drawings
import numpy as np
import pytest

import object_detector
from gluon_job import checkpoint, describe
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
    ({"network": "ssd_512_mobilnet1.0"}, r"\(did you mean 'ssd_512_mobilenet1\.0'\?\): of 9 in GluonCV"),
    ({"image_size": 100}, "image_size is 100: a multiple of 32 is needed"),
    ({"batch_size": 25}, "batch_size is 25, but there are only 24 training samples"),
    ({"require_onnx": True}, "unknown hyperparameter 'require_onnx'"),
    ({"image_size": 32}, "image_size must be at least 64, not 32"),
    ({"image_size": "big"}, "image_size is a whole number, not 'big'"),
    ({"network": "ssd_300_vgg16_atrous"}, "image_size is 64: too small for this network"),
    ({"box_scale": 1e9}, "box_scale must be at most 100"),
    ({"expand": 9}, "expand must be at most 4"),
    ({"crop": "pad"}, "crop is true or false, not 'pad'"),
    ({"pretrained": "no.params"}, r"no file 'no\.params' for pretrained"),
    ({"learning_rate": 1e30, "epochs": 3}, "the loss is not finite"),
])  # fmt: skip
def test_what_cannot_be_used_ends_the_job_with_a_sentence(scenes, options, message):
    with pytest.raises(InputError, match=message):
        train(scenes, options)


def test_a_file_of_no_parameters_is_refused(scenes, tmp_path):
    (tmp_path / "a.params").write_text("nothing")
    with pytest.raises(InputError, match=r"a\.params is not a file of MXNet's parameters"):
        train(scenes, {"pretrained": "a.params"}, pretrained=tmp_path)


def test_a_sharded_channel_is_refused(scenes):
    channels = {"training": {"S3DistributionType": "ShardedByS3Key"}}
    with pytest.raises(InputError, match="'training' is sharded, which would part annotations from their pictures"):
        object_detector.train({"training": str(scenes)}, SMALL, ["algo-1"], 0, input_data_config=channels)


@pytest.mark.parametrize("network", ["ssd_300_mobilenet0.25", "yolo3_mobilenet0.25"])
def test_a_plan_tells_the_net_and_the_samples(scenes, network):
    values = {"network": network, "image_size": 64, "pretrained": True}  # nothing is downloaded
    told = describe.describe("object_detector", values, {"training": str(scenes)})
    assert told["samples"] == 24
    assert (told["dense"], told["values"]["batch_size"]) == (0, 32)
    larger = describe.describe("object_detector", {**values, "image_size": 128}, {"training": str(scenes)})
    assert larger["parameters"] == told["parameters"] > 1e6
    assert 3 < larger["convolution"] / told["convolution"] <= 4
    with pytest.raises(InputError, match="a multiple of 32 is needed"):
        describe.describe("object_detector", {**values, "image_size": 100}, {"training": str(scenes)})


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
