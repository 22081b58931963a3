"""Real artifacts examined as `glaunch report` has it done, in a process of its own."""

import json
import subprocess
import sys

import films
import numpy as np
import pytest

import matrix_factorization
import mnist_mlp
from gluon_job import artifact, distortion, examine, layer_table, recommend
from gluon_job.compat import mx
from gluon_job.inference import Classifier

ENTRY_POINTS = mnist_mlp.__file__.rpartition("/")[0]


@pytest.fixture(scope="module")
def digits_dir(tmp_path_factory):
    """Twenty pictures to train on and forty to score, of noise, with labels that a net cannot know."""
    directory = tmp_path_factory.mktemp("digits")
    random = np.random.RandomState(5)
    for part, count in (("train", 20), ("t10k", 40)):
        images = random.randint(0, 255, (count, 28, 28)).astype(np.uint8)
        header = (bytes([0, 0, 8, 3]) + np.array([count, 28, 28], ">u4").tobytes()) + images.tobytes()
        (directory / f"{part}-images-idx3-ubyte").write_bytes(header)
        labels = bytes([0, 0, 8, 1]) + np.array([count], ">u4").tobytes()
        (directory / f"{part}-labels-idx1-ubyte").write_bytes(labels + bytes(i % 10 for i in range(count)))
    return directory


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """An untrained mnist_mlp of one hidden layer of four units."""
    directory = tmp_path_factory.mktemp("model")
    mx.random.seed(4)
    net = mnist_mlp.build({"hidden": [4], "activation": "relu", "dropout": 0})
    net.initialize(mx.init.Xavier())
    artifact.save(net, str(directory), (1, 28, 28), [f"class {i}" for i in range(10)])
    return directory


def request(model_dir, data, script="mnist_mlp", **changes):
    given = {"model_dir": str(model_dir), "script": script, "hyperparameters": {}, "batches": 4, "epochs": 3}
    return {**given, "channel_input_dirs": data and {"training": str(data)}, **changes}


