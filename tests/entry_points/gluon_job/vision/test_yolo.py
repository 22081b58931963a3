import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.vision import zoo
from gluon_job.vision.yolo import Yolo

pytest.importorskip("gluoncv")
SIZE, LABELS = 96, ["a", "b", "c"]
BOXES, CLASSES = np.float32([[10, 20, 50, 60], [60, 50, 90, 94], [4, 4, 12, 12]]), np.array([2, 0, 1])


def test_the_targets_are_those_of_gluoncv():
    from gluoncv.model_zoo.yolo.yolo_target import YOLOV3PrefetchTargetGenerator

    net = zoo.make_detector("yolo3_mobilenet0.25", LABELS, pretrained_base=False)
    head = Yolo(net, SIZE, 416, len(LABELS), most=4)
    net.initialize()
    pictures = mx.nd.zeros((1, 3, SIZE, SIZE))
    with mx.autograd.train_mode():
        _, anchors, offsets, maps, *_ = net(pictures)
    generator = YOLOV3PrefetchTargetGenerator(len(LABELS))
    theirs = generator(pictures, maps, anchors, offsets, mx.nd.array(BOXES[None]), mx.nd.array(CLASSES[None, :, None]))
    ours = head.targets(BOXES, CLASSES)
    assert ours["objects"].sum() == 3
    for name, expected in zip(("objects", "centres", "scales", "weights", "kinds"), theirs):
        np.testing.assert_allclose(ours[name], expected.asnumpy()[0], atol=1e-5, err_msg=name)
    assert ours["boxes"].tolist() == [*BOXES.tolist(), [-1] * 4]
