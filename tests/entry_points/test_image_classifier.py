import os
import re
import shutil

import drawings
import numpy as np
import pytest

import image_classifier
from gluon_job import checkpoint, datasets, describe
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.vision import pictures, zoo
from launcher import data, digit_pictures

pytest.importorskip("gluoncv")
SMALL = {"network": "cifar_resnet20_v1", "threads": 1, "batch_size": 12, "epochs": 1, "flip": False, "image_size": 16}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three classes of 20 pictures."""
    return drawings.write_folders(tmp_path_factory.mktemp("folders"))


def train(directory, hyperparameters, **channels):
    named = {"training": str(directory), **{name: str(path) for name, path in channels.items()}}
    return image_classifier.train(named, {**SMALL, **hyperparameters}, ["algo-1"], 0)


def weights(net):
    return {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}


def are_equal(one, other):
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.fixture
def fashion(tmp_path):
    """Real trousers and trainers of Fashion-MNIST as PNG files: 60 of each to learn from, 20 to score on."""
    directory = data.locate("fashion-mnist")
    if directory is None:
        reason = "no Fashion-MNIST: run `make debian`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    for part, images, count in zip(("train", "val"), datasets.load_images({"training": str(directory)}), (60, 20)):
        chosen = np.isin(images.labels, [1, 7])
        digit_pictures.write_folders(tmp_path / part, images.images[chosen, 0], images.labels[chosen], count)
    return tmp_path


def test_a_network_learns_real_clothes_from_folders_of_png_files(fashion, capfd):
    values = {"image_size": 32, "batch_size": 8, "epochs": 4, "optimizer": "adam", "learning_rate": 0.003}
    net = train(fashion, {**values, "flip": True})
    assert (net.labels, net.input_shape) == (["1", "7"], (3, 32, 32))
    accuracies = re.findall(r"Validation: accuracy=(\S+)", capfd.readouterr().out)
    assert len(accuracies) == 4
    assert float(accuracies[-1]) >= 0.9


def test_the_same_seed_gives_the_same_weights_and_another_one_others(folders):
    one, again, other = (weights(train(folders, {"seed": seed, "mixup": 0.2})) for seed in (1, 1, 2))
    assert are_equal(one, again)
    assert not are_equal(one, other)


def test_a_training_goes_on_from_a_checkpoint_as_if_it_had_not_been_interrupted(folders, tmp_path, monkeypatch):
    values = {"epochs": 3, "schedule": "constant", "optimizer": "adam"}
    whole = weights(train(folders, values))
    directory = str(tmp_path)
    monkeypatch.setattr(
        checkpoint, "of_this_job", lambda: checkpoint.Checkpoints(directory, checkpoint.interval("1 epoch"))
    )
    train(folders, {**values, "epochs": 2})
    assert are_equal(weights(train(folders, values)), whole)


@pytest.mark.parametrize("options", [
    {"crop": "area", "colour": 0.3, "flip": True},
    {"mixup": 0.4, "label_smoothing": 0.1},
    {"optimizer": "rmsprop", "schedule": "step", "step_epochs": [1]},
    {"mixed_precision": True},  # no GPU: float32
    {"threads": 2, "batch_size": 7},  # the shares of the last batch differ
    {"batch_size_per_host": 5},
    {"validation_split": 0},
], ids=str)  # fmt: skip
def test_every_option_trains(folders, capfd, options):
    train(folders, options)
    out = capfd.readouterr().out
    assert "[Epoch 0] Training: accuracy=" in out
    assert ("] Validation: accuracy=" in out) == (options.get("validation_split") != 0)


def test_records_and_cifar_files_train_too(folders, tmp_path, capfd):
    (tmp_path / "records").mkdir()
    (tmp_path / "cifar").mkdir()
    some = pictures.load({"training": str(folders)}, 0, 1).training
    paths = sorted(folders.rglob("*.png"))
    bodies = [(float(label), path.read_bytes()) for label, path in zip(some.labels, paths)]
    drawings.write_records(tmp_path / "records" / "train.rec", bodies)
    rows = [[label, *some[i].transpose(2, 0, 1).ravel()] for i, label in enumerate(some.labels)]
    np.array(rows, np.uint8).tofile(str(tmp_path / "cifar" / "data_batch_1.bin"))
    values = {"image_size": 32}
    expected = weights(train(folders, values))
    assert are_equal(weights(train(tmp_path / "records", values)), expected)
    assert train(tmp_path / "cifar", values).labels == [str(i) for i in range(10)]


def test_fine_tuning_begins_with_a_files_parameters_and_frozen_ones_stay(folders, tmp_path, capfd):
    before = train(folders, {"epochs": 2})
    image_classifier.save(before, str(tmp_path))
    values = {"pretrained": "model-0000.params", "freeze": True, "learning_rate": 0.1}
    after = train(folders, values, pretrained=tmp_path)
    count = len(zoo.make("cifar_resnet20_v1", classes=3).collect_params().keys())
    assert f"Pretrained: {count} of {count} parameters" in capfd.readouterr().out
    mine, theirs = weights(after), weights(before)
    changed = {name.partition("_")[2] for name in mine if not (mine[name] == theirs[name]).all()}
    assert changed == {"dense0_weight", "dense0_bias"}


def corrupt(directory):
    (directory / "red" / "3.png").write_bytes((directory / "red" / "3.png").read_bytes()[:-300])


def one_class(directory):
    for name in ("blue", "green"):
        shutil.rmtree(directory / name)


def empty(directory):
    shutil.rmtree(directory / "red")
    (directory / "red").mkdir()


@pytest.mark.parametrize(("damage", "options", "message"), [
    (corrupt, {}, r"red.3\.png: the picture"),
    (empty, {}, r"the folder .*red holds no PNG or JPEG picture"),
    (None, {"network": "cifar_resnet20"}, r"no network 'cifar_resnet20' \(did you mean 'cifar_resnet20_v\d'\?\)"),
    (None, {"network": "ssd_512_mobilenet1.0_voc"}, "no network 'ssd_512_mobilenet1.0_voc'"),
    (None, {"pretrained": "no.params"}, r"no file 'no\.params' for pretrained"),
    (None, {"pretrained": 3}, "pretrained is true or false or a string, not 3"),
    (None, {"batch_size": 1000}, "batch_size is 1000, but there are only 54 training samples"),
    (None, {"learning_rate": 1e30, "epochs": 3}, "the loss is not finite"),
    (None, {"image_size": 7}, "image_size must be at least 8, not 7"),
    (None, {"network": "alexnet"}, "the net cannot take images of 16 x 16"),
    (None, {"network": 5}, "network is a string, not 5"),
    (None, {"pretrained": ""}, "no file '' for pretrained"),
    (None, {"crop": "some"}, "crop is one of none, pad, area, not 'some'"),
    (None, {"mixup": -1}, "mixup must be at least 0"),
    (None, {"label_smoothing": 1}, "label_smoothing must be at most 0.9"),
    (None, {"validation_split": 0, "patience": 2}, "patience needs validation data"),
    (one_class, {}, "has pictures of one class, 'red': a classifier needs two"),
], ids=range(17))  # fmt: skip
def test_what_cannot_be_used_ends_the_job_with_a_sentence(folders, tmp_path, damage, options, message):
    directory = folders
    if damage:
        directory = tmp_path / "damaged"
        shutil.copytree(folders, directory)
        damage(directory)
    with pytest.raises(InputError, match=message):
        train(directory, options)


def test_a_file_of_no_parameters_is_refused(folders, tmp_path):
    (tmp_path / "a.params").write_text("nothing")
    with pytest.raises(InputError, match=r"a\.params is not a file of MXNet's parameters"):
        train(folders, {"pretrained": "a.params"}, pretrained=tmp_path)


def test_a_plan_tells_the_net_the_samples_and_what_the_job_would_fail_of(folders):
    values = {"network": "cifar_resnet20_v1", "pretrained": True}  # nothing is downloaded
    told = describe.describe("image_classifier", values, {"training": str(folders)})
    assert told["samples"] == 54
    # Those of He et al. for 10 classes are 0.27 million; in the last layer 3 classes have 64 + 1 each.
    assert told["parameters"] == 271_824 + 3 * 65
    assert told["dense"] == 3 * 64
    assert told["convolution"] == pytest.approx(40.8e6, rel=0.01)
    assert told["values"]["batch_size"] == 32
    frozen = describe.describe("image_classifier", {**values, "freeze": True}, {"training": str(folders)})
    assert frozen["parameters"] == 3 * 65
    with pytest.raises(InputError, match="no network 'resnet'"):
        describe.describe("image_classifier", {"network": "resnet"}, {"training": str(folders)})


def test_in_half_precision_only_the_arithmetic_of_the_layers_is_in_float16():
    from gluon_job.vision.classification import _loss
    from gluon_job.vision.learner import in_half_precision, scaled

    net = image_classifier.build({**SMALL, "pretrained": False, "freeze": False}, 3, {})
    with mx.autograd.train_mode():
        symbol = _loss(in_half_precision(net(scaled())), 128.0)
    internals = symbol.get_internals()
    types = dict(zip(internals.list_outputs(), internals.infer_type(images=np.uint8)[1]))
    assert types["normalized_mean"] == np.float32
    assert {types[name] for name in types if "_conv" in name and name.endswith("_fwd_output")} == {np.float16}
    assert {types[name] for name in net.collect_params()} == {np.float32}
    assert set(symbol.infer_type(images=np.uint8)[1]) == {np.float32}
