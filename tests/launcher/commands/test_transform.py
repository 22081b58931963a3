"""`glaunch transform` on this machine, with a model that was trained here."""

from __future__ import annotations

import json

import pytest
from endpoint_models import ECHO, pack


@pytest.fixture
def model(tmp_path):
    return pack(tmp_path, "echo", serve=ECHO)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "a.json").write_text("[1]")
    (folder / "b.json").write_text("no JSON")
    return folder


def test_a_model_is_tuned_and_the_best_transforms_a_file(glaunch, tmp_path):
    """The real thing: MXNet trains and serves."""
    words = ["--param", "learning_rate=log:0.005:0.05", "--jobs", 2, "-p", "epochs=1", "-p", "hidden=[16]"]
    tuned = json.loads(glaunch("tune", "mnist_mlp", *words, "--seed", 1, "--json").stdout)
    assert [trial["state"] for trial in tuned["trials"]] == ["Completed", "Completed"]
    assert tuned["best"]["objective"] > 0.3
    digits = tmp_path / "digits.csv"
    digits.write_text((",".join(["0.5"] * 784) + "\n") * 3)
    words = ["--split", "Line", "--batch", 1, "--output", tmp_path / "out", "--json"]
    told = json.loads(glaunch("transform", tuned["best"]["run"], digits, *words).stdout)
    lines = (tmp_path / "out" / "digits.csv.out").read_text().splitlines()
    assert told == [{"file": "digits.csv", "output": str(tmp_path / "out" / "digits.csv.out"), "error": None}]
    assert [len(json.loads(line)["predictions"][0]["probabilities"]) for line in lines] == [10, 10, 10]


def test_a_file_that_fails_fails_the_command_and_is_named(run, model, files, tmp_path):
    failed = run("transform", model, files, "--output", tmp_path / "out", status=1)
    assert "1 of 2 files failed; the other 1 are in" in failed.stderr
    assert "  b.json: " in failed.stderr
    assert json.loads((tmp_path / "out" / "a.json.out").read_text()) == {"got": [1]}
    told = json.loads(run("transform", model, files, "--output", tmp_path / "out", "--json", status=1).stdout)
    assert [(one["file"], bool(one["error"])) for one in told] == [("a.json", False), ("b.json", True)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing/"], "cannot read"),
        (["s3://a-bucket/x"], "s3://a-bucket/x is in S3: --on aws reads it"),
        (["input", "--batch", "2"], "--batch counts the records of a request"),
        (["input", "--instances", "2"], "--instances: add --on aws"),
        (["input", "--tag", "a=b"], "--tag: add --on aws"),
        (["input", "--max-run", "9"], "--max-run: add --on aws"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_served(run, model, files, monkeypatch, words, message):
    monkeypatch.chdir(files.parent)
    assert message in run("transform", model, *words, status=2).stderr


def test_a_model_that_is_not_there_is_told(run, files, tmp_path):
    words = ["--content-type", "application/json"]
    assert "no model at" in run("transform", tmp_path / "none.tar.gz", files, *words, status=2).stderr
    assert "no runs in" in run("transform", "a-run", files, *words, status=2).stderr
