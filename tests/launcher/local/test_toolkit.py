"""The same models and requests through AWS's own inference toolkit and through ours: the answers are the same."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
pytest.importorskip("sagemaker_mxnet_serving_container")

BLOCK = """
import io, json
import mxnet as mx
import numpy as np

def model_fn(model_dir):
    net = mx.gluon.nn.Dense(2, in_units=4)
    net.initialize()
    net.weight.set_data(mx.nd.array([[1, 2, 3, 4], [0.5, 0, 0, 0.25]]))
    net.bias.set_data(mx.nd.array([0, 1]))
    return net
"""
INPUT = """
def input_fn(data, content_type):
    if content_type != "text/plain":
        return mx.nd.zeros((1, 4))
    return mx.nd.array([[float(word) for word in (data if isinstance(data, str) else data.decode()).split()]])
"""
PREDICT = """
def predict_fn(data, net):
    return net(data * 2)
"""
OUTPUT = """
def output_fn(prediction, accept):
    return "sum %.3f" % prediction.asnumpy().sum(), "text/plain"
"""
TRANSFORM = """
def transform_fn(net, data, content_type, accept):
    return json.dumps([str(data), content_type, accept])
"""
WITH_CONTEXT = """
def transform_fn(net, data, content_type, accept, context):
    return "from %s" % type(context.system_properties).__name__, "text/plain"
"""
MODELS = {
    "no code": "",
    "model_fn": BLOCK,
    "input_fn": BLOCK + INPUT,
    "predict_fn": BLOCK + PREDICT,
    "output_fn": BLOCK + OUTPUT,
    "all three": BLOCK + INPUT + PREDICT + OUTPUT,
    "transform_fn": BLOCK + TRANSFORM,
    "with context": BLOCK + WITH_CONTEXT,
    "one that raises": BLOCK + "def predict_fn(data, net):\n    raise RuntimeError('of mine')\n",
}


def npy(array):
    body = io.BytesIO()
    np.save(body, np.array(array, np.float32))
    return body.getvalue()


REQUESTS = [  # body, Content-Type, Accept
    (b"[[1, 2, 3, 4]]", JSON, JSON),
    (b"[[1, 2, 3, 4], [0, 0, 1, 0.5]]", JSON, JSON),
    (b"[[1, 2, 3, 4]]", JSON, ""),
    (b"[[1, 2, 3, 4]]", JSON, "*/*"),
    (b"[[1, 2, 3, 4]]", JSON, f"text/html, {JSON}"),
    (b"[[1, 2, 3, 4]]", JSON, NPY),
    (b"[[1, 2, 3, 4]]", JSON, CSV),
    (b"[[1, 2, 3, 4]]", JSON, "image/png"),
    (npy([[1, 2, 3, 4], [5, 6, 7, 8]]), NPY, JSON),
    (npy([[1, 2, 3, 4]]), NPY, NPY),
    (b"1.5,2.5,3.5,4.5", CSV, JSON),
    (b"1.5,2.5,3.5,4.5\n0.5,0.5,0.5,0.5\n", CSV, CSV),
    (b"1 2 3 4", "text/plain", JSON),
    (b"{", JSON, JSON),
    (b"[[1, 2]]", JSON, JSON),
]

# One process a side imports MXNet once, and forks for each model, which may change what it likes.
_EACH_MODEL = """
import base64, json, os, sys
import numpy
vars(numpy).setdefault("bool", numpy.bool_)
import mxnet

