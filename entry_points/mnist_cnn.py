"""A convolutional network for MNIST, or any data set in its format (Fashion-MNIST, for one).

    glaunch run mnist_cnn -p architecture=single_dropout -p epochs=5

`layers` describes a network of your own, one object a layer:

    layers:
      - {type: conv, channels: 16, kernel: 3, activation: relu}
      - {type: batch_norm}
      - {type: pool, size: 2}
      - {type: dense, units: 64, activation: relu}
      - {type: dropout, rate: 0.25}
"""

from gluon_job import augment, checkpoint, cluster, contract, datasets, export, layers
from gluon_job.classifier import model_fn, save, transform_batch_fn, transform_fn
from gluon_job.fit import HYPERPARAMETERS as FIT_HYPERPARAMETERS
from gluon_job.fit import fit
from gluon_job.hyperparameters import Hyperparameter, parse

__all__ = ["model_fn", "save", "train", "transform_batch_fn", "transform_fn"]

SINGLE = [
    {"type": "conv", "channels": 32, "kernel": 3, "activation": "relu"},
    {"type": "pool", "size": 2},
    {"type": "dense", "units": 128, "activation": "relu"},
]
ARCHITECTURES = {
    "lenet": [
        {"type": "conv", "channels": 20, "kernel": 5, "activation": "relu"},
        {"type": "pool", "size": 2},
        {"type": "conv", "channels": 50, "kernel": 5, "activation": "relu"},
        {"type": "pool", "size": 2},
        {"type": "dense", "units": 512, "activation": "relu"},
    ],
    "single": SINGLE,
    "single_dropout": [*SINGLE, {"type": "dropout", "rate": 0.25}],
}
HYPERPARAMETERS = {
    **FIT_HYPERPARAMETERS,
    **augment.HYPERPARAMETERS,
    **export.HYPERPARAMETERS,
    "architecture": Hyperparameter("lenet", "a network by name", choices=sorted(ARCHITECTURES)),
    "layers": Hyperparameter(None, "a network of your own instead: a list of layers", kind=[dict]),
    "optimizer": FIT_HYPERPARAMETERS["optimizer"]._replace(
        default=None, help="how the weights move; by default rmsprop for single_dropout, else sgd"
    ),
}
LEARNING_RATES = {"sgd": 0.01, "adam": 0.001, "rmsprop": 0.001}


def build(values):
    """The untrained network: float32 images (N, 1, height, width) from 0 to 1 in, logits (N, 10) out."""
    described = values["layers"] if values["layers"] is not None else ARCHITECTURES[values["architecture"]]
    return layers.build(described, datasets.CLASSES, prefix="cnn_")


def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    """Trains on the channel `training` and scores on its t10k files or the channel `validation`."""
    values = parse(hyperparameters, HYPERPARAMETERS)
    if values["optimizer"] is None:
        values["optimizer"] = "rmsprop" if values["architecture"] == "single_dropout" else "sgd"
    if values["learning_rate"] is None:
        values["learning_rate"] = LEARNING_RATES[values["optimizer"]]
    training, validation = datasets.load_images(channel_input_dirs)
    labels = datasets.load_labels(channel_input_dirs)
    net = build(values)
    layers.check(net, training.images.shape[1:])
    several = cluster.Cluster(hosts, kwargs.get("current_host", hosts[0]), num_gpus)
    sharded = datasets.is_sharded(kwargs.get("input_data_config", {}))
    devices, checkpoints = cluster.contexts(num_gpus), checkpoint.of_this_job()
    task = augment.task(training, values)
    fit(net, training, validation, values, devices, several, sharded, checkpoints, task)
    net.input_shape, net.labels = training.images.shape[1:], labels
    net.samples, net.require_onnx = training.images[: export.COMPARED], values["require_onnx"]
    return net


if __name__ == "__main__":
    contract.main(train, save)
