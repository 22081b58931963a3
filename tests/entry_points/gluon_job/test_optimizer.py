import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.optimizer import Optimizer
from gluon_job.weights import Weights

VALUES = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0}
OPTIMIZERS = [
    ({"optimizer": "sgd"}, {"momentum": 0.9}),
    ({"optimizer": "sgd", "momentum": 0.0}, {}),
    ({"optimizer": "sgd", "weight_decay": 0.01}, {"momentum": 0.9, "wd": 0.01}),
    ({"optimizer": "adam", "weight_decay": 0.01}, {"wd": 0.01}),
    ({"optimizer": "rmsprop", "weight_decay": 0.01}, {"wd": 0.01}),
]


def make_net():
    mx.random.seed(1)
    net = mx.gluon.nn.Dense(7, in_units=30, prefix="dense_")
    net.initialize(mx.init.Xavier())
    net.weight.wd_mult, net.bias.lr_mult = 0.5, 2.0
    return net


@pytest.mark.parametrize(("values", "options"), OPTIMIZERS)
def test_the_weights_move_as_with_mxnets_own_trainer(values, options):
    net, rates, random = make_net(), [0.1, 0.05, 0.2, 0.01], np.random.RandomState(1)
    weights = Weights(net, mx.cpu())
    optimizer = Optimizer(weights, {**VALUES, **values})
    trainer = mx.gluon.Trainer(net.collect_params(), values["optimizer"], {"learning_rate": 1, **options})
    for samples, rate in zip([10, 10, 3, 10], rates):
        images = mx.nd.array(random.normal(size=(samples, 30)))
        for arrays, move in (
            ((net.weight.data(), net.bias.data()), lambda: trainer.step(samples)),  # noqa: B023
            ((weights.arrays["dense_weight"], weights.arrays["dense_bias"]), lambda: optimizer.update(rate, samples)),  # noqa: B023
        ):
            trainer.set_learning_rate(rate)
            with mx.autograd.record():
                outputs = mx.nd.FullyConnected(images, *arrays, num_hidden=7)
                (outputs * outputs).sum().backward()
            move()
    for name, array in weights.arrays.items():
        np.testing.assert_allclose(array.asnumpy(), net.collect_params()[name].data().asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_parameter_with_a_learning_rate_of_nothing_stays():
    net = make_net()
    net.weight.lr_mult = 0.0
    weights = Weights(net, mx.cpu())
    weights.gradients[:] = 1
    Optimizer(weights, VALUES).update(0.1, 1)
    np.testing.assert_array_equal(weights.arrays["dense_weight"].asnumpy(), net.weight.data().asnumpy())
    np.testing.assert_allclose(weights.arrays["dense_bias"].asnumpy(), -0.2, rtol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_its_memory_continues_a_training_bit_for_bit(name):
    def moved(interrupted):
        weights = Weights(make_net(), mx.cpu())
        optimizer = Optimizer(weights, {**VALUES, "optimizer": name})
        for step in range(4):
            if interrupted and step == 2:
                steps, states = optimizer.steps, [state.copy() for state in optimizer.states]
                optimizer = Optimizer(weights, {**VALUES, "optimizer": name})
                optimizer.steps = steps
                for state, kept in zip(optimizer.states, states):
                    state[:] = kept
            weights.gradients[:] = step + 0.5
            optimizer.update(0.1, 3)
        return weights.values.asnumpy()

    np.testing.assert_array_equal(moved(False), moved(True))