for folder in sys.argv[1:]:
    if os.fork() == 0:
        sys.path.insert(0, os.path.join(folder, "code"))
        os.environ["SAGEMAKER_PROGRAM"] = "serve.py"
        answer = answers_of(folder)
        for body, kind, accept in json.loads(sys.stdin.read()):
            status, content, content_type = answer(base64.b64decode(body), kind, accept)
            content = content.encode() if isinstance(content, str) else bytes(content)
            told = [folder, status, base64.b64encode(content).decode(), content_type]
            print("ANSWER " + json.dumps(told), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, folder
    os.lseek(0, 0, 0)
"""
_THEIRS = """
import types

def answers_of(folder):
    from sagemaker_mxnet_serving_container.handler_service import HandlerService

    open(os.path.join(folder, "code", "serve.py"), "a").close()  # without any file its newest version does not start
    context = types.SimpleNamespace(system_properties={"model_dir": folder, "gpu_id": None})
    service = HandlerService()
    # As its `initialize`, which takes a parameter of AWS's own default_model_fn, a batch size, for the context.
    service._service = service._user_module_transformer(folder)
    service._service.validate_and_initialize(folder, None)
    service._service._context = context

    def answer(body, kind, accept):
        told = {"status": 200, "type": None}
        headers = {"Content-Type": kind, "Accept": accept}
        context.request_processor = [types.SimpleNamespace(get_request_properties=lambda: headers)]
        context.set_response_content_type = lambda _, value: told.update(type=value)
        context.set_response_status = lambda code, phrase: told.update(status=int(code))
        [content] = service.handle([{"body": body}], context)
        return told["status"], content, told["type"]

    return answer
"""
_OURS = """
from pathlib import Path

def answers_of(folder):
    from launcher.local import model

    if not os.path.exists(os.path.join(folder, "code", "serve.py")):
        del os.environ["SAGEMAKER_PROGRAM"]
    loaded = model.load(Path(folder))

    def answer(body, kind, accept):
        [found] = loaded.answer([model.Request(body, kind, accept)])
        if isinstance(found, Exception):
            return getattr(found, "status", 500), str(found), None
        return 200, found.body, found.content_type

    return answer
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model's directory for each of MODELS."""
    base = tmp_path_factory.mktemp("models")
    made = {}
    for number, (name, code) in enumerate(MODELS.items()):
        made[name] = base / f"model-{number}"
        (made[name] / "code").mkdir(parents=True)
        if code:
            (made[name] / "code" / "serve.py").write_text(code)
    default = textwrap.dedent("""
        import json, sys
        import numpy
        vars(numpy).setdefault("bool", numpy.bool_)
        import mxnet as mx

        exec(sys.argv[2])
        net = model_fn("")
        net.hybridize()
        net(mx.nd.zeros((1, 4)))
        net.export(sys.argv[1] + "/model", 0)
        with open(sys.argv[1] + "/model-shapes.json", "w") as file:
            json.dump([{"name": "data", "shape": [1, 4]}], file)
    """)
    subprocess.run([sys.executable, "-c", default, str(made["no code"]), BLOCK], check=True, timeout=120)
    return made


@pytest.fixture(scope="module")
def answers(folders, tmp_path_factory):
    """Of each side, by model, the answers to REQUESTS in order."""
    requests = tmp_path_factory.mktemp("requests") / "requests.json"
    requests.write_text(json.dumps([[base64.b64encode(body).decode(), *rest] for body, *rest in REQUESTS]))
    names = {str(folder): name for name, folder in folders.items()}
    found = {}
    for side, program in (("ours", _OURS), ("theirs", _THEIRS)):
        done = subprocess.run(
            [sys.executable, "-c", program + _EACH_MODEL, *names],
            stdin=requests.open("rb"),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr
        found[side] = {name: [] for name in MODELS}
        for line in done.stdout.splitlines():
            if line.startswith("ANSWER "):
                folder, status, body, content_type = json.loads(line.partition(" ")[2])
                found[side][names[folder]].append((status, base64.b64decode(body), content_type))
    return found


def numbers(body, content_type):
    """What an answer means, apart from spaces and the last digits."""
    if content_type == NPY:
        return np.load(io.BytesIO(body), allow_pickle=False)
    if content_type == CSV:
        return np.loadtxt(io.BytesIO(body), delimiter=",")
    return np.array(json.loads(body))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_as_through_awss_toolkit(answers, name):
    theirs, ours = answers["theirs"][name], answers["ours"][name]
    assert len(theirs) == len(ours) == len(REQUESTS)
    for request, (status, body, content_type), (own_status, own_body, own_type) in zip(REQUESTS, theirs, ours):
        assert (own_status == 200) == (status == 200), (request, body, own_body)
        if status != 200:
            continue
        # AWS's calls the answer's type the whole list of those that were accepted.
        assert own_type == content_type or own_type in content_type.split(", "), request
        if own_type in (JSON, CSV, NPY) and "transform_fn" not in name:
            np.testing.assert_allclose(numbers(own_body, own_type), numbers(body, own_type), rtol=1e-6)
        else:
            assert own_body == body, request


def test_what_the_client_did_wrong_is_its_fault_here_and_what_the_script_did_is_not(answers):
    assert {status for status, _, _ in answers["ours"]["no code"]} == {200, 400, 406, 415}
    assert {status for status, _, _ in answers["ours"]["one that raises"][:2]} == {500}
