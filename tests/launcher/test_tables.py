"""What the commands print."""

from __future__ import annotations

import io
import json
import math
import time
from pathlib import Path

import pytest
from rich.console import Console

from launcher import tables
from launcher.data import Entry
from launcher.diagnose import Cause, Frame
from launcher.doctor import Check
from launcher.job import Channel, TrainingJob
from launcher.run import COMPLETED, FAILED, STOPPED


def shown(function, content, **settings):
    console = Console(file=io.StringIO(), width=300, **settings)
    function(content, console)
    return console.file.getvalue()


@pytest.fixture
def job(script, tmp_path):
    (tmp_path / "[data]").mkdir()
    return TrainingJob(
        script("print(1)\n", "train.py"),
        hyperparameters={"flags": [True, False], "activation": "relu", "hidden": [16, 16]},
        channels={"training": Channel(tmp_path / "[data]")},
    )


def test_a_list_of_runs_has_a_line_a_run(recorded):
    done = recorded(created=1.7e9, started=1.7e9, ended=1.7e9 + 4.25, metrics={"validation:accuracy": 0.97344})
    failed = recorded(state=FAILED)
    header, *lines = shown(tables.print_runs, [done, failed]).splitlines()
    assert header.split() == ["run", "state", "started", "took", "validation", "where"]
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1.7e9))
    assert lines[0].split() == [done.name, "Completed", *started.split(), "4.2", "s", "0.9734", "here"]
    assert lines[1].split()[:2] == [failed.name, "Failed"]
    assert len(lines) == 2


def test_a_run_that_cannot_be_read_is_a_line_like_the_others(recorded):
    damaged, well = recorded(), recorded()
    (damaged.folder / "status.json").write_text("[/red]")
    lines = shown(tables.print_runs, [damaged, well]).splitlines()
    assert damaged.name in lines[1]
    assert "cannot be read" in lines[1]
    assert lines[-1].split()[:2] == [well.name, "Completed"]


def test_a_run_is_shown_with_everything_about_it(recorded, job, tmp_path):
    run = recorded(
        job,
        state=FAILED,
        reason="ValueError: one of [relu, tanh] [/foo]",
        started=10.0,
        ended=200.0,
        exit_statuses={"algo-1": 1},
        restarts=["attempt 2 of 2: ValueError: [/foo]; it goes on after epoch 3"],
        metrics={"train:samples_per_second": 61234.5, "validation:accuracy": 0.97},
    )
    run.model.write_bytes(b"x" * 2048)
    lines = {line.rstrip() for line in shown(tables.print_run, run).splitlines()}
    rows = {line.split("  ")[0].strip() or line.split()[0]: " ".join(line.split()) for line in lines}
    assert rows["run"] == f"run {run.name}"
    assert rows["state"] == "state Failed ValueError: one of [relu, tanh] [/foo]"
    assert rows["created"] == f"created {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(0))}"
    assert rows["took"] == "took 3 min 10 s"
    assert rows["script"] == f"script {job.script}"
    assert rows["flags"] == "flags [true, false]"
    assert rows["activation"] == 'activation "relu"'
    assert rows["channel training"] == f"channel training {tmp_path}/[data]"
    assert rows["train:samples_per_second"] == "train:samples_per_second 61,234"
    assert rows["validation:accuracy"] == "validation:accuracy 0.970000"
    assert rows["restarted"] == "restarted attempt 2 of 2: ValueError: [/foo]; it goes on after epoch 3"
    assert rows["algo-1"] == "algo-1 exited with status 1"
    assert any(line.strip() == str(run.log("algo-1")) for line in lines)
    assert rows["model"] == f"model {run.model} (2 KiB)"
    assert "output" not in rows


def test_a_run_is_shown_though_its_script_and_data_are_gone(recorded, job, tmp_path):
    run = recorded(job)
    job.script.unlink()
    (tmp_path / "[data]").rmdir()
    assert str(job.script) in shown(tables.print_run, run)


