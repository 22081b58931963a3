import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.step import Graphs, Prediction, TrainingStep, judged
from gluon_job.weights import Weights

nn = mx.gluon.nn


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(1).randint(256, size=(9, 1, 12, 12)).astype(np.uint8)


LABELS = np.arange(9) % 4


def make_net(*layers):
    mx.random.seed(1)
    net = nn.HybridSequential()
    net.add(*(layers or (nn.Conv2D(20, 3, activation="relu"), nn.MaxPool2D())), nn.Dense(4))
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((2, 1, 12, 12)))
    return net


def on_device(images, labels):
    return mx.nd.array(images, dtype=np.uint8), mx.nd.array(labels, dtype=np.float32), len(labels)


def test_a_step_gives_probabilities_and_the_gradients_of_the_summed_cross_entropy(images):
    net = make_net()
    weights = Weights(net, mx.cpu())
    step = TrainingStep(Graphs(net).training, weights.arrays)
    # The middle one has another size, and with it a plan of its own.
    for part in (slice(0, 4), slice(4, 5), slice(5, 9)):
        probabilities = step.backward(*on_device(images[part], LABELS[part]))
        with mx.autograd.record():
            logits = net(mx.nd.array(images[part].astype(np.float32) / 255))
            mx.gluon.loss.SoftmaxCrossEntropyLoss()(logits, mx.nd.array(LABELS[part])).sum().backward()
        np.testing.assert_allclose(probabilities.asnumpy(), mx.nd.softmax(logits).asnumpy(), atol=1e-6)
        for name, parameter in net.collect_params().items():
            np.testing.assert_allclose(
                weights.arrays[name].grad.asnumpy(), parameter.grad().asnumpy(), rtol=1e-4, atol=1e-5
            )


def test_a_sample_without_a_label_counts_nothing(images):
    net = make_net()
    weights = Weights(net, mx.cpu())
    step = TrainingStep(Graphs(net).training, weights.arrays)
    step.backward(*on_device(images[:3], LABELS[:3]))
    expected = weights.gradients.asnumpy()
    step.backward(*on_device(images[[0, 1, 2, 5]], [*LABELS[:3], -1]))
    np.testing.assert_allclose(weights.gradients.asnumpy(), expected, rtol=1e-5, atol=1e-6)
    step.backward(*on_device(images[:1], [-1]))
    assert not weights.gradients.asnumpy().any()


def test_a_prediction_is_what_the_net_says(images):
    net = make_net()
    found = Prediction(Graphs(net).prediction)(Weights(net, mx.cpu()).copies(), mx.nd.array(images, dtype=np.uint8))
    expected = net(mx.nd.array(images.astype(np.float32) / 255))
    np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-5, atol=1e-6)


def test_logits_are_judged_by_their_labels_however_large_they_are():
    correct, loss = judged(np.float32([[2, 1, 0], [0, 0, 1], [-1000, 1000, 0]]), np.array([0, 1, 1]))
    assert correct == 2
    assert loss == pytest.approx(np.log(1 + np.exp(-1) + np.exp(-2)) + np.log(2 + np.e))


def test_a_prediction_drops_nothing_and_keeps_the_running_statistics(images):
    net = make_net(nn.BatchNorm(), nn.Dropout(0.9), nn.Flatten())
    predict, weights = Prediction(Graphs(net).prediction), Weights(net, mx.cpu())
    before = {name: array.asnumpy() for name, array in weights.arrays.items()}
    batch = mx.nd.array(images, dtype=np.uint8)
    first, second = (predict(weights.arrays, batch).asnumpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(array.asnumpy(), before[name])


def test_a_step_moves_the_running_statistics(images):
    net = make_net(nn.BatchNorm(prefix="norm_"))
    weights = Weights(net, mx.cpu())
    TrainingStep(Graphs(net).training, weights.arrays).backward(*on_device(images, LABELS))
    assert weights.arrays["norm_running_mean"].asnumpy().any()


def test_nets_that_learn_from_a_batch_as_a_whole_are_known():
    assert Graphs(make_net(nn.BatchNorm())).has_statistics
    assert not Graphs(make_net()).has_statistics
