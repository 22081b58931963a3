import json

import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.graph import optimized

nn = mx.gluon.nn

NETS = {
    "lenet": lambda: [
        nn.Conv2D(20, 5, activation="relu"),
        nn.MaxPool2D(),
        nn.Conv2D(50, 5, activation="relu"),
        nn.MaxPool2D(),
        nn.Dense(16, activation="relu"),
    ],
    "one convolution whose channels fill the blocks": lambda: [nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D()],
    "too few channels to be worth it": lambda: [nn.Conv2D(5, 3, activation="relu"), nn.MaxPool2D()],
    "no bias, strides and padding": lambda: [
        nn.Conv2D(12, 3, strides=2, padding=1, use_bias=False, activation="tanh"),
        nn.Conv2D(13, 3, padding=2, activation="sigmoid"),
        nn.AvgPool2D(),
    ],
    # Without biases: normalization takes them away again, so that their gradients are nothing but rounding.
    "batch normalization between": lambda: [
        nn.Conv2D(13, 3, use_bias=False),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.MaxPool2D(),
        nn.Conv2D(30, 3, activation="relu"),
        nn.BatchNorm(),
    ],
    "groups and dilation": lambda: [
        nn.Conv2D(12, 3, dilation=2, activation="relu"),
        nn.MaxPool2D(),
        nn.Conv2D(12, 3, groups=6, activation="relu"),
    ],
    "dense only": lambda: [nn.Dense(20, activation="relu")],
}


class Branching(mx.gluon.HybridBlock):
    """What follows a relu here is not its pooling alone, and channels are joined."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = (
            nn.Conv2D(20, 3, activation="relu"),
            nn.Conv2D(20, 3, padding=1),
            nn.Dense(3),
        )

    def hybrid_forward(self, F, images):  # noqa: N803
        first = self.first(images)
        joined = F.concat(first, F.contrib.quadratic(self.second(first), a=0, b=2, c=1), dim=1)
        pooled = F.Pooling(first, kernel=(2, 2), stride=(2, 2), pool_type="max")
        return self.out(F.concat(F.Flatten(joined), F.Flatten(pooled), dim=1))


def sequential(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net


def compute(symbol, net, images):
    """The output, and by name the gradients and the running statistics after one training step."""
    parameters = net.collect_params()
    arrays = {name: parameter.data().copy() for name, parameter in parameters.items()}
    trained = [arrays[name] for name, parameter in parameters.items() if parameter.grad_req != "null"]
    gradients = [mx.nd.zeros_like(array) for array in trained]
    mx.autograd.mark_variables(trained, gradients)
    operator = mx.nd.CachedOp(symbol)
    with mx.autograd.record():
        output = operator(*[{**arrays, "data": images}[name] for name in symbol.list_inputs()])
        (output * output).sum().backward()
    return [output.asnumpy()] + [array.asnumpy() for array in (*gradients, *arrays.values())]


def operators(symbol):
    return [node["op"] for node in json.loads(symbol.tojson())["nodes"]]


def prepare(net, channels=1):
    mx.random.seed(1)
    net.initialize(mx.init.Xavier(magnitude=2.24))
    images = mx.nd.random.uniform(shape=(6, channels, 20, 17))
    net(images)
    symbol = net(mx.sym.var("data"))
    return symbol, optimized(symbol, {name: p.shape for name, p in net.collect_params().items()}), images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layers", NETS.values(), ids=NETS)
def test_outputs_and_gradients_are_those_of_the_net(layers, channels):
    net = sequential(*layers(), nn.Dense(3))
    symbol, rewritten, images = prepare(net, channels)
    for expected, found in zip(compute(symbol, net, images), compute(rewritten, net, images)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, abs(expected).max()))


def test_branches_and_joined_channels_are_kept():
    net = Branching()
    symbol, rewritten, images = prepare(net)
    for expected, found in zip(compute(symbol, net, images), compute(rewritten, net, images)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, abs(expected).max()))


def test_the_convolutions_of_a_lenet_get_the_channels_that_onednn_wants():
    _, rewritten, _ = prepare(sequential(*NETS["lenet"](), nn.Dense(3)))
    convolutions = [node for node in json.loads(rewritten.tojson())["nodes"] if node["op"] == "Convolution"]
    assert [node["attrs"]["num_filter"] for node in convolutions] == ["24", "56"]
    assert convolutions[0]["attrs"]["kernel"] == "(2, 5)"


def test_relu_follows_max_pooling():
    symbol, rewritten, _ = prepare(sequential(nn.Conv2D(8, 2, activation="relu"), nn.MaxPool2D()))
    assert [name for name in operators(symbol) if name in ("Activation", "Pooling")] == ["Activation", "Pooling"]
    assert [name for name in operators(rewritten) if name in ("Activation", "Pooling")] == ["Pooling", "Activation"]


def test_a_graph_with_an_operator_that_cannot_be_made_again_stays_as_it_is():
    class Loop(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, images):  # noqa: N803
            return F.contrib.foreach(lambda row, state: (row + state, state), images, F.ones((1,)))[0]

    net = sequential(nn.Conv2D(20, 3), Loop(), nn.Dense(3))
    symbol, rewritten, _ = prepare(net)
    assert rewritten is symbol
