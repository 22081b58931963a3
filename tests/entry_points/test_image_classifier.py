import json
import shutil

import drawings
import numpy as np
import pytest

import image_classifier
from gluon_job import checkpoint
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.vision import pictures, zoo

pytest.importorskip("gluoncv")
SMALL = {"network": "cifar_resnet20_v1", "threads": 1, "batch_size": 12, "epochs": 1, "flip": False, "image_size": 16}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three classes of 20 pictures."""
    return drawings.write_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Real digits as PNG files: 0 and 1, a folder each, of 32 x 32 pixels."""
    pil, idx = pytest.importorskip("PIL.Image"), pytest.importorskip("launcher.idx")
    images, labels = idx.shipped_digits()
    directory = tmp_path_factory.mktemp("digits")
    for digit, name in enumerate(("zero", "one")):
        for part, chosen in (("train", slice(0, 40)), ("val", slice(40, 60))):
            folder = directory / part / name
            folder.mkdir(parents=True)
            for number, image in enumerate(images[labels == digit][chosen]):
                pil.fromarray(image).resize((32, 32)).save(folder / f"{number}.png")
    return directory


def train(directory, hyperparameters, **channels):
    named = {"training": str(directory), **{name: str(path) for name, path in channels.items()}}
    return image_classifier.train(named, {**SMALL, **hyperparameters}, ["algo-1"], 0)


def weights(net):
    return {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}


def are_equal(one, other):
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.fixture(scope="module")
def job(run_job, digits, tmp_path_factory):
    """A network trained on real digits, in a process of its own."""
    values = {
        **SMALL,
        "image_size": 32,
        "batch_size": 8,
        "epochs": 5,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "require_onnx": True,
    }
    job = run_job(tmp_path_factory.mktemp("job"), image_classifier.__file__, values, {"training": digits})
    assert job.status == 0, job.err
    return job


def test_a_network_learns_real_digits_from_folders_of_png_files(job):
    assert len(job.accuracies("Training")) == len(job.accuracies("Validation")) == 5
    assert job.accuracies("Validation")[-1] >= 0.9
    assert "ONNX: model.onnx: answers as MXNet on 80 training samples" in job.out


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_its_endpoint_answers_pictures_with_the_names_of_the_folders(job, digits, kind):
    pil = pytest.importorskip("PIL.Image")
    net = image_classifier.model_fn(str(job.model_dir))
    right = 0
    paths = sorted((digits / "val").rglob("*.png"))
    for path in paths:
        body = path.read_bytes()
        if kind == "jpeg":
            pil.open(path).save(path.parents[2] / "a.jpg", quality=95)
            body = (path.parents[2] / "a.jpg").read_bytes()
        answer, _ = image_classifier.transform_fn(net, body, f"image/{kind}", "application/json")
        right += json.loads(answer)["predictions"][0]["label"] == path.parent.name
    if kind == "png":
        assert right / len(paths) == pytest.approx(job.accuracies("Validation")[-1], abs=1e-6)
    assert right / len(paths) >= 0.9


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
], ids=range(9))  # fmt: skip
def test_what_cannot_be_used_ends_the_job_with_a_sentence(folders, tmp_path, damage, options, message):
    directory = folders
    if damage:
        directory = tmp_path / "damaged"
        shutil.copytree(folders, directory)
        damage(directory)
    with pytest.raises(InputError, match=message):
        train(directory, options)


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
