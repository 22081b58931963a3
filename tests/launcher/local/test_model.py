"""Models of all kinds are loaded and answer as AWS's container would have them answer."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from launcher import library
from launcher.errors import UserError
from launcher.local import model
from launcher.local.model import Answer, Refusal, Request

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
MODEL = "def model_fn(model_dir):\n    return 5\n"
ECHO = "def transform_fn(net, data, kind, accept):\n    return repr([net, data, kind, accept])\n"
SUM = "def transform_fn(net, data, content_type, accept):\n    return str(net + sum(__import__('json').loads(data)))\n"
# Rows of four numbers in, twice their sum and 1 out.
BLOCK = """
    import mxnet as mx

    def model_fn(model_dir):
        net = mx.gluon.nn.Dense(2, in_units=4)
        net.initialize(mx.init.Constant(2))
        net.bias.set_data(mx.nd.array([0, 1]))
        net.weight.set_data(mx.nd.array([[2, 2, 2, 2], [0, 0, 0, 0]]))
        return net
"""
SHAPES = json.dumps([{"name": "data", "shape": [1, 4]}])
CLASSIFIERS = """
    import sys
    from gluon_job import artifact, export
    from gluon_job.compat import mx

    nn = mx.gluon.nn
    for name, layers in (
        ("mlp", [nn.Dense(32, activation="relu"), nn.Dense(10)]),
        ("cnn", [nn.Conv2D(4, 5, activation="relu"), nn.MaxPool2D(), nn.BatchNorm(), nn.Dense(10)]),
    ):
        mx.random.seed(1)
        net = nn.HybridSequential(prefix=name)
        net.add(*layers)
        net.initialize(mx.init.Xavier())
        artifact.save(net, f"{sys.argv[1]}/{name}", (1, 28, 28), [f"number {i}" for i in range(10)])
        export.after_training(f"{sys.argv[1]}/{name}", None, False)
"""


@pytest.fixture(autouse=True)
def modules():
    """Each model has the modules and the path of a fresh process, but for what costs time."""
    path, names = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - names:
        if name.partition(".")[0] not in ("mxnet", "numpy", "scipy", "PIL", "glaunch_gluon_job"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    """`write(code={...}, **files)`: a model's directory."""

    def make(code=None, **files):
        contents = {f"code/{name}.py": textwrap.dedent(text) for name, text in (code or {}).items()}
        contents.update({name.replace("_json", ".json").replace("_", "-"): text for name, text in files.items()})
        for name, text in contents.items():
            path = tmp_path / "model" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return tmp_path / "model"

    return make


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory):
    """The directory of two models as our entry points save them: `mlp` and `cnn`."""
    directory = tmp_path_factory.mktemp("classifiers")
    script = (library.directory() / "mnist_mlp.py").read_text("utf-8")
    for name in ("mlp", "cnn"):
        (directory / name / "code").mkdir(parents=True)
        (directory / name / "code" / "mnist_mlp.py").write_text(script, "utf-8")
        (directory / name / "code" / "gluon_job").symlink_to(library.directory() / "gluon_job")
    run(CLASSIFIERS, directory, PYTHONPATH=str(library.directory()))
    return directory


def run(program: str, *arguments: object, **variables: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def ask(loaded, body, content_type=JSON, accept=""):
    """The one answer to a request; an exception is raised."""
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    [answer] = loaded.answer([Request(body, content_type, accept)])
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Answer)
    return answer


def npy(array) -> bytes:
    body = io.BytesIO()
    np.save(body, array)
    return body.getvalue()


def refusal(loaded, *request) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ask(loaded, *request)
    return caught.value


def digits(count):
    """Images as JSON may have them: lists of 784 whole numbers."""
    return np.random.RandomState(3).randint(256, size=(count, 784)).tolist()


def probabilities(answer):
    return [prediction["probabilities"] for prediction in json.loads(answer.body)["predictions"]]


