import sys

import digits
import pytest

import mnist_mlp
from gluon_job.errors import InputError

SMALL = {"threads": 1, "hidden": [16, 16], "batch_size": 10, "epochs": 2}
TRAINED = {
    "hidden": [32, 16],
    "dropout": 0.1,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 10,
    "epochs": 12,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "seed": 7,
}


@pytest.fixture(scope="module")
def job(run_job, mnist, tmp_path_factory):
    """A job run as SageMaker runs it."""
    directory = tmp_path_factory.mktemp("job")
    job = run_job(directory, mnist_mlp.__file__, TRAINED, {"training": mnist}, variables={"PYTHONHASHSEED": "1"})
    assert job.status == 0, job.err
    return job


def train(mnist, hyperparameters, **channels):
    channels = {name: str(path) for name, path in {"training": mnist, **channels}.items()}
    return mnist_mlp.train(channels, hyperparameters, ["algo-1"], 0)


def weights(net):
    return [parameter.data().asnumpy().tobytes() for parameter in net.collect_params().values()]


@pytest.fixture(scope="module")
def plain(mnist):
    """The weights of a small net without any option."""
    return weights(train(mnist, SMALL))


def test_a_job_prints_an_accuracy_an_epoch_and_learns(job):
    assert len(job.accuracies("Training")) == len(job.accuracies("Validation")) == 12
    assert job.accuracies("Training")[-1] >= 0.9
    assert job.accuracies("Validation")[-1] >= 0.9
    assert not job.err
    assert not job.failure


def test_the_model_answers_with_the_accuracy_that_was_printed(job):
    assert job.served_accuracy(mnist_mlp) == pytest.approx(job.accuracies("Validation")[-1], abs=1e-6)


