import json
import subprocess
import sys

import pytest

from gluon_job import describe
from gluon_job.errors import InputError


def test_a_convolutional_net_is_counted_by_hand():
    import mnist_cnn

    net = mnist_cnn.build({"layers": None, "architecture": "lenet"})
    first, second = 24 * 24 * 20 * 25, 8 * 8 * 50 * 20 * 25  # places, channels, weights of a filter
    assert describe.net_size(net, (1, 28, 28)) == {
        "parameters": 520 + 25_050 + 410_112 + 5_130,
        "dense": 800 * 512 + 512 * 10,
        "convolution": first + second,
    }


def test_what_no_gradient_moves_is_not_counted():
    import mnist_cnn

    net = mnist_cnn.build({"layers": [{"type": "batch_norm"}]})
    assert describe.net_size(net, (1, 2, 3))["parameters"] == 2 + 6 * 10 + 10  # scale and shift


def test_a_net_that_does_not_take_the_images_is_an_input_error():
    import mnist_cnn

    net = mnist_cnn.build({"layers": [{"type": "conv", "kernel": 9}]})
    with pytest.raises(InputError, match=r"does not take images of the shape \[1, 4, 4\]"):
        describe.net_size(net, (1, 4, 4))


def test_a_wrong_value_ends_it_with_a_message_and_a_status_of_its_own(entry_points):
    request = {"script": "mnist_mlp", "hyperparameters": {"epochs": 0}, "channel_input_dirs": {}}
    done = subprocess.run(
        [sys.executable, "-m", "gluon_job.describe"],
        cwd=entry_points,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("hyperparameter epochs must be at least 1, not 0\n")
