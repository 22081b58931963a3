import re

import digits
import numpy as np
import pytest

from gluon_job import fit as fit_module
from gluon_job import progress
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.fit import HYPERPARAMETERS, fit
from gluon_job.hyperparameters import parse
from gluon_job.replicas import Replicas
from gluon_job.schedule import learning_rate

nn = mx.gluon.nn
NUMBER = r"\d+\.\d+"


def draw(count, seed=0):
    images, labels = digits.draw(count, seed)
    return images[:, np.newaxis], labels.astype(np.int32)


TRAINING, VALIDATION = draw(74), draw(30, seed=1)


def make_net(*layers):
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        for make in layers or (lambda: nn.Dense(16, activation="relu"),):
            net.add(make())
        net.add(nn.Dense(10))
    return net


CONVOLUTION = (
    lambda: nn.Conv2D(20, 5, activation="relu"),
    nn.MaxPool2D,
    lambda: nn.Conv2D(12, 3, activation="relu"),
    nn.MaxPool2D,
)
DROPOUT = (lambda: nn.Dense(32, activation="relu"), lambda: nn.Dropout(0.5))
NORMALIZATION = (lambda: nn.Conv2D(8, 3), nn.BatchNorm, lambda: nn.Activation("relu"))


def train(*layers, training=TRAINING, validation=None, net=None, devices=1, **values):
    """The trained net and its history; 74 samples in batches of 10, the last one of 4, on one thread."""
    values = parse(
        {"learning_rate": 0.01, "batch_size": 10, "epochs": 1, "threads": 1, "log_interval": 0, **values},
        HYPERPARAMETERS,
    )
    net = net or make_net(*layers)
    return net, fit(net, training, validation, values, [mx.cpu(i) for i in range(devices)])


def parameters(net):
    return [parameter.data().asnumpy() for parameter in net.collect_params().values()]


def assert_same(net, other, **tolerance):
    for found, expected in zip(parameters(net), parameters(other)):
        if tolerance:
            np.testing.assert_allclose(found, expected, **tolerance)
        else:
            assert found.tobytes() == expected.tobytes()


def assert_alike(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.training == pytest.approx(other.training, abs=1e-5)
        assert one.validation == pytest.approx(other.validation, abs=1e-5)


@pytest.fixture
def orders(monkeypatch):
    """Keeps the order in which samples are trained: their indices, batch by batch."""
    kept, share = [], Replicas.share

    def keep(self, batches):
        kept.extend(np.array(batch) for batch in batches)
        return share(self, batches)

    monkeypatch.setattr(Replicas, "share", keep)
    return kept


def plain_loop(orders, optimizer, options, rates, *layers):
    """What everyone writes: one array, one forward and one `Trainer.step` after the other."""
    net = make_net(*layers)
    mx.random.seed(1)
    net.initialize(mx.init.Xavier(magnitude=2.24))
    net(mx.nd.zeros((2, 1, 28, 28)))
    trainer = mx.gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 1.0, **options})
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    for batch, rate in zip(orders, rates):
        images = mx.nd.array(TRAINING[0][batch].astype(np.float32) / 255)
        with mx.autograd.record():
            loss(net(images), mx.nd.array(TRAINING[1][batch])).backward()
        trainer.set_learning_rate(rate)
        trainer.step(len(batch))
    return net


@pytest.mark.parametrize("layers", [(), CONVOLUTION], ids=["dense", "convolution"])
@pytest.mark.parametrize(
    ("optimizer", "values", "options"),
    [
        ("sgd", {"learning_rate": 0.01}, {"momentum": 0.9}),
        ("sgd", {"learning_rate": 0.05, "momentum": 0.0, "weight_decay": 0.01}, {"wd": 0.01}),
        ("adam", {"learning_rate": 0.0005}, {}),
        ("rmsprop", {"learning_rate": 0.0005}, {}),
    ],
)
def test_an_epoch_with_a_short_last_batch_is_that_of_the_plain_loop(orders, optimizer, values, options, layers):
    net, _ = train(*layers, optimizer=optimizer, **values)
    assert [len(batch) for batch in orders] == [10] * 7 + [4]
    expected = plain_loop(orders, optimizer, options, [values["learning_rate"]] * 8, *layers)
    assert_same(net, expected, rtol=0, atol=1e-6 if not layers else 1e-5)


def test_every_sample_is_trained_once_an_epoch_in_another_order(orders):
    train(epochs=2)
    first, second = np.concatenate(orders[:8]), np.concatenate(orders[8:])
    assert sorted(first) == sorted(second) == list(range(74))
    assert (first != second).any()


def test_the_order_depends_on_the_seed_and_the_epoch_alone(orders):
    train(epochs=2)
    train(epochs=2, optimizer="adam", training=(TRAINING[0], TRAINING[1][::-1].copy()))
    assert [list(batch) for batch in orders[:16]] == [list(batch) for batch in orders[16:]]
    train(seed=2)
    assert (np.concatenate(orders[:8]) != np.concatenate(orders[32:])).any()