def test_the_same_seed_and_data_give_the_same_bytes_in_another_process(job, mnist, tmp_path):
    mnist_mlp.save(train(mnist, TRAINED), str(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {
        path.name: path.read_bytes() for path in job.model_dir.iterdir()
    }


def test_another_seed_gives_other_first_weights(mnist):
    still = {**SMALL, "epochs": 1, "learning_rate": 1e-9}
    first, again, other = (
        next(iter(train(mnist, {**still, "seed": seed}).collect_params().values())).data() for seed in (1, 1, 2)
    )
    assert (first == again).min().asscalar() == 1
    assert abs(first - other).mean().asscalar() > 0.01


@pytest.mark.parametrize("options", [
    {"hidden": [128, 64]},
    {"hidden": []},
    {"activation": "tanh"},
    {"activation": "sigmoid"},
    {"activation": "softrelu"},
    {"dropout": 0.5},
    {"optimizer": "sgd", "learning_rate": 0.05},
    {"momentum": 0},
    {"weight_decay": 0.001},
    {"optimizer": "adam"},
    {"optimizer": "rmsprop"},
    {"schedule": "step", "step_epochs": [1]},
    {"schedule": "step", "step_epochs": [1], "step_factor": 0.5},
    {"schedule": "cosine"},
    {"warmup_epochs": 1},
    {"batch_size": 7},  # the last batch is shorter
    {"batch_size": 60},
    {"seed": 2},
], ids=str)  # fmt: skip
def test_every_option_trains_and_has_its_effect(mnist, plain, options):
    net = train(mnist, {**SMALL, **options})
    units = [layer._units for layer in net if hasattr(layer, "_units")]
    assert units == [*options.get("hidden", SMALL["hidden"]), 10]
    assert weights(net) != plain


@pytest.mark.parametrize("options", [{}, {"patience": 5}, {"log_interval": 0}, {"log_interval": 1}], ids=str)
def test_what_is_only_watched_leaves_the_model_alone(mnist, plain, options):
    assert weights(train(mnist, {**SMALL, **options})) == plain


@pytest.mark.parametrize(("optimizer", "learning_rate"), [("sgd", 0.1), ("adam", 0.001), ("rmsprop", 0.001)])
def test_each_optimizer_has_its_own_learning_rate(mnist, optimizer, learning_rate):
    default = train(mnist, {**SMALL, "optimizer": optimizer})
    explicit = train(mnist, {**SMALL, "optimizer": optimizer, "learning_rate": learning_rate})
    assert weights(default) == weights(explicit)


def test_training_stops_when_validation_no_longer_gets_better(mnist, capfd):
    train(mnist, {**SMALL, "epochs": 10, "learning_rate": 1e-9, "patience": 2})
    assert capfd.readouterr().out.count("] Validation: accuracy=") == 3


def test_a_validation_channel_is_scored_instead(mnist, tmp_path, capfd):
    images, labels = digits.draw(20)
    digits.write_idx(tmp_path / "t10k-images-idx3-ubyte", images)
    digits.write_idx(tmp_path / "t10k-labels-idx1-ubyte", (labels + 1) % 10)  # no net can be right about these
    train(mnist, {**TRAINED, "dropout": 0}, validation=tmp_path)
    assert "[Epoch 11] Validation: accuracy=0.000000\n" in capfd.readouterr().out


def test_without_validation_data_training_alone_is_reported(tmp_path, capfd):
    train(digits.write(tmp_path, test=0), SMALL)
    out = capfd.readouterr().out
    assert "[Epoch 1] Training: accuracy=" in out
    assert "Validation" not in out


def test_the_names_of_the_classes_reach_the_model(mnist, tmp_path):
    data = digits.write(tmp_path / "data")
    (data / "labels.txt").write_text("".join(f"name {i}\n" for i in range(10)))
    (tmp_path / "model").mkdir()
    mnist_mlp.save(train(data, SMALL), str(tmp_path / "model"))
    assert mnist_mlp.model_fn(str(tmp_path / "model")).labels == [f"name {i}" for i in range(10)]


@pytest.mark.parametrize(("has_onnx", "required", "written"), [(True, True, True), (False, False, False)])
def test_the_model_is_saved_as_onnx_too_where_that_is_possible(
    mnist, tmp_path, monkeypatch, has_onnx, required, written
):
    if has_onnx:
        pytest.importorskip("onnx")
    else:
        monkeypatch.setitem(sys.modules, "onnx", None)
    mnist_mlp.save(train(mnist, {**SMALL, "require_onnx": has_onnx}), str(tmp_path))
    assert (tmp_path / "model.onnx").exists() is has_onnx
    assert (tmp_path / "model-0000.params").exists()


def test_a_job_that_requires_onnx_fails_without_it(mnist, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    net = train(mnist, {**SMALL, "require_onnx": True})
    with pytest.raises(InputError, match="the package onnx is not installed here"):
        mnist_mlp.save(net, str(tmp_path))


@pytest.mark.parametrize(("hyperparameters", "message"), [
    ({"epochs": 0}, "epochs must be at least 1, not 0"),
    ({"batch_size": 61}, "batch_size is 61, but there are only 60 training samples"),
    ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"learning_rate": "0.1"}, "learning_rate is a number, not '0.1'"),
    ({"hidden": [0]}, r"hidden\[0\] must be at least 1"),
    ({"activation": "relo"}, r"\(did you mean 'relu'\?\)"),
    ({"dropout": 1}, r"dropout must be at most 0\.95"),
    ({"optimizer": "SGD"}, "optimizer is one of sgd, adam, rmsprop, not 'SGD'"),
    ({"learning-rate": 0.1}, r"unknown hyperparameter 'learning-rate' \(did you mean 'learning_rate'\?\)"),
    ({"architecture": "lenet"}, "unknown hyperparameter 'architecture'"),
])  # fmt: skip
def test_a_hyperparameter_that_cannot_be_used_ends_the_job_before_an_epoch(mnist, capfd, hyperparameters, message):
    with pytest.raises(InputError, match=message):
        train(mnist, {**SMALL, **hyperparameters})
    assert "[Epoch" not in capfd.readouterr().out


def test_wrong_names_of_the_classes_end_the_job_before_an_epoch(tmp_path, capfd):
    data = digits.write(tmp_path)
    (data / "labels.txt").write_text("only one\n")
    with pytest.raises(InputError, match="names 1 classes, not 10"):
        train(data, SMALL)
    assert not capfd.readouterr().out


def test_a_job_that_cannot_run_says_why_in_one_line_and_leaves_no_model(run_job, mnist, tmp_path):
    job = run_job(tmp_path, mnist_mlp.__file__, {"epochs": 0}, {"training": mnist})
    assert job.status == 1
    assert job.err == job.failure == "InputError: hyperparameter epochs must be at least 1, not 0\n"
    assert not job.model_dir.exists()
