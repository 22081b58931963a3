"""Augmented training, as jobs."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np

WORDS = ["mnist_mlp", "-p", 'augment=["shift","rotate","elastic"]', "-p", "hidden=[16]", "-p", "threads=1"]


def parameters(run: dict) -> np.ndarray:
    """The parameters of a run's model, in the order of their file."""
    from onnx import load, numpy_helper

    with tarfile.open(run["model"]) as archive:
        model = load(io.BytesIO(archive.extractfile("model.onnx").read()))
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays) if arrays[name].dtype == np.float32])


def test_two_hosts_and_a_resumed_run_learn_the_images_that_one_host_does(glaunch):
    def run(*words):
        return json.loads(glaunch("run", *words, "--json").stdout)

    one = run(*WORDS, "-p", "epochs=2")
    two = run(*WORDS, "-p", "epochs=2", "--hosts", 2)
    np.testing.assert_allclose(parameters(two), parameters(one), atol=1e-5)
    half = run(*WORDS, "-p", "epochs=1", "--checkpoint-every", 1)
    resumed = run("--resume", half["name"], "-p", "epochs=2")
    assert parameters(resumed).tobytes() == parameters(one).tobytes()

    refused = glaunch("run", "--resume", half["name"], "-p", "epochs=2", "-p", 'augment=["shift"]', status=1)
    assert "augment" in refused.stdout + refused.stderr