def ask(python, content, arrays):
    command = [python, "-m", "gluon_job.examine", str(arrays)]
    done = subprocess.run(
        command, cwd=ENTRY_POINTS, input=json.dumps(content), stdout=subprocess.PIPE, text=True, timeout=120, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_predictions_and_accuracies_are_those_of_the_served_model(model_dir, digits_dir, tmp_path):
    found = ask(sys.executable, request(model_dir, digits_dir), tmp_path / "arrays.npz")
    assert found["problems"] == []
    with np.load(tmp_path / "arrays.npz") as arrays:
        images = np.frombuffer((digits_dir / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
        images = images.reshape(40, 1, 28, 28)
        classifier = Classifier(str(model_dir))
        expected = classifier(images.astype(np.float32) / 255)
        np.testing.assert_allclose(arrays["probabilities"], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(arrays["rows"], range(40))
        np.testing.assert_array_equal(arrays["truth"], np.arange(40) % 10)
        wrong = expected.argmax(axis=1) != np.arange(40) % 10
        assert sorted(arrays["mistakes"].tolist()) == np.flatnonzero(wrong).tolist()
        certainty = expected.max(axis=1)[arrays["mistakes"]]
        assert (np.diff(certainty) <= 1e-6).all()
        np.testing.assert_array_equal(arrays["mistake_pictures"][..., 0], images[arrays["mistakes"], 0])
        assert (
            sorted(np.unique(arrays["truth"][arrays["samples"]], return_counts=True)[1].tolist()) == [2] * 6 + [3] * 4
        )
        order = np.random.RandomState(0).permutation(40)
    shifted = classifier(distortion.shifted(images[order], 3).astype(np.float32) / 255).argmax(axis=1)
    distorted = found["classifier"]["distorted"]
    assert dict(map(tuple, distorted["shift"]))[3] == pytest.approx((shifted == order % 10).mean())
    assert [amount for amount, _ in distorted["shift"]] == list(range(9))
    assert [amount for amount, _ in distorted["rotation"]] == list(range(0, 50, 5))


def test_a_job_is_examined_on_the_python_of_aws(aws_python, model_dir, digits_dir, tmp_path):
    found = ask(aws_python, request(model_dir, digits_dir), tmp_path / "arrays.npz")
    assert found["problems"] == []
    assert found["classifier"]["available"] == 40


def test_the_table_of_layers_has_shapes_and_parameters(model_dir):
    layers = layer_table.read(str(model_dir))
    assert [(one["operator"], one["shape"], one["parameters"]) for one in layers] == [
        ("FullyConnected", [4], 784 * 4 + 4),
        ("Activation", [4], 0),
        ("FullyConnected", [10], 4 * 10 + 10),
    ]


def test_running_statistics_are_counted_apart(tmp_path):
    net = mx.gluon.nn.HybridSequential(prefix="")
    net.add(mx.gluon.nn.Conv2D(6, 3), mx.gluon.nn.BatchNorm(), mx.gluon.nn.Dense(2))
    net.initialize()
    artifact.save(net, str(tmp_path), (1, 5, 5), ["a", "b"])
    convolution, normalization, *rest = layer_table.read(str(tmp_path))
    assert (convolution["shape"], convolution["parameters"]) == ([6, 3, 3], 6 * 9 + 6)
    assert (normalization["parameters"], normalization["statistics"]) == (12, 12)
    assert rest[-1]["parameters"] == 54 * 2 + 2


@pytest.mark.parametrize(
    ("script", "given", "first", "last"),
    [
        ("mnist_mlp", {}, 0.1, 0.1),
        ("mnist_mlp", {"optimizer": "adam"}, 0.001, 0.001),
        ("mnist_cnn", {}, 0.01, 0.01),
        ("mnist_cnn", {"architecture": "single_dropout"}, 0.001, 0.001),
        ("mnist_mlp", {"learning_rate": 0.5, "schedule": "step", "step_epochs": [2], "step_factor": 0.5}, 0.5, 0.25),
        ("mnist_mlp", {"learning_rate": 0.4, "warmup_epochs": 1}, 0.1, 0.4),
    ],
)
def test_the_learning_rate_is_that_of_the_jobs_schedule(tmp_path, script, given, first, last):
    content = examine.examine(
        {**request("", None), "model_dir": None, "script": script, "hyperparameters": given}, str(tmp_path / "a.npz")
    )
    rates = content["rates"]
    assert rates["epochs"] == [step / 4 for step in range(12)]
    assert [rates["rates"][0], rates["rates"][-1]] == pytest.approx([first, last])


def test_what_cannot_be_told_is_said_and_the_rest_is_there(model_dir, digits_dir, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for file in digits_dir.glob("train-*"):
        (data / file.name).write_bytes(file.read_bytes())
    found = examine.examine(request(model_dir, data), str(tmp_path / "a.npz"))
    assert found["problems"] == ["Nothing was predicted: the job had no validation data."]
    assert len(found["layers"]) == 3


def test_a_model_that_does_not_say_what_it_is_gets_a_table_of_layers_alone(model_dir, digits_dir, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in model_dir.iterdir():
        if file.name != "model-metadata.json":
            (bare / file.name).write_bytes(file.read_bytes())
    found = examine.examine(request(bare, digits_dir, script=None), str(tmp_path / "a.npz"))
    assert len(found["layers"]) == 3
    assert "does not say what its inputs and answers mean" in found["problems"][0]
    assert "classifier" not in found
    assert "rates" not in found


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    """A recommender of the generated films: its artifact, its data, and the values it was made with."""
    directory = tmp_path_factory.mktemp("films")
    data = films.write(directory / "data")
    given = {"split": "u1", "epochs": 3, "factors": 4, "batch_size": 32, "threads": 1}
    net = matrix_factorization.train({"training": str(data)}, given, ["algo-1"], 0, current_host="algo-1")
    (directory / "model").mkdir()
    matrix_factorization.save(net, str(directory / "model"))
    return directory / "model", data, given, net.data


def test_a_recommenders_error_is_that_of_its_answers(recommender, tmp_path):
    model_dir, data, given, data_set = recommender
    asked = request(model_dir, data, "matrix_factorization", hyperparameters=given)
    found = examine.examine(asked, str(tmp_path / "a.npz"))["recommender"]
    model = recommend.Recommender(str(model_dir))
    rows = [line.split("\t") for line in (data / "u1.test").read_text().splitlines()]
    errors = [model.score([(u, i)])[0]["rating"] - float(rating) for u, i, rating, _ in rows]
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    groups = found["activity"]
    assert sum(group["ratings"] for group in groups) == len(rows)
    assert sum(group["users"] for group in groups) == len({u for u, *_ in rows})
    mean = sum(group["value"] ** 2 * group["ratings"] for group in groups) / len(rows)
    assert np.sqrt(mean) == pytest.approx(found["rmse"])
    base = [line.split("\t") for line in (data / "u1.base").read_text().splitlines()]
    counted = {bar["name"]: (bar["training"], bar["validation"]) for bar in found["histogram"]}
    for name, counts in counted.items():
        assert counts == tuple(sum(float(row[2]) == float(name) for row in part) for part in (base, rows))
    best = found["neighbours"][0]
    assert best["ratings"] == max(np.bincount(data_set.training.items))
    assert best["similar"] == model.similar(data_set.items[data_set.titles.index(best["title"])], 5)["items"]
    for one in found["recommendations"]:
        assert not {item["title"] for item in one["liked"]} & {item["title"] for item in one["items"]}


def test_coloured_pictures_in_folders_are_examined_too(tmp_path):
    pytest.importorskip("PIL")
    from PIL import Image

    random = np.random.RandomState(1)
    for part, count in (("train", 2), ("val", 3)):
        for number, kind in enumerate(("dark", "light")):
            folder = tmp_path / "data" / part / kind
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = random.randint(0, 100, (8, 8, 3)).astype(np.uint8) + np.uint8(150 * number)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    net = mx.gluon.nn.HybridSequential(prefix="")
    net.add(mx.gluon.nn.Dense(2))
    net.initialize(mx.init.Zero())
    model_dir = tmp_path / "model"
    model_dir.mkdir()
    artifact.save(net, str(model_dir), (3, 8, 8), ["dark", "light"])
    asked = request(model_dir, tmp_path / "data", "image_classifier", hyperparameters={"image_size": 8})
    found = examine.examine(asked, str(tmp_path / "arrays.npz"))
    assert found["problems"] == []
    assert found["classifier"]["labels"] == ["dark", "light"]
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert arrays["truth"].tolist() == [0, 0, 0, 1, 1, 1]
        assert arrays["probabilities"].tolist() == [[0.5, 0.5]] * 6
        assert arrays["mistake_pictures"].shape == (3, 8, 8, 3)
        assert (arrays["mistake_pictures"] >= 150).all()