class TestOurOwnModels:
    @pytest.mark.parametrize("name", ["mlp", "cnn"])
    def test_together_they_give_the_answers_they_give_alone(self, classifiers, name):
        loaded = model.load(classifiers / name)
        assert loaded.batch_limit > 1
        requests = [Request(json.dumps(image).encode(), JSON, JSON) for image in digits(20)]
        alone = [probabilities(ask(loaded, *request)) for request in requests]
        assert np.ptp(alone, axis=0).max() > 0.01
        for size in (2, 7, 20):
            found = [
                probabilities(answer) for i in range(0, 20, size) for answer in loaded.answer(requests[i : i + size])
            ]
            np.testing.assert_allclose(found, alone, rtol=0, atol=5e-7)

    def test_a_bad_request_is_refused_alone(self, classifiers):
        loaded = model.load(classifiers / "mlp")
        [image] = digits(1)
        good = Request(json.dumps(image).encode(), JSON, "")
        bad = [good._replace(body=b"{"), good._replace(content_type="a/b"), good._replace(accept="image/png")]
        answers = loaded.answer([bad[0], good, *bad[1:], good])
        assert [answer.status if isinstance(answer, Refusal) else 200 for answer in answers] == [
            400, 200, 415, 406, 200,
        ]  # fmt: skip
        np.testing.assert_allclose(probabilities(answers[1]), probabilities(ask(loaded, *good)), atol=5e-7)

    def test_a_classifier_says_what_it_expects(self, classifiers):
        loaded = model.load(classifiers / "mlp")
        loaded.warm_up()
        assert loaded.describe() == {
            "kind": "classifier",
            "runtime": "mxnet",
            "script": "mnist_mlp.py",
            "labels": [f"number {i}" for i in range(10)],
            "shape": [1, 28, 28],
            "scale": 1 / 255,
            "example": None,
            "warning": "",
        }

    @pytest.mark.parametrize("name", ["mlp", "cnn"])
    def test_the_exported_onnx_answers_the_same_without_mxnet(self, classifiers, name):
        pytest.importorskip("onnxruntime")
        program = """
            import json, sys
            from pathlib import Path
            from launcher.local import model

            loaded = model.load(Path(sys.argv[1]), "onnx")
            loaded.warm_up()
            images = json.loads(sys.argv[2])
            requests = [model.Request(json.dumps(image).encode(), "application/json", "") for image in images]
            answers = [json.loads(answer.body) for answer in loaded.answer(requests)]
            assert "mxnet" not in sys.modules
            print(json.dumps([loaded.describe(), loaded.batch_limit, answers]))
        """
        images = digits(6)
        description, limit, answers = json.loads(
            run(program, classifiers / name, json.dumps(images), PYTHONPATH=os.pathsep.join(sys.path))
        )
        assert (description["kind"], description["runtime"]) == ("classifier", "onnx")
        assert limit > 1
        loaded = model.load(classifiers / name)
        for image, answer in zip(images, answers):
            expected = json.loads(ask(loaded, image).body)["predictions"][0]
            [found] = answer["predictions"]
            assert (found["class"], found["label"]) == (expected["class"], expected["label"])
            np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=0, atol=1e-5)

    def test_a_model_without_an_export_cannot_be_served_as_onnx(self, write):
        with pytest.raises(UserError, match=r"has no model\.onnx"):
            model.load(write({"inference": SUM}), "onnx")


RECOMMENDER = {
    "model_metadata_json": json.dumps(
        {
            "input": {"shape": [2], "dtype": "float32", "scale": 1.0},
            "example": {"user": "ann", "k": 2},
        }
    )
}
ANSWER_USERS = """
    import json, os

    def model_fn(model_dir):
        return model_dir

    def transform_fn(directory, data, content_type, accept):
        with open(os.path.join(directory, "asked"), "a") as file:
            file.write(data + "\\n")
        return json.dumps({"user": json.loads(data)["user"]})
"""


class TestARecommender:
    def test_its_example_is_what_warms_it_up(self, write):
        directory = write({"recommender": ANSWER_USERS}, **RECOMMENDER)
        loaded = model.load(directory)
        assert loaded.describe()["example"] == {"user": "ann", "k": 2}
        loaded.warm_up()
        assert (directory / "asked").read_text() == '{"user": "ann", "k": 2}\n'

    def test_it_is_not_served_as_onnx(self, write):
        with pytest.raises(UserError, match=r"serves classifiers here, and this model has no labels: .* MXNet"):
            model.load(write({"recommender": ANSWER_USERS}, **RECOMMENDER), "onnx")


