"""The verbs of endpoints, as a person types them: a real model, trained, deployed, called, loaded and removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from launcher.local.endpoint import Endpoint

ECHO = """
import json

def model_fn(model_dir):
    return None

def transform_fn(net, data, content_type, accept):
    return json.dumps({"got": json.loads(data)})
"""


@pytest.fixture
def echo(tmp_path):
    """A model.tar.gz whose script sends JSON back."""
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "inference.py").write_text(ECHO)
    with tarfile.open(tmp_path / "echo.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model", ".")
    return tmp_path / "echo.tar.gz"


@pytest.fixture
def tidy():
    """Removes every endpoint at the end."""
    yield
    for endpoint in Endpoint.all():
        endpoint.remove()


@pytest.fixture
def deploy_in_front(echo, tmp_path):
    """`deploy_in_front(*words)`: a running `glaunch deploy`, killed at the end; it has printed where it serves."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-m", "launcher", "deploy", str(echo), "--port", "0", *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def serving(home):
    return [path.name for path in (home / "endpoints").iterdir()] if (home / "endpoints").exists() else []


def processes_below(home):
    """The command lines of all processes that know this home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(home / "endpoints") in words:
            found.append(words.split(b"\0"))
    return found


def test_a_trained_model_is_deployed_called_measured_and_removed(glaunch, tmp_path, home, tidy):
    glaunch("run", "mnist_mlp", "-p", "epochs=2", "-p", "hidden=[32]")
    deployed = glaunch("deploy", "--detach", "--port", 0)
    assert deployed.stdout.startswith("mnist-mlp serves at http://127.0.0.1:")
    [listed] = json.loads(glaunch("endpoints", "--json").stdout)
    assert (listed["name"], listed["state"], len(listed["workers"]), listed["restarts"]) == (
        "mnist-mlp",
        "InService",
        1,
        0,
    )
    assert listed["url"] in deployed.stdout
    assert "InService" in glaunch("endpoints").stdout

    [images_path] = (home / "cache").rglob("t10k-images-idx3-ubyte")
    [labels_path] = (home / "cache").rglob("t10k-labels-idx1-ubyte")
    images = np.frombuffer(images_path.read_bytes()[16:], np.uint8).reshape(-1, 28, 28)
    labels = np.frombuffer(labels_path.read_bytes()[8:], np.uint8)
    lines = glaunch("predict", "mnist-mlp", f"{images_path}:0-99").stdout.splitlines()
    assert len(lines) == 100
    right = sum(line.split("]: ")[1].split()[0] == str(label) for line, label in zip(lines, labels))
    assert right > 70

    np.save(tmp_path / "two.npy", images[:2])
    np.savetxt(tmp_path / "two.csv", images[:2].reshape(2, -1), fmt="%d", delimiter=",")
    (tmp_path / "two.json").write_text(json.dumps(images[:2].tolist()))
    files = [tmp_path / f"two.{kind}" for kind in ("npy", "csv", "json")]
    answers = json.loads(glaunch("predict", "mnist-mlp", *files, "--json").stdout)
    predicted = [[one["class"] for one in answer["answer"]["predictions"]] for answer in answers]
    assert predicted == [[int(line.split("]: ")[1][0]) for line in lines[:2]]] * 3
    probabilities = Endpoint.find("mnist").predict(images[:3])
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (3, 10))
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)

    steps = json.loads(glaunch("bench", "mnist-mlp", "--connections", "1,8", "--seconds", 0.5, "--json").stdout)
    assert [step["connections"] for step in steps] == [1, 8]
    assert all(step["answers"] > 0 and step["errors"] == {} and 0 < step["p50"] <= step["p99"] for step in steps)

    assert glaunch("rm", "mnist-mlp").stdout == "deleted mnist-mlp\n"
    assert serving(home) == []
    assert processes_below(home) == []
    assert len(json.loads(glaunch("ls", "--json").stdout)) == 1


def test_ctrl_c_ends_an_endpoint_in_front_and_nothing_is_left(deploy_in_front, home):
    process, line = deploy_in_front()
    url = line.split(" at ")[1].split()[0]
    request = urllib.request.Request(url + "invocations", b"[1]", {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert json.load(opener.open(request, timeout=20)) == {"got": [1]}
    while "POST /invocations 200 " not in (line := process.stdout.readline()):
        assert line, "the access log is not shown"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=40)
    assert process.returncode == 130
    assert "stopping echo" in error
    assert serving(home) == []
    assert processes_below(home) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_an_endpoint_in_front_goes_with_its_command_however_that_ends(deploy_in_front, home, wait_until, number):
    process, _ = deploy_in_front()
    process.send_signal(number)
    process.wait(20)
    wait_until(lambda: not processes_below(home))
    assert serving(home) == []


def test_an_endpoint_in_front_whose_keeper_is_killed_says_so(deploy_in_front, home):
    process, _ = deploy_in_front("--json")
    os.kill(Endpoint.find("echo").status.keeper[0], signal.SIGKILL)
    _, error = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "was killed" in error
    assert serving(home) == []
    assert processes_below(home) == []


def test_an_endpoint_in_front_that_is_removed_from_elsewhere_ends_well(deploy_in_front, glaunch):
    process, _ = deploy_in_front()
    glaunch("rm", "echo")
    assert process.wait(20) == 0


def test_names_are_made_from_the_file_and_numbered(glaunch, echo, tidy):
    for name in ("echo", "echo-2"):
        assert json.loads(glaunch("deploy", echo, "--port", 0, "--detach", "--json").stdout)["name"] == name
    refused = glaunch("deploy", echo, "--name", "echo", status=2)
    assert "endpoint echo is running: give another --name" in refused.stderr


def test_json_of_a_script_is_printed_as_it_is(glaunch, echo, tmp_path, tidy):
    glaunch("deploy", echo, "--port", 0, "--detach")
    (tmp_path / "x.json").write_text('{"a": [1]}')
    assert glaunch("predict", "echo", tmp_path / "x.json").stdout == f'{tmp_path / "x.json"}: {{"got": {{"a": [1]}}}}\n'
    refused = glaunch("bench", "echo", status=2)
    assert "does not say what it takes: give a file" in refused.stderr
    (tmp_path / "bad.json").write_text("{")
    failed = glaunch("predict", "echo", tmp_path / "bad.json", status=1)
    assert "HTTP status" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_dead_endpoint_is_listed_with_its_reason_and_removed(glaunch, echo, home, wait_until, tidy):
    glaunch("deploy", echo, "--port", 0, "--detach")
    os.kill(Endpoint.find("echo").status.keeper[0], signal.SIGKILL)
    wait_until(lambda: not processes_below(home))
    [listed] = json.loads(glaunch("endpoints", "--json").stdout)
    assert (listed["state"], listed["workers"]) == ("Failed", [])
    assert "killed" in listed["reason"]
    assert "echo is Failed" in glaunch("bench", "echo", status=2).stderr
    glaunch("rm", "echo")
    assert glaunch("endpoints").stdout == "no endpoints yet: try `glaunch deploy`\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["deploy"], "no runs in"),
        (["deploy", "gone.tar.gz"], "no model at gone.tar.gz"),
        (["deploy", "model.tar.gz", "--port", "70000"], "port 70000: expected 0 to 65535"),
        (["predict", "x", "digit.png"], "cannot read digit.png: No such file"),
        (["bench", "x"], "no endpoints here: start one with `glaunch deploy RUN`"),
        (["rm", "x"], "no runs in"),
    ],
)
def test_what_is_not_there_is_named(glaunch, words, reason):
    assert reason in glaunch(*words, status=2).stderr


def test_a_run_that_left_no_model_cannot_be_deployed(glaunch, script):
    glaunch("run", script("if True:\n    raise ValueError\n"), status=1)
    assert "left no model: it is Failed" in glaunch("deploy", status=2).stderr
