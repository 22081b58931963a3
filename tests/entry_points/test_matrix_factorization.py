import json
import os
import re

import films
import numpy as np
import pytest

import matrix_factorization
from gluon_job import artifact, export, inference, rating_files, ratings
from gluon_job.errors import InputError

SMALL = {"threads": 1, "factors": 4, "epochs": 2, "batch_size": 50, "log_interval": 0}
TRAINED = {"threads": 1, "factors": 4, "epochs": 30, "batch_size": 40, "split": "u1", "log_interval": 2}
METRIC = re.compile(r"^\[Epoch (\d+)\] (Training|Validation): (\w+)=(\d+\.\d{6})$", re.MULTILINE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return films.write(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def job(run_job, data, tmp_path_factory):
    """A job run as SageMaker runs it."""
    job = run_job(tmp_path_factory.mktemp("job"), matrix_factorization.__file__, TRAINED, {"training": data})
    assert job.status == 0, job.err
    return job


def metrics(out, kind, name):
    found = [
        (int(epoch), float(value)) for epoch, part, one, value in METRIC.findall(out) if (part, one) == (kind, name)
    ]
    assert [epoch for epoch, _ in found] == list(range(len(found)))
    return [value for _, value in found]


def train(data, hyperparameters, **channels):
    channels = {name: str(path) for name, path in {"training": data, **channels}.items()}
    return matrix_factorization.train(channels, {**SMALL, **hyperparameters}, ["algo-1"], 0)


def weights(net):
    return {parameter.name: parameter.data().asnumpy().tobytes() for parameter in net.collect_params().values()}


def ask(model, request):
    body, kind = matrix_factorization.transform_fn(model, json.dumps(request), inference.JSON, inference.JSON)
    assert kind == inference.JSON
    return json.loads(body)


def test_a_job_learns_and_prints_its_error_every_epoch(job):
    assert "ratings of 18 items by 24 users" in job.out
    training, validation = (metrics(job.out, kind, "rmse") for kind in ("Training", "Validation"))
    assert len(training) == len(validation) == 30
    assert validation[-1] < 0.8
    assert training[0] > 1.5
    assert re.search(r"^\[Epoch 0 Batch 2\] Training: rmse=\d\.\d{6}, \d+\.\d samples/s$", job.out, re.MULTILINE)
    assert not job.err
    assert not job.failure


def test_the_endpoint_answers_with_the_error_that_was_printed(job, data):
    found = ratings.load(rating_files.read({"training": str(data)}), "u1", 0, 1)
    pairs = [[found.users[user], found.items[item]] for user, item, _ in zip(*found.validation)]
    model = matrix_factorization.model_fn(str(job.model_dir))
    answers = [one["rating"] for one in ask(model, {"pairs": pairs})["predictions"]]
    rmse = np.sqrt(np.square(answers - found.validation.values).mean())
    assert rmse == pytest.approx(metrics(job.out, "Validation", "rmse")[-1], abs=2e-6)


def test_a_user_is_recommended_films_of_the_kind_that_the_user_likes(job, data):
    model = matrix_factorization.model_fn(str(job.model_dir))
    found = ratings.load(rating_files.read({"training": str(data)}), "u1", 0, 1)
    rated = {(found.users[user], found.items[item]) for user, item, _ in zip(*found.training)}
    for user in range(1, films.USERS + 1):
        items = [one["item"] for one in ask(model, {"user": user, "k": 2})["items"]]
        assert [int(item) % 2 for item in items] == [user % 2] * 2
        assert not rated & {(str(user), item) for item in items}
    similar = [one["item"] for one in ask(model, {"similar_to": 4, "k": 3})["items"]]
    assert [int(item) % 2 for item in similar] == [0] * 3


def test_the_saved_net_and_its_onnx_answer_as_the_endpoint(job):
    pytest.importorskip("onnxruntime")
    model, net = matrix_factorization.model_fn(str(job.model_dir)), artifact.load_net(str(job.model_dir))
    pairs = np.array([[0, 0], [3, 5], [23, 15]], np.float32)
    expected = [model._users[int(user)] @ model._items[int(item)] for user, item in pairs]
    assert net(artifact.mx.nd.array(pairs)).asnumpy() == pytest.approx(expected, abs=1e-5)
    predict = inference.onnx_predict(str(job.model_dir / inference.ONNX))
    assert predict(pairs) == pytest.approx(expected, abs=1e-5)
    parity = export.export(str(job.model_dir), str(job.directory / "again.onnx"))
    assert parity.difference < 1e-5


def test_the_same_seed_and_data_give_the_same_bytes_in_another_process(job, data, tmp_path):
    matrix_factorization.save(train(data, TRAINED), str(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in job.model_dir.iterdir()
    }


@pytest.mark.parametrize("options", [
    {"model": "linear"},
    {"model": "mlp"},
    {"model": "residual"},
    {"model": "dssm"},
    {"model": "mlp", "hidden": [8, 6], "dropout": 0.2},
    {"bayesian": False},
    {"bayesian": False, "regularization": 0.5},
    {"noise": 0.3},
    {"biases": False},
    {"content": False},
    {"vocabulary": 3},
    {"dropout": 0.3},
    {"feedback": "implicit"},
    {"feedback": "implicit", "negatives": 2},
    {"feedback": "implicit", "threshold": 4, "k": 3},
    {"feedback": "implicit", "model": "dssm", "bayesian": False},
    {"optimizer": "sgd"},
    {"optimizer": "rmsprop"},
    {"holdout": 0},
    {"split": "u1"},
    {"seed": 2},
], ids=str)  # fmt: skip
def test_every_option_trains_and_is_saved(data, tmp_path, options, request):
    net = train(data, options)
    matrix_factorization.save(net, str(tmp_path))
    model = matrix_factorization.model_fn(str(tmp_path))
    answer = ask(model, {"user": 1, "k": 4})["items"]
    assert len(answer) == 4
    key = "score" if options.get("feedback") == "implicit" else "rating"
    assert all(np.isfinite(one[key]) for one in answer)
    seen = request.node.session.__dict__.setdefault("_trained_films", {})
    assert weights(net) not in [other for name, other in seen.items() if name != str(options)]
    seen[str(options)] = weights(net)


def test_implicit_feedback_ranks_what_was_held_back_far_up(data, capfd):
    # Only the liked ones are choices: a user's held back films are of the kind that the user chose before.
    values = {"feedback": "implicit", "threshold": 4, "k": 5, "epochs": 30, "batch_size": 60, "holdout": 0.2}
    train(data, values)
    out = capfd.readouterr().out
    ndcg, recall = (metrics(out, "Validation", name) for name in ("ndcg", "recall"))
    assert len(ndcg) == len(recall) == 30
    assert ndcg[-1] > 0.5
    assert recall[-1] > 0.65
    assert metrics(out, "Training", "loss")[-1] < metrics(out, "Training", "loss")[0]


def test_a_dssm_rates_films_that_nobody_rated_by_what_describes_them(data, tmp_path):
    matrix_factorization.save(train(data, {"model": "dssm", "epochs": 30}), str(tmp_path))
    model = matrix_factorization.model_fn(str(tmp_path))
    cold = [str(films.FILMS + 1), str(films.FILMS + 2)]
    for user in (1, 2):
        found = [one["rating"] for one in ask(model, {"pairs": [[user, cold[0]], [user, cold[1]]]})["predictions"]]
        assert (found[0] > found[1] + 1) == (user % 2 == 1)


def test_training_stops_when_validation_no_longer_gets_better(data, capfd):
    train(data, {"epochs": 10, "learning_rate": 1e-9, "patience": 2})
    assert len(metrics(capfd.readouterr().out, "Validation", "rmse")) in (3, 4)


def test_without_validation_data_training_alone_is_reported(data, capfd):
    train(data, {"holdout": 0})
    out = capfd.readouterr().out
    assert "[Epoch 1] Training: rmse=" in out
    assert "Validation" not in out


def test_a_resumed_training_ends_as_an_uninterrupted_one(run_job, data, tmp_path):
    values = {**SMALL, "epochs": 4, "feedback": "implicit", "patience": 9}
    script, places = matrix_factorization.__file__, {name: tmp_path / name for name in ("whole", "parts", "again")}
    variables = {"GLAUNCH_CHECKPOINT_EVERY": "1", "GLAUNCH_CHECKPOINT_KEEP": "9"}
    for name in ("whole", "parts"):
        own = {**variables, "SAGEMAKER_BASE_DIR": str(places[name])}
        assert run_job(places[name], script, values, {"training": data}, variables=own).status == 0
    for number in (2, 3):  # as if it had been interrupted
        (places["parts"] / "checkpoints" / f"epoch-00000{number}.npz").unlink()
    own = {**variables, "SAGEMAKER_BASE_DIR": str(places["parts"])}
    resumed = run_job(places["again"], script, values, {"training": data}, variables=own)
    assert "Resumed after epoch 1" in resumed.out
    one, other = (places[name] / "model" / artifact.PARAMETERS for name in ("whole", "again"))
    assert one.read_bytes() == other.read_bytes()
    wrong = run_job(tmp_path / "wrong", script, {**values, "feedback": "explicit"}, {"training": data}, variables=own)
    assert "the checkpoint is of another job" in wrong.err


@pytest.mark.parametrize(("hyperparameters", "message"), [
    ({"model": "lineer"}, r"\(did you mean 'linear'\?\)"),
    ({"feedback": "both"}, "feedback is one of explicit, implicit"),
    ({"split": "u9"}, "split is one of u1"),
    ({"split": "u2"}, r"has no u2\.base"),
    ({"holdout": 1}, r"holdout must be at most 0\.9"),
    ({"factors": 0}, "factors must be at least 1"),
    ({"negatives": 0}, "negatives must be at least 1"),
    ({"batch_size": 10**6}, "there are only"),
    ({"feedback": "implicit", "threshold": 9}, "no rating is at least the threshold 9"),
    ({"learning_rate": 1e30}, "the loss is not finite"),
    ({"patience": 1, "holdout": 0}, "patience needs validation data"),
    ({"architecture": "lenet"}, "unknown hyperparameter 'architecture'"),
])  # fmt: skip
def test_what_cannot_be_used_ends_the_job(data, hyperparameters, message):
    with pytest.raises(InputError, match=message):
        train(data, hyperparameters)


def test_a_job_that_cannot_run_says_why_in_one_line_and_leaves_no_model(run_job, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ratings.csv").write_text("user,item,rating\n1,2,three\n")
    job = run_job(tmp_path, matrix_factorization.__file__, {}, {"training": tmp_path / "data"})
    assert job.status == 1
    assert job.err == job.failure
    assert job.err == "InputError: ratings.csv, line 2: expected a user, an item and a rating, found '1, 2, three'\n"
    assert not job.model_dir.exists()


def test_a_model_trained_in_awss_image_answers_here(run_job, aws_python, data, tmp_path):
    job = run_job(tmp_path, matrix_factorization.__file__, TRAINED, {"training": data}, python=aws_python)
    assert job.status == 0, job.err
    assert not job.err
    model = matrix_factorization.model_fn(str(job.model_dir))
    assert int(ask(model, {"user": 3, "k": 1})["items"][0]["item"]) % 2 == 1
    assert metrics(job.out, "Validation", "rmse")[-1] < 0.8


@pytest.mark.skipif(
    "GLAUNCH_MOVIELENS" not in os.environ, reason="GLAUNCH_MOVIELENS names no directory of MovieLens 100k"
)
def test_movielens_is_learned_by_a_linear_and_a_neural_model(tmp_path, capfd):
    """In half a minute each, and so not as well as the benchmark."""
    data = os.environ["GLAUNCH_MOVIELENS"]
    values = {"split": "u1", "factors": 10, "epochs": 8, "batch_size": 1000}
    for model, most in (("linear", 0.935), ("mlp", 0.945)):
        net = train(data, {**values, "model": model})
        out = capfd.readouterr().out
        assert "Data: 80000 ratings of 1682 items by 943 users" in out
        assert metrics(out, "Validation", "rmse")[-1] < most
    matrix_factorization.save(net, str(tmp_path))
    loaded = matrix_factorization.model_fn(str(tmp_path))
    assert ask(loaded, {"similar_to": 50, "k": 1})["similar_to"]["title"] == "Star Wars (1977)"
    assert len(ask(loaded, {"user": 1, "k": 10})["items"]) == 10
