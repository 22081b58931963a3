"""Any classification network of GluonCV, on pictures of your own: from nothing, or from what it has learned before.

    glaunch run image_classifier --data PICTURES -p network=cifar_resnet20_v1 -p epochs=20

PICTURES has a folder of PNG or JPEG files for each class; RecordIO and CIFAR-10's binary files are read too. With
`pretrained=true` GluonCV downloads what the network has learned from ImageNet; offline give the name of a file of
parameters in the channel `pretrained`.
"""

from gluon_job import checkpoint, cluster, contract, datasets, export
from gluon_job.classifier import model_fn, save, transform_batch_fn, transform_fn
from gluon_job.hyperparameters import Hyperparameter, parse
from gluon_job.vision import classification, loop, pictures, zoo
from gluon_job.vision.learner import Normalized

__all__ = ["model_fn", "save", "train", "transform_batch_fn", "transform_fn"]

HYPERPARAMETERS = {
    **loop.HYPERPARAMETERS,
    **classification.HYPERPARAMETERS,
    **export.HYPERPARAMETERS,
    "network": Hyperparameter("resnet18_v1", "a classification network of gluoncv.model_zoo"),
    "pretrained": Hyperparameter(
        False, "true: begin with GluonCV's parameters, downloaded; or with those of a file", kind=(bool, str)
    ),
    "image_size": Hyperparameter(
        None, "height and width of a picture in the net; by default the network's usual", kind=int, low=8, high=2048
    ),
}


def build(values, classes, channel_input_dirs):
    """The network: float32 pictures (N, 3, height, width) from 0 to 1 in, logits (N, classes) out."""
    name, pretrained = values["network"], values["pretrained"]
    net = zoo.make(name, classes=classes)
    if pretrained is True:
        trained = zoo.parameters(zoo.make(name, pretrained=True))
        source = {key: parameter.data() for key, parameter in trained.items()}
        count = zoo.copy_where_it_fits(net, source, "GluonCV's file")
    elif pretrained is not False:
        count = zoo.load_file(net, zoo.pretrained_file(pretrained, channel_input_dirs))
    if pretrained is not False:
        print(f"Pretrained: {count} of {len(net.collect_params().keys())} parameters", flush=True)
    if values["freeze"]:
        zoo.freeze(net, zoo.output_layer(lambda number: zoo.make(name, classes=number), classes))
    return Normalized(net)


def outline(values, channel_input_dirs):
    """What would be trained, for a plan: the untrained net, the number of samples and the shape of one."""
    zoo.check(values["network"], zoo.classifiers())
    size = classification.default_size(values["network"], values["image_size"])
    training = pictures.load(channel_input_dirs, values["validation_split"], values["seed"]).training
    downloads = values["pretrained"] is True
    net = build({**values, "pretrained": False} if downloads else values, len(training.classes), channel_input_dirs)
    return net, len(training), (3, size, size)


def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    """Trains on the channel `training`; scores on its validation part, or on the channel `validation`."""
    values = parse(hyperparameters, HYPERPARAMETERS)
    zoo.check(values["network"], zoo.classifiers())
    size = classification.default_size(values["network"], values["image_size"])
    several = cluster.Cluster(hosts, kwargs.get("current_host", hosts[0]), num_gpus)
    sharded = datasets.is_sharded(kwargs.get("input_data_config", {}))
    split = pictures.load(channel_input_dirs, values["validation_split"], values["seed"], several if sharded else None)
    net = build(values, len(split.training.classes), channel_input_dirs)
    devices, checkpoints = cluster.contexts(num_gpus), checkpoint.of_this_job()

    def task(net):
        return classification.task(net, split, values, size, several)

    loop.fit(net, task, values, devices, several, sharded, checkpoints)
    net.input_shape, net.labels = (3, size, size), split.training.classes
    net.samples = classification.samples(split.training, range(min(export.COMPARED, len(split.training))), size)
    net.require_onnx = values["require_onnx"]
    return net


if __name__ == "__main__":
    contract.main(train, save)
