"""SSD or YOLO3 of GluonCV, on pictures of your own in which objects are marked by boxes.

    glaunch run object_detector --data detection-digits -p network=ssd_300_mobilenet0.25 -p image_size=128 -p flip=false

The data is in the format of Pascal VOC (Annotations/, JPEGImages/) or of COCO (annotations/*.json). With
`pretrained=true` GluonCV downloads what the base of the network has learned from ImageNet; offline give the name of a
file of parameters in the channel `pretrained`.
"""

from gluon_job import artifact, checkpoint, cluster, contract, datasets, detector
from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter, parse
from gluon_job.vision import detection, loop, scenes, zoo
from gluon_job.vision.ssd import Ssd
from gluon_job.vision.yolo import Yolo

_STEP = 32  # pixels: what the coarsest feature map of YOLO3, and the second of SSD, has for one

HYPERPARAMETERS = {
    **loop.HYPERPARAMETERS,
    **detection.HYPERPARAMETERS,
    "network": Hyperparameter("ssd_512_mobilenet1.0", "an SSD or YOLO3 of gluoncv.model_zoo, without `_voc`"),
    "pretrained": Hyperparameter(
        False, "true: begin with GluonCV's base, downloaded; or with the parameters of a file", kind=(bool, str)
    ),
    "box_scale": Hyperparameter(
        1.0,
        "how much larger than GluonCV's the boxes are that the net starts from; more for large objects",
        above=0,
        high=100,
    ),
    "image_size": Hyperparameter(
        None, "height and width in the net, a multiple of 32; by default the network's", kind=int, low=64, high=2048
    ),
}


def prepare(values, channel_input_dirs, downloads=True):
    """The data, the network of GluonCV for their classes, its head, and the pixels of a side that it takes.

    Args:
        values: of HYPERPARAMETERS.
        channel_input_dirs: by name.
        downloads: whether `pretrained=true` is heeded.
    """
    name, pretrained = values["network"], values["pretrained"]
    zoo.check(name, zoo.detectors())
    usual = zoo.detector_size(name)
    size = values["image_size"] or usual
    if values["image_size"] and size % _STEP:
        raise InputError(f"image_size is {size}: a multiple of {_STEP} is needed")
    data = scenes.load(channel_input_dirs, values["validation_split"], values["seed"])
    net = zoo.make_detector(name, data.labels, downloads and pretrained is True)
    if isinstance(pretrained, str):
        path = zoo.pretrained_file(pretrained, channel_input_dirs)
        print(f"Pretrained: {zoo.load_file(net, path)} of {len(net.collect_params().keys())} parameters", flush=True)
    if values["freeze"]:
        zoo.freeze(net, zoo.output_layer(lambda count: zoo.make_detector(name, range(count), False), len(data.labels)))
    base = usual / values["box_scale"]
    if name.startswith("ssd"):
        return data, net, Ssd(net, size, base), size
    most = max(len(scene.boxes) for scene in data.training)
    return data, net, Yolo(net, size, base, len(data.labels), most), size


def outline(values, channel_input_dirs):
    """What would be trained, for a plan: the untrained net, the number of samples and the shape of one."""
    data, made, _, size = prepare(values, channel_input_dirs, downloads=False)
    return detection.Detections(made), len(data.training), (3, size, size)


def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
    """Trains on the channel `training`; scores on its validation part, or on the channel `validation`."""
    values = parse(hyperparameters, HYPERPARAMETERS)
    if datasets.is_sharded(kwargs.get("input_data_config", {})):
        raise InputError(
            "the channel 'training' is sharded, which would part annotations from their pictures: "
            "give each host all files (FullyReplicated)"
        )
    data, made, head, size = prepare(values, channel_input_dirs)
    several = cluster.Cluster(hosts, kwargs.get("current_host", hosts[0]), num_gpus)
    devices, checkpoints = cluster.contexts(num_gpus), checkpoint.of_this_job()
    net = detection.Detections(made)

    def task(net):
        return detection.task(net, head, data, values, size, several)

    loop.fit(net, task, values, devices, several, checkpoints=checkpoints)
    net.input_shape, net.labels = (3, size, size), data.labels
    return net


def save(net, model_dir):
    """Writes the artifact: symbol, parameters, shapes, and what a client must know.

    There is no ONNX: MXNet's converter makes of `box_nms` one that drops boxes of other classes too.
    """
    artifact.save(net, model_dir, net.input_shape, net.labels, output=detector.OUTPUT)


def model_fn(model_dir):
    """The trained detector, for an endpoint."""
    return detector.Detector(model_dir)


def transform_fn(net, data, input_content_type, output_content_type):
    """Answers one request: a picture in, objects with their boxes out."""
    return detector.transform(net, data, input_content_type, output_content_type)


if __name__ == "__main__":
    contract.main(train, save)
