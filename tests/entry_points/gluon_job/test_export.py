import json
import sys

import numpy as np
import pytest

from gluon_job import artifact, export, inference
from gluon_job.compat import mx
from gluon_job.errors import InputError

LABELS = ["no", "yes", "perhaps"]
SHAPE = (1, 6, 6)


@pytest.fixture
def onnx():
    pytest.importorskip("onnxruntime")
    return pytest.importorskip("onnx")


def save(directory, *layers, shape=SHAPE):
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(*layers, mx.gluon.nn.Dense(3))
    net.initialize(mx.init.Xavier())
    artifact.save(net, str(directory), shape, LABELS)
    return str(directory)


@pytest.fixture
def model_dir(tmp_path):
    nn = mx.gluon.nn
    return save(tmp_path, nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), nn.Dropout(0.5))


def images(count):
    return np.random.RandomState(2).randint(256, size=(count, *SHAPE)).astype(np.uint8)


def test_the_export_answers_as_mxnet_for_any_number_of_rows(onnx, model_dir, tmp_path, capsys):
    export.after_training(model_dir, images(30), required=True)
    assert "ONNX: model.onnx: answers as MXNet on 30 training samples, largest difference" in capsys.readouterr().out
    mxnet, exported = inference.Classifier(model_dir), inference.Classifier(model_dir, runtime="onnx")
    assert (exported.labels, exported.shape, exported.scale) == (LABELS, SHAPE, 1 / 255)
    for count in (1, 7, 300):
        rows = np.random.RandomState(count).rand(count, *SHAPE).astype(np.float32)
        np.testing.assert_allclose(exported(rows), mxnet(rows), rtol=0, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model-0000.params", "model-metadata.json", "model-shapes.json", "model-symbol.json", "model.onnx",
    ]  # fmt: skip


def test_the_file_is_of_an_opset_its_nodes_have_the_form_of(onnx, model_dir, tmp_path):
    newest = onnx.defs.onnx_opset_version()
    export.export(model_dir, str(tmp_path / "model.onnx"))
    model = onnx.load(str(tmp_path / "model.onnx"))
    assert [entry.version for entry in model.opset_import] == [13]
    assert [value.name for value in model.graph.input] == ["data"]
    assert onnx.defs.onnx_opset_version() == newest > 13
    assert onnx.checker.DEFAULT_CONTEXT.opset_imports == {"": newest}


def test_without_samples_it_is_compared_on_random_ones(onnx, model_dir, tmp_path):
    parity = export.export(model_dir, str(tmp_path / "model.onnx"))
    assert (parity.samples, parity.real) == (100, False)
    assert 0 <= parity.difference < 1e-5
    assert "on 100 random samples" in str(parity)


def test_an_export_that_answers_otherwise_does_not_count(onnx, model_dir, tmp_path, monkeypatch, capsys):
    load = inference.onnx_predict

    def slightly_wrong(path):
        predict = load(path)
        return lambda samples: predict(samples) * np.float32(1.01)

    monkeypatch.setattr(inference, "onnx_predict", slightly_wrong)
    export.after_training(model_dir, images(5), required=False)
    assert "ONNX: not exported: the export answers otherwise than MXNet" in capsys.readouterr().out
    with pytest.raises(InputError, match="answers otherwise than MXNet"):
        export.after_training(model_dir, images(5), required=True)
    assert not [path for path in tmp_path.iterdir() if "onnx" in path.name]


def test_one_that_answers_nan_does_not_count(onnx, model_dir, tmp_path, monkeypatch):
    def broken(path):
        return lambda samples: np.full((len(samples), 3), np.nan, np.float32)

    monkeypatch.setattr(inference, "onnx_predict", broken)
    with pytest.raises(InputError, match="answers otherwise than MXNet: nan apart"):
        export.export(model_dir, str(tmp_path / "model.onnx"))


def test_a_layer_without_a_converter_is_named(onnx, tmp_path, capsys):
    model_dir = save(tmp_path, mx.gluon.nn.Conv2D(4, 3), mx.gluon.nn.GroupNorm(2))
    export.after_training(model_dir, None, required=False)
    assert "ONNX: not exported: MXNet cannot convert it: No conversion function" in capsys.readouterr().out
    assert not [path for path in tmp_path.iterdir() if "onnx" in path.name]


def test_without_onnx_a_job_says_so_and_goes_on(model_dir, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    export.after_training(model_dir, None, required=False)
    assert "ONNX: not exported: the package onnx is not installed here: pip install" in capsys.readouterr().out
    with pytest.raises(InputError, match="not installed here"):
        export.after_training(model_dir, None, required=True)


def test_without_onnx_runtime_nothing_is_claimed(onnx, model_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    export.after_training(model_dir, images(5), required=False)
    assert "its answers were not compared: onnxruntime is not installed here" in capsys.readouterr().out
    assert (tmp_path / "model.onnx").exists()
    with pytest.raises(InputError, match="onnxruntime is not installed here: pip install"):
        inference.Classifier(model_dir, runtime="onnx")


def test_a_model_of_two_inputs_is_refused(onnx, model_dir, tmp_path):
    (tmp_path / "model-shapes.json").write_text(json.dumps([{"name": "a", "shape": [1]}, {"name": "b", "shape": [1]}]))
    with pytest.raises(InputError, match="the model has 2 inputs"):
        export.export(model_dir, str(tmp_path / "model.onnx"))


def test_as_a_program_it_compares_on_the_training_data_it_finds(onnx, model_dir, tmp_path, capsys):
    import digits

    target = tmp_path / "exported.onnx"
    nn = mx.gluon.nn
    (tmp_path / "digits").mkdir()
    trained = save(tmp_path / "digits", nn.Dense(4), shape=(1, 28, 28))
    digits.write(tmp_path / "data")
    assert export.main(trained, str(target), str(tmp_path / "data")) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 60
    assert export.main(model_dir, str(target), str(tmp_path / "nowhere")) == 0
    assert json.loads(capsys.readouterr().out)["real"] is False
    assert export.main(str(tmp_path / "nowhere"), str(target)) == 1
    assert "has no model-shapes.json" in capsys.readouterr().err