class TestTheScript:
    def test_of_several_files_the_only_one_with_functions_is_taken(self, write):
        loaded = model.load(write({"helpers": "bias = 5\n", "serve": "from helpers import bias\n" + MODEL + SUM}))
        assert ask(loaded, [1, 2]).body == b"8"
        assert loaded.describe()["script"] == "serve.py"

    def test_inference_py_goes_before_others(self, write):
        loaded = model.load(write({"inference": MODEL.replace("5", "7") + SUM, "serve": MODEL + SUM}))
        assert ask(loaded, [1]).body == b"8"

    def test_the_one_that_sagemaker_names_goes_before_all(self, write, monkeypatch):
        monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve.py")
        loaded = model.load(write({"inference": MODEL.replace("5", "7") + SUM, "serve": MODEL + SUM}))
        assert ask(loaded, [1]).body == b"6"
        monkeypatch.setenv("SAGEMAKER_PROGRAM", "other.py")
        with pytest.raises(UserError, match=r"no other\.py, which SAGEMAKER_PROGRAM names"):
            model.load(write())

    def test_two_that_could_be_it_are_not_guessed_between(self, write):
        with pytest.raises(UserError, match=r"several files .* \(a.py, b.py\): set SAGEMAKER_PROGRAM"):
            model.load(write({"a": MODEL + SUM, "b": "from helpers import model_fn\n", "broken": "def model_fn(:"}))

    def test_without_any_and_without_a_saved_module_there_is_no_model(self, write):
        with pytest.raises(UserError, match=r"no code that defines model_fn, and no model-symbol\.json"):
            model.load(write({"train": "print('training')\n"}))

    def test_what_fails_in_it_is_raised(self, write):
        with pytest.raises(ZeroDivisionError):
            model.load(write({"inference": "1 / 0\n"}))


class TestTransformFn:
    @pytest.mark.parametrize(("returned", "body", "content_type"), [
        ("'text'", b"text", "text/csv"),
        ("b'bytes'", b"bytes", "text/csv"),
        ("bytearray(b'bytes')", b"bytes", "text/csv"),
        ("('<p>', 'text/html')", b"<p>", "text/html"),
        ("{'a': [1]}", b'{"a": [1]}', "text/csv"),
    ])  # fmt: skip
    def test_it_returns_a_body_or_a_body_and_its_type(self, write, returned, body, content_type):
        loaded = model.load(write({"inference": MODEL + f"def transform_fn(a, b, c, d):\n    return {returned}\n"}))
        assert loaded.batch_limit == 1
        assert ask(loaded, "", JSON, "text/csv") == Answer(body, content_type)

    def test_it_gets_text_for_text_and_bytes_for_the_rest(self, write):
        loaded = model.load(write({"inference": MODEL + ECHO}))
        assert ask(loaded, "é".encode()).body == b"[5, '\xc3\xa9', 'application/json', 'application/json']"
        assert b"'\xc3\xa9', 'text/csv'" in ask(loaded, b"\xe9", "text/csv; charset=ISO-8859-1").body
        assert b"b'\\xe9', 'image/png; invert=true'" in ask(loaded, b"\xe9", "image/png; invert=true").body
        assert refusal(loaded, b"\xe9", JSON).status == 400
        assert refusal(loaded, b"\xe9", "application/json; charset=klingon").status == 415

    def test_it_learns_what_the_client_accepts(self, write, monkeypatch):
        loaded = model.load(write({"inference": MODEL + ECHO}))
        assert b"'a/b;q=0.1, c/d'" in ask(loaded, "", JSON, "a/b;q=0.1, c/d").body
        monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/csv")
        for accept in ("", " ", "*/*"):
            answer = ask(loaded, "", JSON, accept)
            assert b"'text/csv']" in answer.body
            assert answer.content_type == "text/csv"

    def test_every_function_may_take_the_servers_context_too(self, write):
        loaded = model.load(write({"inference": """
            def pre_model_fn(model_dir):
                global prepared
                prepared = True
            def model_fn(model_dir, context):
                return [prepared, context.system_properties["model_dir"] == model_dir]
            def model_warmup_fn(model_dir, model):
                model.append("warm")
            def transform_fn(model, data, content_type, accept, context):
                return [*model, sorted(context.system_properties)]
        """}))  # fmt: skip
        assert json.loads(ask(loaded, "").body) == [True, True, "warm", ["gpu_id", "model_dir"]]

    def test_what_it_raises_is_the_answer_and_hurts_no_other(self, write):
        loaded = model.load(write({"inference": MODEL + SUM}))
        answers = loaded.answer([Request(body, JSON, "") for body in (b"[1]", b"x", b'["a"]', b"[2]")])
        assert [type(answer).__name__ for answer in answers] == ["Answer", "JSONDecodeError", "TypeError", "Answer"]

    @pytest.mark.parametrize(("error", "status", "message"), [
        ("InputError(ValueError): pass", 400, "no good"),
        ("Better(type('InputError', (Exception,), {})): status = 415", 415, "no good"),
        ("ToolkitError(Exception): status_code, message = 422, 'as the script says'", 422, "as the script says"),
    ])  # fmt: skip
    def test_it_can_say_that_the_client_is_at_fault(self, write, error, status, message):
        name = error.partition("(")[0]
        script = MODEL + f"class {error}\ndef transform_fn(a, b, c, d):\n    raise {name}('no good')\n"
        found = refusal(model.load(write({"inference": script})), "")
        assert (found.status, str(found)) == (status, message)

    def test_it_goes_with_none_of_the_others(self, write):
        with pytest.raises(UserError, match="transform_fn and predict_fn: AWS's container takes one or the other"):
            model.load(write({"inference": MODEL + SUM + "def predict_fn(data, model): pass\n"}))

    def test_transform_batch_fn_gets_all_that_waits(self, write):
        loaded = model.load(write({"inference": MODEL + SUM + """
def transform_batch_fn(net, requests):
    return [(str(len(requests)), "text/plain") if data != "bad" else KeyError("bad") for data, _, _ in requests]
"""}))  # fmt: skip
        assert loaded.batch_limit > 1
        answers = loaded.answer([Request(body, JSON, "") for body in (b"a", b"\xff", b"bad", b"b")])
        assert [type(answer).__name__ for answer in answers] == ["Answer", "Refusal", "KeyError", "Answer"]
        assert answers[0] == answers[3] == Answer(b"3", "text/plain")

    @pytest.mark.parametrize("returned", ["[]", "[('a', 'b')] * 5", "None"])
    def test_a_transform_batch_fn_that_loses_answers_fails_all_of_them(self, write, returned):
        script = MODEL + SUM + f"def transform_batch_fn(net, requests):\n    return {returned}\n"
        answers = model.load(write({"inference": script})).answer([Request(b"", JSON, "")] * 2)
        assert len(answers) == 2
        assert all(isinstance(answer, Exception) and not isinstance(answer, Refusal) for answer in answers)