def test_the_object_of_a_run_is_json_of_everything(recorded, job, capsys):
    run = recorded(job, state=STOPPED, reason="stopped", metrics={"train:loss": math.nan, "train:accuracy": 0.5})
    run.output.touch()
    tables.print_json(tables.run_as_object(run))
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["name"] == run.name
    assert (found["state"], found["reason"], found["seconds"]) == ("Stopped", "stopped", None)
    assert found["metrics"] == {"train:loss": None, "train:accuracy": 0.5}  # JSON has no NaN
    assert found["hosts"] == {"algo-1": {"log": str(run.log("algo-1")), "exit_status": None}}
    assert found["job"]["hyperparameters"] == dict(job.hyperparameters)
    assert (found["folder"], found["model"], found["output"]) == (str(run.folder), None, str(run.output))


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({}, "algo-1 not started"),
        (
            {
                "exit_statuses": {"algo-1": 0},
                "hosts": {"algo-1": {"samples": 2000, "digest": "488d", "seconds": 4.21}},
            },
            "algo-1 done in 4.2 s, 2,000 samples, digest 488d",
        ),
        ({"exit_statuses": {"algo-1": -15}, "hosts": {"algo-1": {"seconds": 4.21}}}, "algo-1 was ended by SIGTERM"),
    ],
)
def test_a_host_is_shown_with_what_it_did(recorded, job, told, line):
    lines = shown(tables.print_run, recorded(job, **told)).splitlines()
    assert line in [" ".join(found.split()) for found in lines]


CAUSE = Cause(
    "ValueError: [/red] :100:",
    Frame("/home/me/train.py", 5, "load", "return [bold]"),
    "Traceback (most recent call last):\n" + "x" * 400 + "\nValueError: [/red] :100:",
    "print the shapes",
)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_cause_is_printed_letter_by_letter(terminal):
    text = shown(tables.print_cause, CAUSE, force_terminal=terminal, color_system=None)
    assert text.splitlines() == [
        "ValueError: [/red] :100:",
        "  /home/me/train.py:5, in load",
        "    return [bold]",
        "hint: print the shapes",
        "",
        *CAUSE.traceback.splitlines(),
    ]


def test_a_cause_without_more_is_one_line():
    cause = Cause("InputError: epochs is 0", None, "InputError: epochs is 0", "")
    assert shown(tables.print_cause, cause) == "InputError: epochs is 0\n"


def test_data_sets_are_shown_with_where_they_are():
    here = Entry("mnist", "handwritten digits", "free", 11 * 2**20, Path("/data/[mnist]"))
    lines = shown(tables.print_data, [here, Entry("films", "ratings", "research only", 2**19, None)]).splitlines()
    assert lines[1].split() == ["mnist", "11.0", "MiB", "/data/[mnist]", "handwritten", "digits", "free"]
    assert lines[2].split() == ["films", "0.5", "MiB", "not", "here", "ratings", "research", "only"]


def test_checks_are_shown_with_what_to_do():
    checks = [Check("python", "ok", "3.11 [x]"), Check("digits", "note", "none", "pip install 'a[samples]'")]
    lines = [line.strip() for line in shown(tables.print_checks, [*checks, Check("disk", "bad", "full")]).splitlines()]
    assert lines == [
        "ok    python   3.11 [x]",
        "note  digits   none",
        "pip install 'a[samples]'",
        "bad   disk     full",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (59.9, "59.9 s"),
        (60, "1 min 00 s"),
        (185.7, "3 min 05 s"),
        (3599.9, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(seconds, text):
    assert tables.duration(seconds) == text


def test_colours_are_for_terminals_only(recorded):
    run = recorded(state=COMPLETED)
    assert "\x1b" not in shown(tables.print_runs, [run])
    assert "\x1b[32mCompleted" in shown(tables.print_runs, [run], force_terminal=True, color_system="standard")


def test_a_path_below_the_home_directory_is_told_as_a_person_would_type_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert tables.from_home(Path("/home/ada/runs/model.tar.gz")) == "~/runs/model.tar.gz"
    assert tables.from_home(Path("/srv/runs")) == "/srv/runs"
