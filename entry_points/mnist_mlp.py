"""A multilayer perceptron for MNIST, or any data set in its format (Fashion-MNIST, for one).

    glaunch run mnist_mlp -p hidden='[128, 64]' -p epochs=10

With `augment` it sees every image a little differently in each epoch.
"""

from gluon_job import augment, checkpoint, cluster, contract, datasets, export
from gluon_job.classifier import model_fn, save, transform_batch_fn, transform_fn
from gluon_job.compat import mx
from gluon_job.fit import HYPERPARAMETERS as FIT_HYPERPARAMETERS
from gluon_job.fit import fit
from gluon_job.hyperparameters import Hyperparameter, parse

__all__ = ["model_fn", "save", "train", "transform_batch_fn", "transform_fn"]

HYPERPARAMETERS = {
    "hidden": Hyperparameter([128, 64], "units of each hidden layer", low=1),
    "activation": Hyperparameter("relu", "of the hidden layers", choices=["relu", "tanh", "sigmoid", "softrelu"]),
    "dropout": Hyperparameter(0.0, "share of a hidden layer's outputs dropped while training", low=0, high=0.95),
    **FIT_HYPERPARAMETERS,
    **augment.HYPERPARAMETERS,
    **export.HYPERPARAMETERS,
}
LEARNING_RATES = {"sgd": 0.1, "adam": 0.001, "rmsprop": 0.001}


def build(values):
    """The untrained network: float32 images (N, 1, height, width) from 0 to 1 in, logits (N, 10) out."""
    net = mx.gluon.nn.HybridSequential(prefix="mlp_")
    with net.name_scope():
        for units in values["hidden"]:
            net.add(mx.gluon.nn.Dense(units, activation=values["activation"]))
            if values["dropout"]:
                net.add(mx.gluon.nn.Dropout(values["dropout"]))
        net.add(mx.gluon.nn.Dense(datasets.CLASSES))
    return net


def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    """Trains on the channel `training` and scores on its t10k files or the channel `validation`."""
    values = parse(hyperparameters, HYPERPARAMETERS)
    if values["learning_rate"] is None:
        values["learning_rate"] = LEARNING_RATES[values["optimizer"]]
    training, validation = datasets.load_images(channel_input_dirs)
    labels = datasets.load_labels(channel_input_dirs)
    net = build(values)
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
