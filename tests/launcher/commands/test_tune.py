"""`glaunch tune` and `glaunch tunings`, on this machine."""

from __future__ import annotations

import json

import pytest

from launcher.run import Run
from launcher.tuning import study

SCRIPT = """
    import json, os

    if __name__ == "__main__":
        values = json.loads(os.environ["SM_HPS"])
        score = values["x"] + (1 if values.get("net") == "deep" else 0)
        print(f"[Epoch 0] Validation: accuracy={score}")
        print(f"[Epoch 0] Validation: loss={10 - score}")
        open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w").close()
"""


@pytest.fixture
def train(script):
    return script(SCRIPT, "train.py")


def test_a_search_is_told_trial_by_trial_then_as_a_table_with_the_next_command(run, train):
    words = ["--param", "x=int:1:3", "--param", "net=choice:deep,flat", "--jobs", 6, "--parallel", 2, "--seed", 1]
    done = run("tune", train, *words)
    [one] = study.every()
    assert f"{one.name}: 6 trials, 2 at a time, for the highest validation:accuracy" in done.stderr
    assert sum(line.startswith("trial ") for line in done.stderr.splitlines()) == 6
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["trial", "validation:accuracy", "x", "net", "took", "state", "run"]
    assert lines[1].split()[1:4] == ["4.0000", "3", "deep"]
    assert [float(line.split()[1]) for line in lines[1:7]] == [4, 3, 3, 2, 2, 1]
    assert f"Completed {one.name}; 6 of 6 trials completed" in done.stdout
    assert f"best: trial {one.best.number}, validation:accuracy 4.0000 with x=3 net=deep" in done.stdout
    assert lines[-1] == f"glaunch deploy {one.best.run}"
    assert one.chart.read_bytes().startswith(b"\x89PNG")
    assert json.loads(run("ls", "--json").stdout)[0]["name"] in {trial.run for trial in one.trials}
    assert "the highest" not in run("tunings", one.name).stdout
    assert run("tunings", one.name).stdout == done.stdout
    assert "6/6" in run("tunings").stdout


def test_as_json_it_is_one_document(run, train):
    words = ["--param", "x=int:1:3", "--jobs", 2, "--objective", "validation:loss", "--json"]
    told = json.loads(run("tune", train, *words).stdout)
    assert told["search"]["minimize"] is True
    assert told["best"]["objective"] == min(one["objective"] for one in told["trials"])
    assert told["on"] == "local"
    assert json.loads(run("tunings", told["name"], "--json").stdout) == told
    assert json.loads(run("tunings", "--json").stdout) == [told]


def test_a_search_without_a_result_exits_with_1(run, script):
    broken = script("raise SystemExit(3)\n")
    done = run("tune", broken, "--param", "x=int:1:99", "--jobs", 2, status=1)
    assert "0 of 2 trials completed, 2 failed" in done.stdout
    assert f"glaunch explain {study.find().trials[0].run}" in done.stdout


def test_its_record_is_deleted_and_the_runs_stay(run, train):
    run("tune", train, "--param", "x=int:1:99", "--jobs", 1)
    name = study.find().name
    assert "the runs of its trials stay" in run("tunings", name, "--rm").stdout
    assert study.every() == []
    assert len(Run.all()) == 1
    assert "no tunings yet" in run("tunings").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to tune: give at least one --param"),
        (["--param", "x=1"], "--param x=1: '1' is no range"),
        (["--param", "x=int:1:99", "-p", "x=3"], "x has a value by -p and a range by --param"),
        (["--param", "x=int:1:99", "--objective", "accuracy"], "--objective accuracy: there is no such metric"),
        (["--param", "x=int:1:2", "--jobs", "5"], "only 2 combinations of these values; --jobs 2"),
        (["--param", "x=int:1:99", "--detach"], "--detach: a search on this machine ends with this command"),
        (["--param", "x=int:1:99", "--spot"], "--spot: only a job on SageMaker has it"),
        (["--param", "x=int:1:99", "--data", "s3://a-bucket/x"], "are in S3: run the job with --on aws"),
    ],
)
def test_what_is_wrong_with_the_words_leaves_no_trace(run, train, words, message):
    assert message in run("tune", train, *words, status=2).stderr
    assert study.every() == []
    assert Run.all() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tune"], "which job? name a script"),
        (["tunings", "nothing"], "no tunings yet"),
        (["tunings", "--stop"], "which one? `glaunch tunings NAME --stop`"),
    ],
)
def test_wrong_use_says_what_to_do(run, words, message):
    assert message in run(*words, status=2).stderr


def test_one_that_is_over_is_not_stopped(run, train):
    run("tune", train, "--param", "x=int:1:99", "--jobs", 1)
    assert "is over: it is Completed" in run("tunings", study.find().name, "--stop", status=2).stderr


def test_a_record_of_a_newer_glaunch_is_refused(run, train):
    run("tune", train, "--param", "x=int:1:99", "--jobs", 1)
    path = study.find().folder / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    assert "made by a newer glaunch (format 99): update" in run("tunings", status=2).stderr
