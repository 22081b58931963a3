"""`glaunch report` as a user calls it, on runs of every kind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from launcher.cloud.record import Record
from launcher.commands import report as command
from launcher.errors import UserError
from launcher.job import TrainingJob
from launcher.report import comparison, curves, page, run_report
from launcher.run import COMPLETED, FAILED, STOPPED, Run, Status

pytestmark = pytest.mark.timeout(400)  # the first test trains the model

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture
def copied(digits, home):
    """`copied(name, change=None)`: a copy of the digits' run, after change(what its job.yaml says)."""

    def copy(name, change=None):
        folder = home / "runs" / name
        shutil.copytree(digits["folder"], folder, symlinks=True)
        job = yaml.safe_load((folder / "job.yaml").read_text())
        if change:
            change(job)
        (folder / "job.yaml").write_text(yaml.safe_dump(job))
        return Run(folder)

    return copy


def html_of(document):
    return page.render(document)


def test_the_report_is_in_the_runs_folder_and_says_where(reported, digits):
    assert Path(reported["path"]) == Path(digits["folder"]) / "report" / "index.html"
    assert reported["run"] == digits["name"]
    assert reported["problems"] == []
    assert reported["samples"] == 1000
    assert all(Path(path).parent == Path(reported["path"]).parent for path in reported["figures"])


