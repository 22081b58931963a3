import json

import numpy as np
import pytest

from gluon_job import artifact
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.predictor import Predictor

LABELS = ["no", "yes", "perhaps"]


def make(hybridize=True):
    """A net with what an artifact must keep: weights, running statistics, and a dropout that must not drop."""
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Conv2D(4, 3, activation="relu"), mx.gluon.nn.BatchNorm(), mx.gluon.nn.MaxPool2D())
        net.add(mx.gluon.nn.Dropout(0.5), mx.gluon.nn.Dense(3))
    net.initialize(mx.init.Xavier())
    if hybridize:
        net.hybridize()
    with mx.autograd.record():
        net(mx.nd.random.normal(3, 2, shape=(8, 1, 6, 6))).backward()
    return net


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    net, model_dir = make(), tmp_path_factory.mktemp("model")
    artifact.save(net, str(model_dir), (1, 6, 6), LABELS, scale=0.5)
    return net, model_dir


def test_an_artifact_is_four_files(saved):
    assert sorted(path.name for path in saved[1].iterdir()) == [
        "model-0000.params",
        "model-metadata.json",
        "model-shapes.json",
        "model-symbol.json",
    ]


def test_the_shapes_are_the_input_signature_of_awss_container(saved):
    assert json.loads((saved[1] / "model-shapes.json").read_text()) == [{"name": "data", "shape": [1, 1, 6, 6]}]


def test_the_metadata_says_how_to_make_an_input_and_read_an_answer(saved):
    assert json.loads((saved[1] / "model-metadata.json").read_text()) == {
        "input": {"shape": [1, 6, 6], "dtype": "float32", "scale": 0.5},
        "output": "logits",
        "labels": LABELS,
    }


def test_parameters_and_running_statistics_are_kept(saved):
    net, model_dir = saved
    stored = mx.nd.load(str(model_dir / "model-0000.params"))
    assert sorted(stored) == sorted(("aux:" if "running" in name else "arg:") + name for name in net.collect_params())
    for name, parameter in net.collect_params().items():
        value = stored[("aux:" if "running" in name else "arg:") + name]
        assert (value.asnumpy() == parameter.data().asnumpy()).all(), name


def test_a_loaded_net_answers_as_the_saved_one(saved):
    net, model_dir = saved
    loaded, metadata = artifact.load_net(str(model_dir)), artifact.metadata(str(model_dir))
    assert isinstance(loaded, mx.gluon.SymbolBlock)
    assert metadata["labels"] == LABELS
    for size in (1, 5, 2):
        batch = mx.nd.random.normal(shape=(size, 1, 6, 6))
        np.testing.assert_allclose(loaded(batch).asnumpy(), net(batch).asnumpy(), rtol=1e-5, atol=1e-6)


def test_the_artifact_is_what_awss_default_model_fn_loads(saved):
    model_dir = saved[1]
    signature = json.loads((model_dir / "model-shapes.json").read_text())
    symbol, args, aux = mx.model.load_checkpoint(str(model_dir / "model"), 0)
    module = mx.mod.Module(symbol, data_names=[item["name"] for item in signature], label_names=None)
    module.bind([(item["name"], item["shape"]) for item in signature], for_training=False)
    module.set_params(args, aux, allow_missing=False)
    assert module.predict(mx.nd.ones((1, 1, 6, 6))).shape == (1, 3)


def test_a_net_that_was_not_hybridized_is_saved_too(tmp_path):
    net = make(hybridize=False)
    artifact.save(net, str(tmp_path), (1, 6, 6), LABELS)
    batch = mx.nd.random.normal(shape=(2, 1, 6, 6))
    np.testing.assert_allclose(artifact.load_net(str(tmp_path))(batch).asnumpy(), net(batch).asnumpy(), rtol=1e-5)


@pytest.mark.parametrize("name", ["model-symbol.json", "model-0000.params", "model-metadata.json"])
def test_a_missing_file_is_named(saved, tmp_path, name):
    for path in saved[1].iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=f"has no {name}: it is not a model that this script saved"):
        Predictor(str(tmp_path)), artifact.metadata(str(tmp_path))


@pytest.mark.filterwarnings("ignore:Cannot decide type")
def test_without_a_save_a_hybridized_net_is_exported(tmp_path):
    net = make()
    artifact.save_any(net, str(tmp_path))
    loaded = mx.gluon.SymbolBlock.imports(
        str(tmp_path / "model-symbol.json"), ["data"], str(tmp_path / "model-0000.params")
    )
    batch = mx.nd.random.normal(shape=(2, 1, 6, 6))
    np.testing.assert_allclose(loaded(batch).asnumpy(), net(batch).asnumpy(), rtol=1e-5, atol=1e-6)


def test_without_a_save_a_module_is_saved_with_the_shapes_of_its_inputs(tmp_path):
    module = mx.mod.Module(mx.sym.FullyConnected(mx.sym.var("pixels"), num_hidden=2), ["pixels"], None)
    module.bind([("pixels", (4, 3))], for_training=False)
    module.init_params(mx.init.One())
    artifact.save_any(module, str(tmp_path))
    assert json.loads((tmp_path / "model-shapes.json").read_text()) == [{"name": "pixels", "shape": [4, 3]}]
    _, args, _ = mx.model.load_checkpoint(str(tmp_path / "model"), 0)
    assert {name: value.shape for name, value in args.items()} == {
        "fullyconnected0_weight": (2, 3),
        "fullyconnected0_bias": (2,),
    }


@pytest.mark.parametrize(("net", "name"), [
    (None, "NoneType"),
    ({"weights": [1]}, "dict"),
    (mx.gluon.nn.Sequential(), "Sequential"),
    (mx.gluon.nn.Dense(3), "Dense"),  # never hybridized, never run
])  # fmt: skip
def test_without_a_save_what_cannot_be_saved_asks_for_one(tmp_path, net, name):
    with pytest.raises(InputError, match=rf"train\(\) returned {name}, which .* define save\(net, model_dir\)"):
        artifact.save_any(net, str(tmp_path))
    assert not list(tmp_path.iterdir())
