import os
import time

import numpy as np
import pytest

from gluon_job.checkpoint import Checkpoints, Interval, interval, of_this_job
from gluon_job.errors import InputError

ARRAYS = {"weights": np.arange(3, dtype=np.float32)}


def write(checkpoints, *epochs):
    for epoch in epochs:
        checkpoints.write(epoch, {"epoch": epoch}, {"weights": ARRAYS["weights"] + epoch})


def test_the_last_checkpoint_comes_back_as_it_was_written(tmp_path):
    checkpoints = Checkpoints(str(tmp_path / "made"))
    assert checkpoints.latest() is None
    write(checkpoints, 0, 1)
    about, arrays = Checkpoints(str(tmp_path / "made")).latest()
    assert about == {"epoch": 1}
    assert arrays["weights"].dtype == np.float32
    assert arrays["weights"].tolist() == [1, 2, 3]


def test_only_the_last_ones_are_kept(tmp_path):
    write(Checkpoints(str(tmp_path), keep=2), 0, 1, 9, 10, 11)
    assert sorted(os.listdir(tmp_path)) == ["epoch-000010.npz", "epoch-000011.npz"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.95])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, capfd, keep):
    write(Checkpoints(str(tmp_path)), 4, 5)
    path = tmp_path / "epoch-000005.npz"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    assert Checkpoints(str(tmp_path)).latest()[0] == {"epoch": 4}
    assert "epoch-000005.npz is damaged" in capfd.readouterr().err


def test_pickles_are_never_read(tmp_path, capfd):
    np.savez(tmp_path / "epoch-000001.npz", about=np.array([object()], dtype=object))
    assert Checkpoints(str(tmp_path)).latest() is None
    assert "damaged" in capfd.readouterr().err


def test_a_checkpoint_that_cannot_be_written_leaves_nothing_and_the_training_goes_on(tmp_path, capfd, monkeypatch):
    checkpoints = Checkpoints(str(tmp_path))
    write(checkpoints, 0)

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    write(checkpoints, 1)
    assert os.listdir(tmp_path) == ["epoch-000000.npz"]
    assert "No space left on device; the training goes on" in capfd.readouterr().err


def test_what_is_not_a_checkpoint_is_left_alone(tmp_path):
    (tmp_path / "epoch-000009.npz.part").write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    checkpoints = Checkpoints(str(tmp_path), keep=1)
    assert checkpoints.latest() is None
    write(checkpoints, 1, 2)
    assert sorted(os.listdir(tmp_path)) == ["epoch-000002.npz", "epoch-000009.npz.part", "notes.txt"]


def test_one_is_due_after_so_many_epochs(tmp_path):
    checkpoints = Checkpoints(str(tmp_path), Interval(2, seconds=False))
    assert [checkpoints.is_due(epoch) for epoch in range(4)] == [False, True, False, True]
    assert not Checkpoints(str(tmp_path)).is_due(1)


def test_one_is_due_after_so_many_seconds(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(str(tmp_path), Interval(30, seconds=True))
    due = []
    for epoch, now[0] in enumerate([120.0, 130.0, 140.0, 165.0]):
        due.append(checkpoints.is_due(epoch))
        if due[-1]:
            write(checkpoints, epoch)
    assert due == [False, True, False, True]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2", (2, False)),
        ("1 epoch", (1, False)),
        ("3 epochs", (3, False)),
        ("30s", (30, True)),
        ("0.5 seconds", (0.5, True)),
    ],
)
def test_an_interval_is_in_epochs_or_seconds(text, meant):
    assert interval(text) == meant


@pytest.mark.parametrize("text", ["0", "0s", "1.5", "often", "-1", "5 minutes", ""])
def test_any_other_interval_is_refused(text):
    with pytest.raises(InputError, match="expected a number of epochs"):
        interval(text)


def test_the_environment_says_where_and_how_often(tmp_path):
    variables = {"SAGEMAKER_BASE_DIR": str(tmp_path), "GLAUNCH_CHECKPOINT_EVERY": "2", "GLAUNCH_CHECKPOINT_KEEP": "1"}
    checkpoints = of_this_job(variables)
    write(checkpoints, 1, 3)
    assert checkpoints.is_due(1)
    assert os.listdir(tmp_path / "checkpoints") == ["epoch-000003.npz"]
    assert not of_this_job({"SAGEMAKER_BASE_DIR": str(tmp_path)}).are_written
