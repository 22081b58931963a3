"""The SageMaker SDK in a directory of its own, without credentials and without a network."""

import os
import socket
import textwrap

import boto3
import pytest

os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"

TRAIN = """
    import json, os, sys

    def model_fn(directory):
        with open(os.path.join(directory, "seen.json")) as file:
            return json.load(file)

    def transform_fn(model, data, content_type, accept):
        if content_type == "text/x-broken":
            raise RuntimeError("the model is broken")
        if content_type == "text/x-refused":
            error = ValueError("not this")
            error.status_code, error.message = 415, "not this"
            raise error
        body = data if isinstance(data, str) else bytes(data)
        if accept == "application/json":
            return json.dumps({"name": model["name"], "body": str(body), "type": content_type}), accept
        return body, accept

    if __name__ == "__main__":
        channels = json.loads(os.environ["SM_CHANNELS"])
        seen = {
            "hps": json.loads(os.environ["SM_HPS"]),
            "arguments": sys.argv[1:],
            "files": {name: sorted(os.listdir(os.environ["SM_CHANNEL_" + name.upper()])) for name in channels},
            "code": sorted(os.listdir(".")),
            "mine": os.environ.get("MINE"),
            "hosts": json.loads(os.environ["SM_HOSTS"]),
            "name": os.environ["SM_CURRENT_HOST"],
        }
        for loss in (1.0, 0.5, 0.25):
            print("loss: %g" % loss)
        with open(os.path.join(os.environ["SM_MODEL_DIR"], "seen.json"), "w") as file:
            json.dump(seen, file)
"""


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """No credentials, no configuration; a connection that leaves this machine is refused, and fails the test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    left, connect, resolve = [], socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self, address):
        if isinstance(address, tuple) and not str(address[0]).startswith("127.") and address[0] != "localhost":
            left.append(address)
            raise ConnectionRefusedError(address)
        return connect(self, address)

    def guarded_resolve(host, *rest, **more):
        if host not in ("127.0.0.1", "localhost", None):
            left.append(host)
            raise socket.gaierror(host)
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)
    yield left
    assert not left, f"the network was used: {left}"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The current directory: train.py, and data/ with four files."""
    folder = tmp_path / "work"
    (folder / "data").mkdir(parents=True)
    for name in "abcd":
        (folder / "data" / name).write_text(name)
    (folder / "train.py").write_text(textwrap.dedent(TRAIN))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def session():
    from launcher.sdk_session import ProcessLocalSession

    with ProcessLocalSession() as session:
        yield session


@pytest.fixture
def make_estimator():
    """`make_estimator(script="train.py", **words)`: an MXNet estimator."""
    from sagemaker.mxnet import MXNet

    def make(script="train.py", **words):
        settings = {"role": "any", "instance_count": 1, "instance_type": "local"}
        return MXNet(script, framework_version="1.9.0", py_version="py38", **{**settings, **words})

    return make


@pytest.fixture
def estimator(work, session, make_estimator):
    """`estimator(**words)`: the same in the directory `work`, of the session."""
    return lambda **words: make_estimator(**{"sagemaker_session": session, **words})


@pytest.fixture
def artifact(work):
    """A model.tar.gz that train.py can serve, without its code."""
    from launcher import archive

    (work / "model").mkdir()
    (work / "model" / "seen.json").write_text('{"name": "algo-1"}')
    archive.pack(work / "model", work / "model.tar.gz")
    return work / "model.tar.gz"


@pytest.fixture
def model(artifact, session):
    """`model(**words)`: an MXNetModel of that file and train.py."""
    from sagemaker.mxnet import MXNetModel

    def make(**words):
        settings = {"framework_version": "1.9.0", "py_version": "py38", "sagemaker_session": session}
        return MXNetModel(f"file://{artifact}", "any", "train.py", **{**settings, **words})

    return make


@pytest.fixture
def deploy(model):
    """`deploy(**words)`: a predictor of that model."""
    return lambda **words: model().deploy(1, "local", **words)


@pytest.fixture
def seen():
    """`seen(session, uri)`: what the script of a job saw, from its model."""
    import json
    import tarfile
    import tempfile
    from pathlib import Path

    from launcher.sdk_session import places

    def read(session, uri):
        with tempfile.TemporaryDirectory() as scratch:
            path = places.fetch_file(session, uri, Path(scratch) / "model")
            with tarfile.open(path) as archive:
                return json.load(archive.extractfile("seen.json"))

    return read


@pytest.fixture
def no_instance(quiet, monkeypatch):
    """Where a call needs credentials, botocore asks whether this machine is an EC2 instance: not this time."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
