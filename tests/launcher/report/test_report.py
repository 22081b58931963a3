"""`glaunch report` as a user calls it, on runs of every kind."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from launcher.cloud.record import Record
from launcher.commands import report as command
from launcher.errors import UserError
from launcher.job import Channel, TrainingJob
from launcher.report import comparison, curves, examination, identity, page, plots, run_report
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


def test_a_report_does_without_mxnet_in_its_own_process_and_leaves_nothing_behind(reported):
    assert reported["imported"] == "[]"
    assert reported["left"] == []


def test_a_failed_run_has_a_report_with_its_cause_and_what_it_said_is_text(glaunch, script, tmp_path, open_page):
    path = script(f"""
        def train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs):
            print("[Epoch 0] Training: loss=2.5")
            print("[Epoch 0] mine: 0.25")
            raise ValueError({HOSTILE!r})
    """)
    job = {
        "entry_point": str(path),
        "hyperparameters": {"<b>name</b>": HOSTILE, "a$b_c$": "$x_1$"},
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
    assert shown.execute_script("return document.documentElement.scrollWidth") <= 390
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
    [channel] = identity.data(copied("changed", lambda job: job["channels"]["training"].update(source=str(data))))
    assert [file.name for file in channel.files if file.is_newer] == ["labels.txt"]
    assert channel.is_newer


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


def test_a_run_on_sagemaker_is_reported_from_its_folder(recorded, script):
    job = TrainingJob(script("print(1)\n"), channels={"training": Channel("s3://bucket/digits")}, hosts=2)
    run = recorded(job, state=COMPLETED, started=1.0, ended=2.0)
    Record(run.name, "eu-west-1", "default", "s3://bucket/runs", "ml.c5.xlarge").write(run)
    html = html_of(run_report.make(run))
    assert "SageMaker, eu-west-1, 2 x ml.c5.xlarge" in html
    assert "the job ran elsewhere" in html
    assert "in S3: not looked at" in html


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
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    assert "[64]" in shown.find_element("id", "differences").text


def test_the_loss_of_the_saved_model_is_a_line_only_where_validation_measured_none(recorded, reported):
    html = Path(reported["path"]).read_text("utf-8")
    assert ">validation</text>" in html[html.index("<figcaption>Loss") : html.index("<figcaption>Accuracy")]
    assert "validation, the saved model" not in html
    run = recorded()
    line = '{"host": "algo-1", "name": "%s:loss", "epoch": 0, "value": 0.5}\n'
    for parts, told in (("train",), True), (("train", "validation"), False):
        run.metrics.write_text("".join(line % part for part in parts))
        [figure] = plots.of_curves(curves.read(run), {"loss": 0.25})
        assert (">validation, the saved model</text>" in figure.svg) == told


def test_a_recommender_has_the_report_of_one(glaunch, open_page, tmp_path):
    trained = json.loads(glaunch("run", "matrix_factorization", "-p", "epochs=2", "--json").stdout)
    document = run_report.make(Run.find())
    assert document.summary["rmse"] == pytest.approx(trained["metrics"]["validation:rmse"], abs=1e-5)
    index, *figures = page.write(document, tmp_path / "out")
    assert {path.stem for path in figures} == {"rmse", "speed", "learning-rate", "ratings", "activity"}
    shown = open_page(index, 390)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= 390
    assert len(shown.find_elements("css selector", "#neighbours table:first-of-type > tbody > tr")) >= 10
    assert f"{document.summary['rmse']:.4g}" in shown.find_element("id", "ratings").text


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


def test_without_runs_the_next_step_is_told_and_nothing_is_written(glaunch, home):
    assert "no runs" in glaunch("report", "nothing", status=2).stderr
    assert not home.exists()


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


def test_many_classes_have_a_picture_of_the_matrix_and_a_list_of_confusions(recorded, monkeypatch, open_page, tmp_path):
    random = np.random.default_rng(2)
    truth, probabilities = np.arange(300) % 30, random.dirichlet(np.full(30, 0.1), 300).astype(np.float32)
    probabilities[truth != 7, truth[truth != 7]] += 2
    probabilities[truth == 7, 9] += 2  # every 7 is taken for a 9
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    arrays = {"truth": truth, "probabilities": probabilities, "rows": np.arange(300)}
    arrays.update(mistakes=np.arange(7, 300, 30), samples=np.arange(24))
    for kind, count in (("mistake", 10), ("sample", 24)):
        arrays[f"{kind}_pictures"] = random.integers(0, 255, (count, 12, 12, 3), np.uint8)
    content = {"labels": [f"a class of number {i}" for i in range(30)], "available": 9000, "distorted": {"pictures": 0}}
    found = examination.Examination({"classifier": content}, arrays)
    monkeypatch.setattr(examination, "examine_all", lambda runs: [found for _ in runs])
    index, *figures = page.write(run_report.make(recorded(state=COMPLETED)), tmp_path / "out")
    assert {path.stem for path in figures} == {"confusion", "mistakes", "samples"}
    for width in (390, 1280):
        shown = open_page(index, width)
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    classes = shown.find_element("id", "classes").text
    assert "96.67 % of 300 of the 9,000 validation samples" in classes
    assert "a class of number 7 a class of number 9 10" in classes
    assert shown.find_element("css selector", ".picture img").get_property("naturalWidth") > 500
