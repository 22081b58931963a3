"""What a job would do, told without running it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from launcher import idx, library, plan, scaling
from launcher.errors import UserError
from launcher.job import Channel, TrainingJob


@pytest.fixture
def images(tmp_path):
    directory = tmp_path / "images"
    directory.mkdir()
    idx.write(directory / "train-images-idx3-ubyte", np.ones((50, 6, 5), np.uint8))
    idx.write(directory / "train-labels-idx1-ubyte", np.ones(50, np.uint8))
    return directory


def mlp(images, hosts=1, **values):
    channels = {"training": Channel(images)}
    return TrainingJob(library.built_in()["mnist_mlp"], hyperparameters=values, channels=channels, hosts=hosts)


def test_an_entry_point_is_told_with_its_net_its_values_and_its_speed(images):
    found = plan.plan(mlp(images, hosts=3, hidden=[7], batch_size_per_host=10))
    assert found.channels["training"].files == 2
    assert found.channels["training"].bytes == 16 + 50 * 30 + 8 + 50
    assert found.net.samples == 50
    assert found.net.values["hidden"] == [7]
    assert found.net.values["epochs"] == 10  # a default
    assert found.net.size == scaling.Net(30 * 7 + 7 + 7 * 10 + 10, 30 * 7 + 7 * 10, 0)
    assert (found.net.batch_size(3), found.net.steps(3)) == (30, 2)
    assert [speed.machine for speed in found.speeds][:2] == ["this machine", "ml.m5.xlarge"]
    assert all(len(speed.samples_per_second) == 3 for speed in found.speeds)


def test_a_recommender_is_told_with_its_net_but_without_a_speed(tmp_path, glaunch):
    (tmp_path / "mine.csv").write_text("".join(f"user {i % 5},item {i % 7},{1 + i % 3}\n" for i in range(35)))
    values = {"content": False, "bayesian": False, "factors": 3, "holdout": 0}
    job = TrainingJob(
        library.built_in()["matrix_factorization"], hyperparameters=values, channels={"training": Channel(tmp_path)}
    )
    found = plan.plan(job)
    assert found.net.samples == 35
    assert found.net.size == scaling.Net((5 + 7) * (3 + 1), 0, 0)
    assert (found.net.values["batch_size"], found.net.steps(1)) == (35, 1)
    assert found.speeds == []
    words = ("plan", "matrix_factorization", "--data", tmp_path, "-p", "content=false", "-p", "model=mlp")
    told = glaunch(*words).stdout
    assert "800 multiply-adds a sample" in " ".join(told.split())
    assert "Its speed is not known without running it" in told
    assert "has no u1.base" in glaunch(*words, "-p", "split=u1", status=2).stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [({"hiden": [7]}, "did you mean 'hidden'"), ({"epochs": 0}, "epochs must be at least 1")],
)
def test_what_the_job_would_fail_of_is_told(images, values, said):
    with pytest.raises(UserError, match=said) as error:
        plan.plan(mlp(images, **values))
    assert error.value.exit_status == 2


def test_data_that_the_job_could_not_read_are_told(tmp_path):
    (tmp_path / "file").write_text("no image")
    with pytest.raises(UserError, match="expected train-images-idx3-ubyte"):
        plan.plan(mlp(tmp_path))


def test_a_script_of_somebody_else_is_not_run_and_its_speed_is_not_known(script, tmp_path):
    path = script(f"open({str(tmp_path / 'sign')!r}, 'w')\ndef train():\n    pass\n")
    found = plan.plan(TrainingJob(path, hyperparameters={"a": 1}))
    assert found.runs_as == "train() and save() of the older kind"
    assert (found.net, found.speeds) == (None, [])
    assert not (tmp_path / "sign").exists()


def test_the_command_tells_it_to_people_and_to_scripts(glaunch, script, images):
    assert "is not known without running it" in glaunch("plan", script("print(1)\n"), "--hosts", 2).stdout
    words = ("plan", "mnist_mlp", "--data", images, "-p", "batch_size=10", "--hosts", 2)
    told = glaunch(*words).stdout
    assert "A model, not a measurement" in told
    assert "ml.c5n.xlarge" in told
    content = json.loads(glaunch(*words, "--json").stdout)
    assert content["hyperparameters"]["batch_size"] == 10
    assert content["net"]["samples"] == 50
    assert content["deadlines"]["start"] == 300
    assert "hidden" in glaunch("plan", "mnist_mlp", "--data", images, "-p", "hiden=[1]", status=2).stderr
