"""AWS's own model server serves what ours serves, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from launcher.errors import JobFailed, UserError
from launcher.local.endpoint import Endpoint
from launcher.local.service import Settings

MMS = Settings(server="mms", load_limit=120.0)


@pytest.fixture
def server():
    """Java and AWS's packages. Without them the tests are skipped, and fail in CI."""
    if shutil.which("java") and importlib.util.find_spec("mms"):
        return
    reason = "no Java or no multi-model-server: run `make debian`, and install the extra `mms`"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def artifact(glaunch):
    """A model of ours, trained."""
    return Path(json.loads(glaunch("run", "mnist_mlp", "-p", "epochs=1", "--json").stdout)["model"])


def processes_of(folder):
    """The ids of all processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(folder) in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.usefixtures("server")
def test_it_answers_as_our_own_server_and_dies_with_its_keeper(artifact):
    images = np.random.RandomState(1).randint(0, 256, (5, 28, 28))
    with Endpoint.start(artifact, "ours", Settings(port=0)) as ours, ours.client as client:
        expected = json.loads(client.invoke(json.dumps(images.tolist()).encode()).body)
    theirs = Endpoint.start(artifact, "theirs", MMS, detach=True)
    try:
        found = theirs.predict(images)
        assert [answer["class"] for answer in found["predictions"]] == [one["class"] for one in expected["predictions"]]
        for answer, one in zip(found["predictions"], expected["predictions"]):
            assert answer["probabilities"] == pytest.approx(one["probabilities"], abs=5e-7)
        assert len(processes_of(theirs.folder)) >= 3  # the keeper, Java, and a Python worker
        os.kill(theirs.status.keeper[0], signal.SIGKILL)
        theirs.remove()
        until = time.monotonic() + 20
        while processes_of(theirs.folder):
            assert time.monotonic() < until, "processes are left"
            time.sleep(0.05)
    finally:
        theirs.remove()


@pytest.mark.usefixtures("server")
def test_a_model_that_it_cannot_load_fails_the_endpoint_and_its_log_says_why(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text("def model_fn(model_dir):\n    raise ValueError('of mine')\n")
    with tarfile.open(tmp_path / "broken.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "code", "code")
    with pytest.raises(JobFailed, match="broken does not serve: ValueError: of mine"):
        Endpoint.start(tmp_path / "broken.tar.gz", "broken", MMS)
    (endpoint,) = Endpoint.all()
    assert "ValueError: of mine" in endpoint.log("worker").read_text()
    assert processes_of(endpoint.folder) == []
    endpoint.remove()


def test_what_it_cannot_do_is_refused():
    for values, message in (
        ({"runtime": "onnx"}, "MXNet's runtime only"),
        ({"host": "0.0.0.0"}, "listens on 127.0.0.1"),
        ({"port": 40000}, "ports up to 32766"),
    ):
        with pytest.raises(UserError, match=message):
            Settings(server="mms", **values)


def test_without_java_it_is_told_what_to_install(artifact, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JobFailed, match="needs Java: install a JRE"):
        Endpoint.start(artifact, "theirs", MMS)
    Endpoint(Endpoint.all()[0].folder).remove()
