"""Jobs and endpoints from Python."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import launcher
from launcher.errors import JobFailed, UserError
from launcher.run import COMPLETED, IN_PROGRESS, STOPPED, STOPPING, Run

SCRIPT = """
    import os, time

    def train(hyperparameters, channel_input_dirs, hosts, current_host):
        for epoch in range(hyperparameters["epochs"]):
            print(f"[Epoch {epoch}] Training: accuracy=0.{epoch + 1}", flush=True)
        print("sees", sorted(os.listdir(channel_input_dirs["extra"])), hyperparameters["words"], flush=True)
        while not os.path.exists(hyperparameters.get("go", "/")):
            time.sleep(0.02)
        if hyperparameters.get("fails"):
            raise ValueError("it does not learn")
        return epoch

    def save(net, model_dir):
        with open(os.path.join(model_dir, "net"), "w") as file:
            file.write(str(net))
"""


@pytest.fixture
def words(script, tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "a.txt").touch()
    return {"script": script(SCRIPT), "channels": {"extra": tmp_path / "extra"}}


def test_a_job_gets_its_values_typed_and_gives_its_measurements(words):
    run = launcher.train(**words, hyperparameters={"epochs": 3, "words": ["a=b", 1.5, None]}, name="mine")
    assert run.status.state == COMPLETED
    assert run.name.startswith("mine-")
    assert run.model.is_file()
    assert launcher.history(run) == {"train:accuracy": [0.1, 0.2, 0.3]}
    assert "sees ['a.txt'] ['a=b', 1.5, None]" in run.log("algo-1").read_text()


def test_a_detached_job_is_followed_while_it_runs(words, tmp_path):
    go = tmp_path / "go"
    run = launcher.train(**words, hyperparameters={"epochs": 1, "words": 0, "go": str(go)}, hosts=2, detach=True)
    try:
        seen = set()
        for host, line in launcher.follow(run):
            if line.startswith("sees"):
                assert run.status.state == IN_PROGRESS
                seen.add(host)
            if len(seen) == 2:
                go.touch()
        assert seen == {"algo-1", "algo-2"}
        assert launcher.wait(run).status.state == COMPLETED
    finally:
        run.stop()


def test_a_job_that_fails_raises_its_reason(words):
    with pytest.raises(JobFailed, match=r"(?s)ValueError: it does not learn.*glaunch explain"):
        launcher.train(**words, hyperparameters={"epochs": 1, "words": 0, "fails": True})
    with pytest.raises(UserError, match="did you mean mnist_mlp"):
        launcher.train("mnist_mpl")
    assert len(Run.all()) == 1


def test_a_job_that_is_interrupted_ends(words, monkeypatch):
    wait = subprocess.Popen.wait

    def interrupted(process, timeout=None):
        monkeypatch.setattr(subprocess.Popen, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        launcher.train(**words, hyperparameters={"epochs": 1, "words": 0, "go": "/never"})
    [run] = Run.all()
    try:
        assert run.status.state in (STOPPING, STOPPED)
        with pytest.raises(JobFailed, match="Stopped"):
            launcher.wait(run)
    finally:
        run.stop()


def test_a_trained_digit_classifier_is_served_by_its_run_its_name_or_its_file(tmp_path):
    run = launcher.train("mnist_mlp", {"hidden": [8], "epochs": 1, "threads": 1})
    images = np.random.RandomState(0).randint(256, size=(2, 1, 28, 28)).astype(np.uint8)
    with launcher.deploy(run) as endpoint:
        assert endpoint.name == "mnist-mlp"
        wanted = endpoint.predict(images)
    assert wanted.shape == (2, 10)
    assert not endpoint.folder.exists()
    for model in (run.name, run.model, str(run.model)):
        with launcher.deploy(model, "digits", workers=2) as endpoint:
            assert endpoint.name == "digits"
            assert len(endpoint.status.workers) == 2
            assert (endpoint.predict(images) == wanted).all()


def test_the_functions_are_imported_when_they_are_used_and_nothing_heavy_with_them():
    code = (
        "import sys, launcher\n"
        "assert 'launcher.api' not in sys.modules\n"
        "launcher.train\n"
        "heavy = {'mxnet', 'boto3', 'sagemaker', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(launcher.__all__) <= {*dir(launcher), *dir(sys.modules['launcher.api'])}\n"
        "try:\n    launcher.nothing\nexcept AttributeError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.stdout.strip() == "module 'launcher' has no attribute 'nothing'", done.stderr