def test_a_report_does_without_mxnet_in_its_own_process_and_leaves_nothing_behind(digits, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code = (
        "import sys\nfrom launcher.cli import cli\n"
        f"cli(['report', {digits['name']!r}, '--output', {str(tmp_path / 'out')!r}], standalone_mode=False)\n"
        "print([m for m in ('mxnet', 'boto3', 'sagemaker') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GLAUNCH_HOME": str(digits["home"]), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=True,
    )
    index, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert Path(index) == tmp_path / "out" / "index.html"
    assert list(scratch.iterdir()) == []


def test_a_failed_run_has_a_report_with_its_cause_and_what_it_said_is_text(glaunch, script, tmp_path, open_page):
    path = script(f"""
        def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
            print("[Epoch 0] Training: loss=2.5")
            print("[Epoch 0] mine: 0.25")
            raise ValueError({HOSTILE!r})
    """)
    job = {
        "entry_point": str(path),
        "hyperparameters": {HOSTILE: HOSTILE, "a$b_c$": "$x_1$"},
        "metrics": {f"my {HOSTILE[:100]}": "mine: ([0-9.]+)"},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    glaunch("run", tmp_path / "job.yaml", status=1)
    made = json.loads(glaunch("report", "--json").stdout)
    assert made["state"] == "Failed"
    shown = open_page(made["path"], 390)
    assert shown.title.startswith("script-")
    assert shown.execute_script("return document.querySelectorAll('script').length") == 1
    assert shown.find_elements("css selector", "img[src=x]") == []
    assert shown.execute_script("return document.documentElement.scrollWidth") == 390
    cause = shown.find_element("id", "cause").text
    assert f"ValueError: {HOSTILE}" in cause
    assert f"{path}, line 5, in train" in cause
    assert HOSTILE in shown.find_element("id", "identity").text
    assert "my </script>" in shown.find_element("css selector", "#training figcaption:nth-child(1), #training").text
    assert shown.find_elements("id", "mistakes") == []
    names = sorted(Path(figure).name for figure in made["figures"])
    assert len(names) == 2
    assert names[0] == "loss.png"
    assert all(Path(figure).parent == Path(made["path"]).parent for figure in made["figures"])


def test_without_its_data_a_report_says_so_and_has_the_rest(copied, tmp_path):
    def lose(job):
        job["channels"]["training"]["source"] = str(tmp_path / "gone")

    document = run_report.make(copied("lost", lose))
    [problem] = document.summary["problems"]
    assert f"there is nothing at {tmp_path / 'gone'}" in problem
    assert {figure.name for figure in document.figures} == {"loss", "accuracy", "speed", "learning-rate"}
    html = html_of(document)
    assert 'id="model"' in html
    assert 'id="mistakes"' not in html
    assert "there is nothing at" in html


def test_data_that_changed_after_the_run_are_told(copied, digits, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(digits["home"] / "<b>digits", data)
    for path in data.rglob("*"):
        os.utime(path, (1e9, 1e9))
    os.utime(data / "labels.txt", None)
    document = run_report.make(copied("changed", lambda job: job["channels"]["training"].update(source=str(data))))
    [channel] = document.content["data"]
    assert [file.name for file in channel.files if file.is_newer] == ["labels.txt"]
    assert "changed since the run began" in html_of(document)


def test_a_stopped_run_with_a_damaged_record_has_its_curves(recorded):
    run = recorded(
        state=STOPPED, started=1.0, ended=3.5, log="Training on 100 samples: 9 epochs of 4 batches, 1 parameter"
    )
    lines = [{"name": "train:loss", "host": "algo-1", "epoch": epoch, "value": 1 / (epoch + 1)} for epoch in range(3)]
    again = [
        {**lines[2], "value": 0.25},
        {**lines[0], "host": "algo-2", "value": 9.0},
        {**lines[1], "epoch": 3, "value": float("nan")},
    ]
    text = "\n".join(map(json.dumps, [*lines, *again])) + '\n{"name": "train:loss", "ep'
    run.metrics.write_text(text)
    measured = curves.read(run)
    assert measured.lines["train:loss"].values[:3] == [1.0, 0.5, 0.25]
    assert measured.plan == (100, 9, 4)
    document = run_report.make(run)
    assert [figure.name for figure in document.figures] == ["loss"]
    assert "no model" in document.summary["problems"][0]
    assert "2.5 s" in html_of(document)


def test_a_run_on_sagemaker_is_reported_from_its_folder(script, home, copied):
    def to_s3(job):
        job["channels"]["training"]["source"] = "s3://bucket/digits"

    run = copied("mnist-mlp-2026-01-31-12-00-00-000", to_s3)
    Record(run.name, "eu-west-1", "default", "s3://bucket/runs", "ml.c5.xlarge").write(run)
    document = run_report.make(run)
    assert "is in S3" in document.summary["problems"][0]
    html = html_of(document)
    assert "SageMaker, eu-west-1, 1 x ml.c5.xlarge" in html
    assert "the job ran elsewhere" in html


def test_a_comparison_names_what_differs_and_lays_the_curves_over_each_other(copied, digits, open_page, tmp_path):
    def change(job):
        # The first is what the other had without being told.
        job["hyperparameters"].update(batch_size=100, hidden=[64], seed=7)

    runs = [copied("a-2026-01-31-12-00-00-000"), copied("b-2026-01-31-12-00-00-001", change)]
    document = comparison.make(runs)
    assert document.summary["differences"] == {"hidden": ["[32]", "[64]"], "seed": ["1", "7"]}
    results = dict(document.content["results"])
    assert results["accuracy of the saved model"] == [pytest.approx(digits["metrics"]["validation:accuracy"])] * 2
    assert results["parameters"] == [784 * 32 + 32 + 330] * 2
    figures = {figure.name: figure.svg for figure in document.figures}
    assert set(figures) == {"accuracy", "loss", "speed", "metric-3-learning-rate", "shift", "rotation"}
    for name in ("a, training", "a, validation", "b, training", "b, validation"):
        assert f">{name}</text>" in figures["accuracy"]
    index, *_ = page.write(document, tmp_path / "compared")
    for width in (390, 1280):
        shown = open_page(index, width, "dark")
        assert shown.execute_script("return document.documentElement.scrollWidth") == width
    assert "[64]" in shown.find_element("id", "differences").text


def test_a_recommender_has_the_report_of_one(glaunch, open_page):
    trained = json.loads(glaunch("run", "matrix_factorization", "-p", "epochs=2", "--json").stdout)
    made = json.loads(glaunch("report", "--json").stdout)
    assert made["rmse"] == pytest.approx(trained["metrics"]["validation:rmse"], abs=1e-5)
    names = {Path(path).stem for path in made["figures"]}
    assert names == {"rmse", "speed", "learning-rate", "ratings", "activity"}
    shown = open_page(made["path"], 390)
    assert shown.execute_script("return document.documentElement.scrollWidth") == 390
    assert len(shown.find_elements("css selector", "#neighbours table:first-of-type > tbody > tr")) >= 10
    assert "27,000" not in shown.find_element("id", "ratings").text  # the table is closed
    assert f"{made['rmse']:.4g}" in shown.find_element("id", "ratings").text


def test_figures_of_an_older_report_go_and_what_else_is_there_stays(recorded, tmp_path):
    document = run_report.make(recorded(state=FAILED, reason="no reason"))
    target = tmp_path / "out"
    target.mkdir()
    (target / "figures.txt").write_text("loss.png\n../keep.png\nnotes.txt\n")
    for name in ("loss.png", "notes.txt", "own.png", "../keep.png"):
        (target / name).write_text("mine")
    page.write(document, target)
    assert sorted(path.name for path in target.iterdir()) == ["figures.txt", "index.html", "notes.txt", "own.png"]
    assert (tmp_path / "keep.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "nothing"], "no runs"),
        (["report", "--output", "/dev/null"], "is a file"),
    ],
)
def test_wrong_use_is_one_clear_message(glaunch, home, words, message):
    assert message in glaunch(*words, status=2).stderr


def test_a_run_is_not_compared_with_itself(recorded):
    run = recorded(state=COMPLETED)
    with pytest.raises(UserError, match="compared with itself"):
        CliRunner().invoke(command.report, [run.name, run.name], catch_exceptions=False)


def test_what_must_be_installed_is_told(monkeypatch):
    monkeypatch.setattr(command, "_NEEDED", ("jinja2", "no_such_library"))
    with pytest.raises(UserError, match=r"needs no_such_library: pip install 'gluon-launcher\[report\]'"):
        CliRunner().invoke(command.report, [], catch_exceptions=False)


def test_a_report_that_cannot_be_written_leaves_nothing(recorded, tmp_path):
    document = run_report.make(recorded(state=FAILED))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the report"):
        page.write(document, tmp_path / "file" / "report")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("home", "scripts")) == ["file"]


def test_a_run_that_is_going_on_is_reported_as_it_is(script, home):
    run = Run.create(TrainingJob(script("print(1)\n")))
    run.write_status(Status("InProgress", 5.0, started=6.0, supervisor=run.status.supervisor))
    assert "<strong>InProgress</strong>" in html_of(run_report.make(run))