def test_the_learning_rate_follows_the_schedule_step_by_step(orders):
    schedule = {"learning_rate": 0.05, "schedule": "cosine", "warmup_epochs": 1, "epochs": 3}
    net, _ = train(**schedule)
    values = parse(schedule, HYPERPARAMETERS)
    rates = [learning_rate(values, step, 8) for step in range(24)]
    assert_same(net, plain_loop(orders, "sgd", {"momentum": 0.9}, rates), rtol=0, atol=2e-6)


@pytest.mark.parametrize("layers", [(), CONVOLUTION, DROPOUT, NORMALIZATION], ids=["dense", "conv", "dropout", "norm"])
def test_the_same_seed_gives_the_same_parameters_bit_for_bit(layers):
    first, _ = train(*layers, epochs=2)
    np.random.rand()
    mx.nd.random.uniform(shape=(3,))
    second, _ = train(*layers, epochs=2)
    assert_same(first, second)


def test_another_seed_gives_other_parameters():
    assert (parameters(train(seed=1)[0])[0] != parameters(train(seed=2)[0])[0]).all()


@pytest.mark.parametrize("samples", [74, 71], ids=["last batch of 4", "last batch of 1"])
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_a_batch_without_changing_the_result(samples, threads):
    training = TRAINING[0][:samples], TRAINING[1][:samples]
    one, history = train(*CONVOLUTION, training=training, validation=VALIDATION, epochs=2)
    several, shared = train(*CONVOLUTION, training=training, validation=VALIDATION, epochs=2, threads=threads)
    assert_same(several, one, rtol=0, atol=1e-5)
    assert_alike(shared, history)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_devices_of_a_host_share_a_batch_and_end_with_the_same_parameters(optimizer):
    how = {"training": TRAINING, "validation": VALIDATION, "epochs": 2, "optimizer": optimizer, "learning_rate": 0.001}
    one, history = train(*CONVOLUTION, **how)
    several, shared = train(*CONVOLUTION, devices=3, **how)
    assert_same(several, one, rtol=0, atol=1e-5)
    assert_alike(shared, history)
    for parameter in several.collect_params().values():
        first, *others = [array.asnumpy() for array in parameter.list_data()]
        assert parameter.list_ctx() == [mx.cpu(0), mx.cpu(1), mx.cpu(2)]
        assert all(np.array_equal(first, other) for other in others)


def test_threads_are_reproducible_too():
    assert_same(train(*DROPOUT, threads=2)[0], train(*DROPOUT, threads=2)[0])


def test_measuring_the_threads_leaves_no_trace(monkeypatch):
    asked = []

    def choose(measure, limit):
        asked.append((measure(1), measure(2), limit))
        return 1

    monkeypatch.setattr(fit_module.threads, "choose", choose)
    monkeypatch.setattr(fit_module.threads, "available", lambda: 2)
    measured, _ = train(*DROPOUT, threads=0)
    assert asked[0][0] > 0
    assert asked[0][1] > 0
    assert asked[0][2] == 2
    assert_same(measured, train(*DROPOUT)[0])


def test_a_net_with_batch_normalization_is_not_divided(monkeypatch):
    limits = []
    monkeypatch.setattr(fit_module.threads, "choose", lambda _, limit: limits.append(limit) or 1)
    monkeypatch.setattr(fit_module.threads, "available", lambda: 8)
    train(*NORMALIZATION, threads=0)
    train(threads=0)
    assert limits == [1, 8]


@pytest.mark.parametrize("layers", [(), CONVOLUTION, DROPOUT, NORMALIZATION], ids=["dense", "conv", "dropout", "norm"])
def test_a_net_learns(layers):
    net, history = train(*layers, validation=VALIDATION, optimizer="adam", epochs=8)
    assert history[-1].training["loss"] < history[0].training["loss"]
    assert history[-1].training["accuracy"] > 0.8
    assert history[-1].validation == score(net)


def score(net):
    logits = net(mx.nd.array(VALIDATION[0].astype(np.float32) / 255))
    losses = mx.gluon.loss.SoftmaxCrossEntropyLoss()(logits, mx.nd.array(VALIDATION[1]))
    accuracy = (logits.asnumpy().argmax(axis=1) == VALIDATION[1]).mean()
    return {"accuracy": pytest.approx(accuracy, abs=1e-6), "loss": pytest.approx(losses.mean().asscalar(), abs=1e-5)}


def test_values_that_the_net_has_already_are_trained_on():
    net, _ = train(epochs=2)
    again, _ = train(net=net, learning_rate=1e-9)
    assert_same(again, train(epochs=2)[0], rtol=0, atol=1e-6)


