import numpy as np
import pytest

from gluon_job import layers
from gluon_job.compat import mx
from gluon_job.errors import InputError


def run(described, shape=(1, 28, 28), batch=2):
    """The shapes after each layer of a batch of images of that shape."""
    net = layers.build(described, 10, prefix="net_")
    net.initialize()
    outputs, batch = [], mx.nd.random.uniform(shape=(batch, *shape))
    for layer in net:
        batch = layer(batch)
        outputs.append(batch.shape)
    return outputs


@pytest.mark.parametrize(("layer", "shape"), [
    ({"type": "conv"}, (2, 32, 26, 26)),
    ({"type": "conv", "channels": 4, "kernel": 5, "activation": "tanh"}, (2, 4, 24, 24)),
    ({"type": "conv", "channels": 4, "kernel": 5, "stride": 2, "padding": 2}, (2, 4, 14, 14)),
    ({"type": "pool"}, (2, 1, 14, 14)),
    ({"type": "pool", "size": 4, "kind": "average"}, (2, 1, 7, 7)),
    ({"type": "dense"}, (2, 64)),
    ({"type": "dense", "units": 5, "activation": None}, (2, 5)),
    ({"type": "dropout", "rate": 0.5}, (2, 1, 28, 28)),
    ({"type": "batch_norm"}, (2, 1, 28, 28)),
])  # fmt: skip
def test_a_layer_is_followed_by_a_dense_layer_of_the_classes(layer, shape):
    assert run([layer]) == [shape, (2, 10)]


def test_layers_follow_each_other_in_their_order():
    described = [{"type": "conv", "channels": 6, "kernel": 3}, {"type": "pool"}, {"type": "dense", "units": 7}]
    assert run(described) == [(2, 6, 26, 26), (2, 6, 13, 13), (2, 7), (2, 10)]


def test_without_layers_the_net_is_linear():
    assert run([]) == [(2, 10)]


@pytest.mark.parametrize(("kind", "reduced"), [("max", np.max), ("average", np.mean)])
def test_a_pool_keeps_the_maximum_or_the_average(kind, reduced):
    pool = layers.build([{"type": "pool", "size": 2, "kind": kind}], 10, prefix="net_")[0]
    images = np.random.RandomState(0).rand(1, 1, 2, 2).astype(np.float32)
    assert pool(mx.nd.array(images)).asscalar() == pytest.approx(reduced(images))


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_an_activation_is_applied_to_the_outputs(kind):
    net = layers.build([{"type": kind, "activation": "relu"}, {"type": kind}], 10, prefix="net_")
    net.initialize(mx.init.Normal(1))
    batch = mx.nd.random.normal(shape=(2, 1, 8, 8))
    assert net[0](batch).min().asscalar() == 0
    assert net[1](batch).min().asscalar() < 0


def test_a_dropout_drops_its_share_while_training_only():
    dropout = layers.build([{"type": "dropout", "rate": 0.5}], 10, prefix="net_")[0]
    ones = mx.nd.ones((1, 10000))
    assert (dropout(ones) == ones).min().asscalar() == 1
    with mx.autograd.train_mode():
        assert (dropout(ones) == 0).mean().asscalar() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("layer", "message"), [
    ({"type": "convv"}, r"type is one of conv, pool, .*, not 'convv' \(did you mean 'conv'\?\)"),
    ({"units": 64}, r"type is one of conv, pool, dense, dropout, batch_norm, not None$"),
    ({"type": ["conv"]}, r"type is one of conv, .*, not \['conv'\]"),
    ({"type": "conv", "chanels": 3}, r"unknown hyperparameter 'chanels' \(did you mean 'channels'\?\); accepted: act"),
    ({"type": "batch_norm", "size": 3}, r"unknown hyperparameter 'size'; accepted: none"),
    ({"type": "conv", "kernel": [3, 3]}, r"kernel is a whole number, not \[3, 3\]"),
    ({"type": "conv", "kernel": 0}, r"kernel must be at least 1, not 0"),
    ({"type": "conv", "padding": -1}, r"padding must be at least 0, not -1"),
    ({"type": "conv", "activation": "rellu"}, r"activation is one of .*, not 'rellu' \(did you mean 'relu'\?\)"),
    ({"type": "pool", "kind": "min"}, r"kind is one of max, average, not 'min'"),
    ({"type": "dense", "units": "64"}, r"units is a whole number, not '64'"),
    ({"type": "dropout", "rate": 1}, r"rate must be at most 0\.95, not 1"),
])  # fmt: skip
def test_a_layer_that_cannot_be_made_is_named_by_its_place(layer, message):
    with pytest.raises(InputError, match=r"^layers\[1\]: .*" + message):
        layers.build([{"type": "dense"}, layer], 10, prefix="net_")


@pytest.mark.parametrize(("described", "message"), [
    ([{"type": "pool"}, {"type": "conv", "kernel": 15}], r"layers\[1\] .* the shape \[1, 14, 14\]: kernel size exceed"),
    ([{"type": "pool", "size": 29}], r"layers\[0\] does not fit .* the shape \[1, 28, 28\]: kernel size"),
    ([{"type": "dense"}, {"type": "conv"}], r"layers\[1\] .* the shape \[64\]: Input data should be 4D"),
    ([{"type": "dense"}, {"type": "dropout"}, {"type": "pool"}], r"layers\[2\] .* the shape \[64\]: "),
])  # fmt: skip
def test_a_layer_that_does_not_fit_its_input_is_named_by_its_place(described, message):
    with pytest.raises(InputError, match=message):
        layers.check(layers.build(described, 10, prefix="net_"), (1, 28, 28))


def test_layers_that_fit_pass_the_check_and_are_left_alone():
    described = [{"type": "conv", "padding": 1}, {"type": "batch_norm"}, {"type": "pool"}, {"type": "dropout"}]
    net = layers.build(described, 10, prefix="net_")
    layers.check(net, (3, 9, 7))
    net.initialize()
    assert net(mx.nd.ones((2, 1, 28, 28))).shape == (2, 10)
