import sys

import pytest

from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.vision import zoo


@pytest.fixture
def gluoncv():
    return pytest.importorskip("gluoncv")


@pytest.mark.parametrize("name", ["cifar_resnet20_v1", "resnet18_v1b", "mobilenet0.25", "squeezenet1.1", "alexnet"])
def test_a_classifier_gives_one_row_of_logits_a_picture(gluoncv, name):
    assert name in zoo.classifiers()
    assert classes_of(zoo.make(name, classes=7), 32 if "cifar" in name else 224) == [(2, 7)]


def test_what_is_no_classifier_is_not_among_them(gluoncv):
    names = zoo.classifiers()
    assert {"resnet18_v1", "resnet50_v1b", "mobilenetv2_1.0", "vgg16", "resnest50", "densenet121"} < set(names)
    assert not [name for name in names if name.startswith(("ssd", "yolo", "fcn", "faster", "mask", "i3d", "slowfast"))]


def classes_of(net, size):
    outputs = net(mx.sym.var("data"))
    symbol = outputs if isinstance(outputs, mx.sym.Symbol) else mx.sym.Group(outputs)
    return symbol.infer_shape(data=(2, 3, size, size))[1]


def test_the_detectors_are_ssd_and_yolo(gluoncv):
    names = zoo.detectors()
    assert {"ssd_512_mobilenet1.0", "ssd_300_mobilenet0.25", "yolo3_darknet53", "yolo3_mobilenet0.25"} <= set(names)
    assert [zoo.detector_size(name) for name in ("ssd_300_mobilenet0.25", "yolo3_darknet53")] == [300, 416]


def test_an_unknown_network_is_refused_with_near_names(gluoncv):
    said = (
        r"no network 'resnet19_v1' \(did you mean 'resnet1\d_v1'\?\): of \d+ in GluonCV the nearest are (\w+, ){4}\w+"
    )
    with pytest.raises(InputError, match=said):
        zoo.check("resnet19_v1", zoo.classifiers())
    with pytest.raises(InputError, match=r"no network '': of 9 in GluonCV the nearest are ssd_300_mobilenet0\.25, "):
        zoo.check("", zoo.detectors())


def test_the_names_of_parameters_are_the_same_however_many_networks_were_made(gluoncv):
    one, other = (sorted(zoo.make("cifar_resnet20_v1", classes=3).collect_params()) for _ in range(2))
    assert one == other


def test_the_output_layer_is_what_depends_on_the_classes(gluoncv):
    def make(classes):
        return zoo.make("cifar_resnet20_v1", classes=classes)

    assert zoo.output_layer(make, 3) == ["output.weight", "output.bias"]


@pytest.mark.parametrize("form", ["places", "names", "artifact"])
def test_parameters_come_back_from_a_file_of_each_form(gluoncv, tmp_path, form):
    source, target = (zoo.make("cifar_resnet20_v1", classes=classes) for classes in (3, 4))
    source.initialize(mx.init.Xavier())
    source.hybridize()
    source(mx.nd.zeros((1, 3, 32, 32)))
    path = str(tmp_path / "a-0000.params")
    if form == "places":
        source.save_parameters(path)
    elif form == "names":
        mx.nd.save(path, {parameter.name: parameter.data() for parameter in source.collect_params().values()})
    else:
        source.export(str(tmp_path / "a"))
    count = zoo.load_file(target, path)
    assert count == len(source.collect_params().keys()) - 2  # but those of the output layer
    mine, theirs = (dict(net._collect_params_with_prefix()) for net in (target, source))
    for name in ("features.0.weight", "features.1.running_mean"):
        assert (mine[name].data() == theirs[name].data()).min().asscalar() == 1


@pytest.mark.parametrize(("content", "message"), [
    (b"no parameters", "is not a file of MXNet's parameters, or damaged"),
    (None, "has no parameter of this network: it is of another one"),
])  # fmt: skip
def test_a_file_of_something_else_is_refused(gluoncv, tmp_path, content, message):
    path = tmp_path / "a.params"
    if content is None:
        mx.nd.save(str(path), {"arg:some_weight": mx.nd.zeros((2, 2))})
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        zoo.load_file(zoo.make("cifar_resnet20_v1", classes=3), str(path))


def test_of_a_frozen_network_the_output_alone_has_gradients(gluoncv):
    net = zoo.make("cifar_resnet20_v1", classes=3)
    zoo.freeze(net, ["output.weight", "output.bias"])
    assert [p.name.partition("_")[2] for p in net.collect_params().values() if p.grad_req != "null"] == [
        "dense0_weight",
        "dense0_bias",
    ]


def test_without_gluoncv_it_is_said_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name == "gluoncv" or name.startswith("gluoncv.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gluoncv", None)
    with pytest.raises(InputError, match=r"this script needs GluonCV .*: pip install 'gluon-launcher\[vision\]'"):
        zoo.classifiers()
