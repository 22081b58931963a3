import numpy as np
import pytest

from gluon_job import artifact
from gluon_job.compat import mx
from gluon_job.predictor import Predictor


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A net and its artifact, with running statistics, and a dropout that must not drop."""
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Conv2D(4, 3, activation="relu"), mx.gluon.nn.BatchNorm(), mx.gluon.nn.MaxPool2D())
        net.add(mx.gluon.nn.Dropout(0.5), mx.gluon.nn.Dense(3))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    with mx.autograd.record():
        net(mx.nd.random.normal(shape=(8, 1, 6, 6)))  # moves the running statistics
    model_dir = tmp_path_factory.mktemp("model")
    artifact.save(net, str(model_dir), (1, 6, 6), ["a", "b", "c"])
    return net, str(model_dir)


def test_batches_of_any_size_get_the_nets_answers_whatever_came_before(saved):
    net, model_dir = saved
    predict = Predictor(model_dir)
    generator = np.random.default_rng(0)
    for size in (1, 300, 2, 17, 1, 128, 15, 100, 47, 2):
        samples = generator.random((size, 1, 6, 6)).astype(np.float32)
        np.testing.assert_allclose(predict(samples), net(mx.nd.array(samples)).asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_row_gets_the_same_answer_alone_and_among_others(saved):
    predict = Predictor(saved[1])
    samples = np.random.default_rng(1).random((61, 1, 6, 6)).astype(np.float32)
    alone = np.concatenate([predict(samples[i : i + 1]) for i in range(len(samples))])
    np.testing.assert_allclose(predict(samples), alone, rtol=0, atol=5e-7)


def test_an_answer_stays_when_the_next_is_made(saved):
    predict = Predictor(saved[1])
    first = predict(np.zeros((2, 1, 6, 6), np.float32))
    kept = first.copy()
    predict(np.ones((2, 1, 6, 6), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_samples_of_another_layout_in_memory_are_read_as_they_are(saved):
    predict = Predictor(saved[1])
    samples = np.random.default_rng(2).random((4, 1, 6, 6)).astype(np.float32)
    turned = np.asfortranarray(samples)
    np.testing.assert_array_equal(predict(turned), predict(samples))