def test_multipliers_and_frozen_parameters_are_respected():
    net = make_net(lambda: nn.Dense(16, activation="relu"), lambda: nn.Dense(16, activation="relu"))
    mx.random.seed(1)
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 1, 28, 28)))
    net[0].weight.lr_mult = 0.0
    net[1].collect_params().setattr("grad_req", "null")
    before = parameters(net)
    train(net=net)
    moved = [(old != new).any() for old, new in zip(before, parameters(net))]
    assert moved == [False, True, False, False, True, True]


@pytest.fixture
def scores(monkeypatch):
    """Validation accuracies to order."""

    def order(*accuracies):
        left = list(accuracies)
        monkeypatch.setattr(Replicas, "score", lambda *_: {"accuracy": left.pop(0)})

    return order


def test_training_stops_early_and_keeps_the_best(scores):
    scores(0.5, 0.7, 0.6, 0.7, 0.9)
    net, history = train(validation=VALIDATION, epochs=5, patience=2)
    assert [epoch.score for epoch in history] == [0.5, 0.7, 0.6, 0.7]
    assert_same(net, train(epochs=2)[0])


def test_a_better_epoch_in_time_goes_on(scores):
    scores(0.5, 0.4, 0.6, 0.5)
    net, history = train(validation=VALIDATION, epochs=4, patience=2)
    assert len(history) == 4
    assert_same(net, train(epochs=3)[0])


def test_without_patience_the_last_epoch_counts(scores):
    scores(0.9, 0.1, 0.1)
    assert_same(train(validation=VALIDATION, epochs=3)[0], train(epochs=3)[0])


def test_progress_is_printed_line_by_line(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 1000)
    _, history = train(validation=VALIDATION, epochs=2, batch_size=2, log_interval=16)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Training on 74 samples: 2 epochs of 37 batches, 12730 parameters, 1 thread(s)."
    shapes = []
    for epoch in (0, 1):
        shapes += [
            rf"\[Epoch {epoch} Batch 16\] Training: accuracy=[01]\.\d{{6}}, {NUMBER} samples/s",
            rf"\[Epoch {epoch} Batch 32\] Training: accuracy=[01]\.\d{{6}}, {NUMBER} samples/s",
            rf"\[Epoch {epoch}\] Training: accuracy={history[epoch].training['accuracy']:.6f}",
            rf"\[Epoch {epoch}\] Training: loss={history[epoch].training['loss']:.6f}",
            rf"\[Epoch {epoch}\] Validation: accuracy={history[epoch].validation['accuracy']:.6f}",
            rf"\[Epoch {epoch}\] Validation: loss={history[epoch].validation['loss']:.6f}",
            rf"\[Epoch {epoch}\] Speed: {NUMBER} samples/s",
        ]
    assert len(lines) == 1 + len(shapes)
    for line, shape in zip(lines[1:], shapes):
        assert re.fullmatch(shape, line)


def test_a_line_for_every_batch_is_not_so_often_that_it_slows_the_training(capsys):
    train(batch_size=1, log_interval=1)
    assert 3 <= len(re.findall("Batch", capsys.readouterr().out)) < 74


def test_a_slow_net_has_progress_lines_though_its_interval_is_far(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr(progress, "_SECONDS_OF_A_GROUP", 0)
    train(log_interval=1000)
    assert re.findall(r"Epoch 0 Batch (\d+)", capsys.readouterr().out) == [str(batch) for batch in range(1, 9)]


def test_no_progress_lines_without_an_interval(capsys):
    train(log_interval=0)
    assert "Batch" not in capsys.readouterr().out


def test_the_accuracy_and_the_loss_are_those_of_the_samples_as_they_were_trained():
    net, history = train(learning_rate=1e-9)
    logits = net(mx.nd.array(TRAINING[0].astype(np.float32) / 255))
    losses = mx.gluon.loss.SoftmaxCrossEntropyLoss()(logits, mx.nd.array(TRAINING[1]))
    assert history[0].training["loss"] == pytest.approx(losses.mean().asscalar(), abs=1e-5)
    assert history[0].training["accuracy"] == pytest.approx((logits.asnumpy().argmax(axis=1) == TRAINING[1]).mean())


def test_a_loss_that_is_not_finite_ends_the_training():
    with pytest.raises(InputError, match=r"not finite .*epoch 0.*learning_rate 1e\+30: try a smaller"):
        train(learning_rate=1e30, epochs=3)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(InputError, match=r"batch_size is 75.* 74 "):
        train(batch_size=75)


def test_patience_without_validation_data_is_refused():
    with pytest.raises(InputError, match="patience"):
        train(patience=1)


def test_a_net_that_images_are_too_small_for_is_refused():
    with pytest.raises(InputError, match=r"28 x 28.*kernel size"):
        train(lambda: nn.Conv2D(4, 30))