class TestTheThreeFunctions:
    def test_all_of_them_are_called_in_turn(self, write):
        loaded = model.load(write({"inference": MODEL + """
def input_fn(data, content_type):
    return [data, content_type]
def predict_fn(data, model):
    return [*data, model]
def output_fn(prediction, accept):
    return repr([*prediction, accept]), "text/plain"
"""}))  # fmt: skip
        assert ask(loaded, "x", CSV, NPY) == Answer(b"['x', 'text/csv', 5, 'application/x-npy']", "text/plain")
        assert "AWS's container will refuse it" in loaded.describe()["warning"]

    def test_an_older_input_fn_gets_the_model_as_well(self, write):
        loaded = model.load(write({"inference": MODEL + """
def input_fn(data, content_type, model):
    return model
def predict_fn(data, model):
    return data + model
def output_fn(prediction, accept):
    return str(prediction)
"""}))  # fmt: skip
        assert ask(loaded, "").body == b"10"

    def test_a_model_that_cannot_be_called_needs_transform_fn(self, write):
        with pytest.raises(UserError, match="returned int, neither a Module nor a Gluon Block: define transform_fn"):
            model.load(write({"inference": MODEL}))

    def test_a_block_has_defaults_for_all_three(self, write):
        loaded = model.load(write({"inference": BLOCK}))
        assert loaded.describe()["warning"] == ""
        answer = ask(loaded, [[1, 2, 3, 4], [0, 0, 0, 1]])
        assert (json.loads(answer.body), answer.content_type) == ([[20, 1], [2, 1]], JSON)
        answer = ask(loaded, npy(np.ones((1, 4))), NPY, "text/html, application/x-npy")
        assert answer.content_type == NPY
        assert np.load(io.BytesIO(answer.body)).tolist() == [[8, 1]]

    def test_a_block_takes_and_gives_what_awss_defaults_do(self, write):
        loaded = model.load(write({"inference": BLOCK}))
        assert refusal(loaded, "1,2,3,4", CSV).status == 415
        assert refusal(loaded, [[1, 2, 3, 4]], JSON, CSV).status == 406
        assert refusal(loaded, "[[NaN, 1, 2, 3]]").status == 400
        assert refusal(loaded, "[[1, 2], [3]]").status == 400
        assert refusal(loaded, npy(np.array([{}], object)), NPY).status == 400

    def test_rows_that_wait_are_predicted_together(self, write):
        loaded = model.load(write({"inference": textwrap.dedent(BLOCK) + """
calls = []
def predict_fn(data, model):
    calls.append(len(data))
    return model(data)
def output_fn(prediction, accept):
    return str([prediction.asnumpy().tolist(), max(calls)])
"""}, model_shapes_json=SHAPES))  # fmt: skip
        assert loaded.batch_limit > 1
        bodies = [b"[[1, 2, 3, 4]]", b"{", b"[[0, 0, 0, 0], [0, 0, 0, 1]]", b"[[1, 1]]", b"[[1, 1, 1, 1]]"]
        answers = loaded.answer([Request(body, JSON, "") for body in bodies])
        assert [getattr(answer, "body", None) for answer in answers[::2]] == [
            b"[[[20.0, 1.0]], 4]", b"[[[0.0, 1.0], [2.0, 1.0]], 4]", b"[[[8.0, 1.0]], 4]",
        ]  # fmt: skip
        assert isinstance(answers[1], Refusal)
        assert isinstance(answers[3], Exception)

    def test_a_prediction_that_depends_on_its_company_is_made_alone(self, write):
        script = textwrap.dedent(BLOCK) + "def predict_fn(data, model):\n    return model(data - data.mean(axis=0))\n"
        loaded = model.load(write({"inference": script}, model_shapes_json=SHAPES))
        assert loaded.batch_limit == 1
        assert json.loads(ask(loaded, [[1, 2, 3, 4]]).body) == [[0, 1]]


