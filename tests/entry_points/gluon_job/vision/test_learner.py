"""Training steps of pictures: what is frozen stays, and what is in a batch does not matter to it."""

import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.vision.learner import Operator, with_frozen_statistics


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_batch_normalization_uses_the_statistics_it_has(frozen):
    net = mx.gluon.nn.BatchNorm(in_channels=2)
    net.initialize()
    net.running_mean.set_data(mx.nd.array([3, 5]))
    if frozen:
        net.collect_params().setattr("grad_req", "null")
    with mx.autograd.train_mode():
        symbol = with_frozen_statistics(net(mx.sym.var("images")), net)
    batch = np.random.RandomState(0).normal(size=(6, 2, 4, 4)).astype(np.float32)
    arrays = {name: parameter.data() for name, parameter in net.collect_params().items()}
    with mx.autograd.record():
        [found] = Operator(symbol, arrays)({"images": batch}, mx.cpu())
    if frozen:
        np.testing.assert_allclose(found.asnumpy(), batch - np.reshape([3, 5], (1, 2, 1, 1)), rtol=1e-4, atol=1e-4)
    else:
        assert abs(found.asnumpy().mean()) < 1e-5
