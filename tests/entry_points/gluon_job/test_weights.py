import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.weights import Weights

nn = mx.gluon.nn


@pytest.fixture
def net():
    mx.random.seed(1)
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(3, 3, in_channels=1), nn.BatchNorm(in_channels=3), nn.Dense(5, in_units=12))
    net.initialize(mx.init.Xavier())
    return net


def values(net):
    return {name: parameter.data().asnumpy() for name, parameter in net.collect_params().items()}


def test_every_parameter_is_there_with_its_value(net):
    weights = Weights(net, mx.cpu())
    expected = values(net)
    assert set(weights.arrays) == set(expected)
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(array.asnumpy(), expected[name])


def test_the_trained_parameters_are_views_of_one_buffer_and_do_not_overlap(net):
    weights = Weights(net, mx.cpu())
    weights.values[:] = np.arange(weights.values.size)
    trained = [name for name, parameter in net.collect_params().items() if parameter.grad_req != "null"]
    found = np.concatenate([weights.arrays[name].asnumpy().ravel() for name in trained])
    assert len(set(found)) == len(found) == 3 * 9 + 3 + 3 + 3 + 5 * 12 + 5
    assert all(weights.arrays[name].asnumpy().ravel()[0] % 16 == 0 for name in trained)


def test_the_net_has_arrays_of_its_own(net):
    before = values(net)
    weights = Weights(net, mx.cpu())
    weights.values[:] = 7
    for array in weights.arrays.values():
        array[:] = 7
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])
    weights.store()
    assert all((value == 7).all() for value in values(net).values())
    weights.values[:] = 8
    assert all((value == 7).all() for value in values(net).values())


def test_copies_are_apart_from_the_buffer(net):
    weights = Weights(net, mx.cpu())
    copies = weights.copies()
    weights.values[:] = 7
    assert not (copies["net_conv0_weight"].asnumpy() == 7).any()


def test_scoring_between_steps_does_not_touch_the_weights():
    """oneDNN reorders the weights of a convolution in place, which for views would overwrite their neighbours."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(32, 3, in_channels=16), nn.Conv2D(64, 3, in_channels=32), nn.Dense(10))
    net.initialize(mx.init.Xavier())
    images = mx.nd.random.uniform(shape=(64, 16, 12, 12))
    net(images)
    weights = Weights(net, mx.cpu())
    symbol = net(mx.sym.var("data"))
    operator, before = mx.nd.CachedOp(symbol), weights.values.asnumpy()
    outputs = []
    for _ in range(3):
        arrays = {**weights.copies(), "data": images}
        outputs.append(operator(*[arrays[name] for name in symbol.list_inputs()]).asnumpy())
    np.testing.assert_array_equal(weights.values.asnumpy(), before)
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_parameters_with_the_same_multipliers_share_a_segment(net):
    parameters = net.collect_params()
    for name in ("net_conv0_bias", "net_dense0_bias"):
        parameters[name].wd_mult = 0.0
    parameters["net_dense0_weight"].lr_mult = 2.0
    weights = Weights(net, mx.cpu())
    assert [(s.lr_mult, s.wd_mult) for s in weights.segments] == [(1.0, 0.0), (1.0, 1.0), (2.0, 1.0)]
    assert [s.begin for s in weights.segments] == [0, *[s.end for s in weights.segments[:-1]]]
    first = weights.segments[0]
    weights.values[first.begin : first.end] = 9
    assert all((weights.arrays[name].asnumpy() == 9).all() for name in ("net_conv0_bias", "net_dense0_bias"))
    assert not (weights.arrays["net_conv0_weight"].asnumpy() == 9).any()


def test_a_net_with_nothing_to_train_is_refused(net):
    net.collect_params().setattr("grad_req", "null")
    with pytest.raises(InputError, match="no parameters to train"):
        Weights(net, mx.cpu())


def test_a_sparse_gradient_is_refused():
    net = nn.Embedding(10, 4, sparse_grad=True)
    net.initialize()
    with pytest.raises(InputError, match=r"embedding.*sparse"):
        Weights(net, mx.cpu())