class TestAwssDefaultArtifact:
    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, tmp_path_factory):
        directory = tmp_path_factory.mktemp("module")
        program = """
            import sys
            from gluon_job import artifact
            from gluon_job.compat import mx

            module = mx.mod.Module(mx.sym.FullyConnected(mx.sym.var("pixels"), num_hidden=2), ["pixels"], None)
            module.bind([("pixels", (1, 2, 2))], for_training=False)
            module.init_params(mx.init.One())
            artifact.save_any(module, sys.argv[1])
        """
        run(program, directory, PYTHONPATH=str(library.directory()))
        return directory

    @pytest.mark.parametrize("size", ["", "3"])
    def test_rows_are_answered_with_numbers(self, saved, monkeypatch, size):
        monkeypatch.setenv("SAGEMAKER_DEFAULT_MODEL_FIRST_DIMENSION_SIZE", size)
        loaded = model.load(saved)
        loaded.warm_up()
        assert loaded.describe()["kind"] == "default"
        rows = np.arange(20).reshape(5, 2, 2)
        expected = [[value, value] for value in rows.sum(axis=(1, 2)).tolist()]
        assert json.loads(ask(loaded, rows.tolist()).body) == expected
        assert json.loads(ask(loaded, rows[:1].tolist()).body) == expected[:1]
        assert json.loads(ask(loaded, npy(rows), NPY).body) == expected
        text = "".join(",".join(map(str, row.ravel())) + "\n" for row in rows)
        answer = ask(loaded, text, CSV, CSV)
        assert answer.content_type == CSV
        assert np.loadtxt(io.BytesIO(answer.body), delimiter=",").tolist() == expected

    @pytest.mark.parametrize(("body", "content_type", "accept", "status"), [
        ("[[1, 2, 3]]", JSON, "", 400),
        ("1,2,3\n", CSV, "", 400),
        ("1,2,nan,4\n", CSV, "", 400),
        ("", NPY, "", 400),
        ("1,2,3,4", "image/png", "", 415),
        ("[1, 2, 3, 4]", JSON, "text/html", 406),
    ])  # fmt: skip
    def test_what_is_no_row_is_refused(self, saved, body, content_type, accept, status):
        assert refusal(model.load(saved), body, content_type, accept).status == status


class TestWarmUp:
    def test_a_model_that_cannot_answer_fails_before_it_serves(self, classifiers, tmp_path):
        directory = tmp_path / "model"
        directory.mkdir()
        for path in (classifiers / "mlp").iterdir():
            (directory / path.name).symlink_to(path)
        metadata = json.loads((directory / "model-metadata.json").read_text())
        (directory / "model-metadata.json").unlink()
        metadata["input"]["shape"] = [1, 20, 20]
        (directory / "model-metadata.json").write_text(json.dumps(metadata))
        loaded = model.load(directory)
        with pytest.raises(Exception, match=r"[Ss]hape"):
            loaded.warm_up()

    def test_a_script_with_formats_of_its_own_may_refuse_it(self, write):
        loaded = model.load(write({"inference": MODEL + SUM}, model_shapes_json=SHAPES))
        loaded.warm_up()


def test_importing_the_module_brings_no_mxnet():
    run("import sys, launcher.local.model; assert 'mxnet' not in sys.modules", PYTHONPATH=os.pathsep.join(sys.path))
    assert Path(model.__file__).name == "model.py"
