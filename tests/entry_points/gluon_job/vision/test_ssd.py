import numpy as np
import pytest

from gluon_job.compat import mx
from gluon_job.vision import zoo
from gluon_job.vision.ssd import Ssd

pytest.importorskip("gluoncv")
SIZE, LABELS = 128, ["a", "b", "c"]
BOXES, CLASSES = np.float32([[10, 20, 50, 60], [70, 60, 120, 122]]), np.array([2, 0])


@pytest.fixture(scope="module")
def net():
    return zoo.make_detector("ssd_300_mobilenet0.25", LABELS, pretrained_base=False)


@pytest.fixture(scope="module")
def head(net):
    made = Ssd(net, SIZE, 300)
    mx.random.seed(0)
    net.initialize(mx.init.Xavier())
    return made


def test_what_is_learned_of_a_picture_is_found_in_it(net, head):
    """The net's own decoder gives the boxes back that the targets were made of."""
    targets = head.targets(BOXES, CLASSES)
    with mx.autograd.train_mode():
        _, _, anchors = net(mx.nd.zeros((1, 3, SIZE, SIZE)))
    found = net.bbox_decoder(mx.nd.array(targets["values"][None]), anchors).asnumpy()[0]
    for box, kind in zip(BOXES, CLASSES):
        own = found[targets["kinds"] == kind + 1]
        assert len(own) >= 1
        assert own == pytest.approx(np.tile(box, (len(own), 1)), abs=1e-3)
    assert set(targets["kinds"]) == {0, 1, 3}


def test_default_boxes_are_spread_over_the_whole_picture(net, head):
    with mx.autograd.train_mode():
        anchors = net(mx.nd.zeros((1, 3, SIZE, SIZE)))[2].asnumpy()[0]
    first = anchors[: 8 * 8 * 4]
    assert (first[:, :2].min(), first[:, :2].max()) == (8, SIZE - 8)
    assert first[0, 2:] == pytest.approx(21 * SIZE / 300, rel=1e-5)


def test_a_picture_without_objects_teaches_that_there_are_none(head):
    targets = head.targets(np.zeros((0, 4), np.float32), np.zeros(0, int))
    assert not targets["kinds"].any()


def test_the_loss_is_that_of_the_paper_and_of_gluoncv(net, head):
    from gluoncv.loss import SSDMultiBoxLoss

    targets = head.targets(BOXES, CLASSES)
    count = len(targets["kinds"])
    random = np.random.RandomState(0)
    kinds = mx.nd.array(random.normal(size=(1, count, 4)))
    values = mx.nd.array(random.normal(size=(1, count, 4)))
    inputs = {"kinds": mx.nd.array(targets["kinds"][None]), "values": mx.nd.array(targets["values"][None])}
    loss = head.loss(mx.sym.Group([mx.sym.var("found_kinds"), mx.sym.var("found_values")]))
    [ours] = loss.eval(ctx=mx.cpu(), found_kinds=kinds, found_values=values, **inputs)
    theirs, _, _ = SSDMultiBoxLoss()(kinds, values, inputs["kinds"], inputs["values"])
    assert ours.asscalar() == pytest.approx(theirs[0].asscalar(), rel=1e-4)
