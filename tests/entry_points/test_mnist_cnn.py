import pytest

import mnist_cnn
from gluon_job.compat import mx
from gluon_job.errors import InputError

OWN = [
    {"type": "conv", "channels": 8, "kernel": 3, "activation": "relu"},
    {"type": "batch_norm"},
    {"type": "pool", "size": 3},
    {"type": "dense", "units": 16, "activation": "tanh"},
    {"type": "dropout", "rate": 0.1},
]
SMALL = {"threads": 1, "layers": OWN, "batch_size": 10, "epochs": 1}
TRAINED = {
    "lenet": {"architecture": "lenet", "batch_size": 10, "epochs": 10},
    "single": {"architecture": "single", "optimizer": "adam", "batch_size": 10, "epochs": 8},
    "single_dropout": {"architecture": "single_dropout", "batch_size": 10, "epochs": 8},
    "own layers": {"layers": OWN, "batch_size": 10, "epochs": 12},
}


@pytest.fixture(scope="module", params=TRAINED)
def trained(request, run_job, mnist, tmp_path_factory):
    """The hyperparameters and the outcome of a job run as SageMaker runs it."""
    # The bytes are those of a number of threads, which is otherwise measured.
    hyperparameters = {"threads": 1, **TRAINED[request.param]}
    job = run_job(tmp_path_factory.mktemp("job"), mnist_cnn.__file__, hyperparameters, {"training": mnist})
    assert job.status == 0, job.err
    return hyperparameters, job


def train(mnist, hyperparameters):
    return mnist_cnn.train({"training": str(mnist)}, {"threads": 1, **hyperparameters}, ["algo-1"], 0)


def weights(net):
    return [parameter.data().asnumpy().tobytes() for parameter in net.collect_params().values()]


def test_each_architecture_learns_and_its_model_answers_with_the_accuracy_that_was_printed(trained):
    hyperparameters, job = trained
    assert len(job.accuracies("Training")) == len(job.accuracies("Validation")) == hyperparameters["epochs"]
    assert job.accuracies("Validation")[-1] >= 0.9
    assert not job.err
    assert job.served_accuracy(mnist_cnn) == pytest.approx(job.accuracies("Validation")[-1], abs=1e-6)


def test_the_same_seed_and_data_give_the_same_bytes_in_another_process(trained, mnist, tmp_path):
    hyperparameters, job = trained
    mnist_cnn.save(train(mnist, hyperparameters), str(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {
        path.name: path.read_bytes() for path in job.model_dir.iterdir()
    }


@pytest.mark.parametrize(("architecture", "kinds", "parameters"), [
    ("lenet", ["Conv2D", "MaxPool2D", "Conv2D", "MaxPool2D", "Dense", "Dense"], 520 + 25050 + 410112 + 5130),
    ("single", ["Conv2D", "MaxPool2D", "Dense", "Dense"], 320 + 692352 + 1290),
    ("single_dropout", ["Conv2D", "MaxPool2D", "Dense", "Dropout", "Dense"], 320 + 692352 + 1290),
])  # fmt: skip
def test_an_architecture_has_its_published_layers(architecture, kinds, parameters):
    net = mnist_cnn.build({"architecture": architecture, "layers": None})
    assert [type(layer).__name__ for layer in net] == kinds
    net.initialize()
    assert net(mx.nd.ones((1, 1, 28, 28))).shape == (1, 10)
    assert sum(parameter.data().size for parameter in net.collect_params().values()) == parameters


@pytest.mark.parametrize(("given", "optimizer", "learning_rate"), [
    ({"architecture": "single"}, "sgd", 0.01),
    ({"architecture": "single_dropout"}, "rmsprop", 0.001),
    ({"architecture": "single_dropout", "optimizer": "sgd"}, "sgd", 0.01),
    ({"architecture": "single", "optimizer": "adam"}, "adam", 0.001),
    ({"layers": OWN}, "sgd", 0.01),
])  # fmt: skip
def test_optimizer_and_learning_rate_have_the_defaults_of_the_architecture(mnist, given, optimizer, learning_rate):
    given = {**given, "batch_size": 20, "epochs": 1}
    default, explicit = (
        train(mnist, given),
        train(mnist, {**given, "optimizer": optimizer, "learning_rate": learning_rate}),
    )
    assert weights(default) == weights(explicit)


@pytest.mark.parametrize("options", [
    {"optimizer": "adam"},
    {"optimizer": "rmsprop"},
    {"optimizer": "sgd", "momentum": 0, "weight_decay": 0.001},
    {"schedule": "step", "step_epochs": [1], "step_factor": 0.5, "epochs": 2},
    {"schedule": "cosine", "warmup_epochs": 1, "epochs": 2},
    {"patience": 1},
    {"batch_size": 7},
    {"log_interval": 1},
    {"layers": []},
], ids=str)  # fmt: skip
def test_every_option_trains(mnist, capfd, options):
    hyperparameters = {**SMALL, **options}
    train(mnist, hyperparameters)
    assert capfd.readouterr().out.count("] Validation: accuracy=") == hyperparameters["epochs"]


@pytest.mark.parametrize(("hyperparameters", "message"), [
    ({"epochs": 0}, "epochs must be at least 1, not 0"),
    ({"batch_size": 61}, "batch_size is 61, but there are only 60 training samples"),
    ({"architecture": "lennet"}, r"architecture is one of lenet, .*, not 'lennet' \(did you mean 'lenet'\?\)"),
    ({"layers": "lenet"}, "layers is a list, not 'lenet'"),
    ({"layers": [{"type": "dense"}, {"type": "drop"}]}, r"layers\[1\]: a layer's type is one of .*, not 'drop'"),
    ({"layers": [{"type": "conv", "kernel": 29}]}, r"layers\[0\] does not fit its input"),
    ({"hidden": [16]}, "unknown hyperparameter 'hidden'"),
])  # fmt: skip
def test_a_hyperparameter_that_cannot_be_used_ends_the_job_before_an_epoch(mnist, capfd, hyperparameters, message):
    with pytest.raises(InputError, match=message):
        train(mnist, {**SMALL, **hyperparameters})
    assert "[Epoch" not in capfd.readouterr().out
