"""`glaunch export` leaves a file that answers as the run's model, or none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import archive, export, library
from launcher.errors import JobFailed, UserError

pytest.importorskip("onnxruntime")

SAVE = """
import sys
from gluon_job import artifact
from gluon_job.compat import mx

nn = mx.gluon.nn
net = nn.HybridSequential()
net.add(*eval(sys.argv[2]))
net.initialize(mx.init.Xavier())
artifact.save(net, sys.argv[1], (1, 6, 6), list("abc"))
"""


@pytest.fixture
def trained(recorded, tmp_path):
    """`trained("[nn.Dense(3)]")`: a run that ended with such a network."""

    def make(layers="[nn.Dense(3)]"):
        run, model = recorded(), tmp_path / "model"
        model.mkdir()
        subprocess.run(
            [sys.executable, "-c", SAVE, model, layers],
            env={"PYTHONPATH": str(library.directory())},
            timeout=60,
            check=True,
        )
        archive.pack(model, run.model)
        return run

    return make


def check(path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [answer] = session.run(None, {"data": [[[[0.5] * 6] * 6]] * 4})
    assert answer.shape == (4, 3)


def test_the_command_says_where_the_file_is_and_how_near_its_answers_are(trained, glaunch, tmp_path):
    run = trained()
    done = glaunch("export", run.name, "--to", "onnx")
    assert f"{run.folder / 'model.onnx'}: answers as MXNet on 100 random samples" in done.stdout
    check(run.folder / "model.onnx")
    content = json.loads(glaunch("export", "--output", tmp_path / "digits.onnx", "--json").stdout)
    assert content["path"] == str(tmp_path / "digits.onnx")
    assert content["difference"] < 1e-4
    check(tmp_path / "digits.onnx")


def test_a_network_that_cannot_be_converted_leaves_no_file(trained, tmp_path):
    run = trained("[nn.Conv2D(2, 3), nn.GroupNorm(2), nn.Dense(3)]")
    with pytest.raises(JobFailed, match="no ONNX was made: MXNet cannot convert it"):
        export.to_onnx(run, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
    assert not [path for path in run.folder.iterdir() if "onnx" in path.name]


def test_a_file_that_cannot_be_written_is_said_at_once(trained, tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*nowhere/x\.onnx: No such file"):
        export.to_onnx(trained(), tmp_path / "nowhere" / "x.onnx")


def test_a_run_without_a_model_is_told_from_one_that_fails(recorded):
    with pytest.raises(UserError, match="has no model: it is Failed"):
        export.to_onnx(recorded(state="Failed"))
