"""A run's folder: made once, found again, read whatever has happened to it, and removed."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from rich.console import Console

from launcher import files, processes, tables
from launcher.errors import JobFailed, UserError
from launcher.job import Channel, TrainingJob
from launcher.local import runner
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING, Run, Status, host_names


@pytest.fixture
def job(script):
    return TrainingJob(script("print(1)\n", "train.py"), hyperparameters={"epochs": 3})


@pytest.fixture
def named(recorded, home):
    """`named(name, state)`: a run whose folder has that name."""

    def make(name, **status):
        made = recorded(**status)
        return Run(made.folder.rename(home / "runs" / name))

    return make


def test_a_new_run_has_its_job_and_is_in_progress(job, home):
    run = Run.create(job)
    assert run.folder.parent == home / "runs"
    assert run.name.startswith("train-20")
    assert run.job == job
    assert run.job_content["hyperparameters"] == {"epochs": 3}
    assert run.hosts == ["algo-1"]
    assert run.status.state == IN_PROGRESS
    assert abs(run.status.created - time.time()) < 60
    assert run.status.seconds is None
    assert not run.status.is_over


def test_a_long_name_is_cut_to_what_sagemaker_takes(job):
    run = Run.create(replace(job, name="a" * 38 + "-" + "b" * 24))
    assert len(run.name) <= 63
    assert run.name.startswith("a" * 38 + "-20")


def test_runs_created_in_the_same_millisecond_by_many_threads_have_folders_of_their_own(job, monkeypatch):
    calls = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + next(calls) // 40 / 1000)  # each millisecond comes 40 times
    barrier, names = threading.Barrier(8), []

    def create():
        barrier.wait()
        names.extend(Run.create(job).name for _ in range(5))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 40
    assert {run.name for run in Run.all()} == set(names)


def test_runs_created_at_once_by_many_processes_have_folders_of_their_own(job):
    code = (
        "import sys\nfrom pathlib import Path\nfrom launcher.job import TrainingJob\nfrom launcher.run import Run\n"
        "sys.stdin.readline()\n"
        f"for _ in range(20): print(Run.create(TrainingJob(Path({str(job.script)!r}))).name)\n"
    )
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    names = [name for process in started for name in process.communicate(timeout=60)[0].split()]
    assert len(names) == len(set(names)) == len(Run.all()) == 80


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_runs_directory_that_cannot_be_made_is_named_with_what_to_set(job, tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLAUNCH_HOME", str(tmp_path / place))
    with pytest.raises(JobFailed, match=rf"run folder in {tmp_path}/{place}/runs: .*; set GLAUNCH_HOME to a directory"):
        Run.create(job)
    assert Run.all() == []


def test_a_disk_that_fills_up_leaves_no_folder(job, home, monkeypatch):
    def full(path, content):
        if path.name == "status.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_text(content)

    monkeypatch.setattr(files, "write_atomic", full)
    with pytest.raises(JobFailed, match=f"run folder in {home}/runs: No space left on device"):
        Run.create(job)
    assert os.listdir(home / "runs") == []


def test_runs_are_found_by_name_by_its_beginning_and_the_latest_without(named):
    for name in ("b-2026-01-01-10-00-00-000", "a-2026-01-02-10-00-00-000", "a-2026-01-01-10-00-00-500"):
        named(name)
    assert [run.name[:12] for run in Run.all()] == ["a-2026-01-02", "a-2026-01-01", "b-2026-01-01"]
    assert Run.find().name == "a-2026-01-02-10-00-00-000"
    assert Run.find("b").name == "b-2026-01-01-10-00-00-000"
    assert Run.find("a-2026-01-01").name == "a-2026-01-01-10-00-00-500"
    assert Run.find("a-2026-01-02-10-00-00-000").name == "a-2026-01-02-10-00-00-000"


def test_a_name_that_is_the_beginning_of_another_is_found(named):
    for name in ("a-2026-01-01-10-00-00-000", "a-2026-01-01-10-00-00-0001"):
        named(name)
    assert Run.find("a-2026-01-01-10-00-00-000").name == "a-2026-01-01-10-00-00-000"


def test_a_name_that_means_several_runs_or_none_is_refused(named):
    with pytest.raises(UserError, match=r"no runs in .*/home/runs: start one with"):
        Run.find()
    named("a-2026-01-01-10-00-00-000")
    named("a-2026-01-02-10-00-00-000")
    with pytest.raises(UserError, match=r"'a-2026' is the beginning of a-2026-01-02-[0-9-]*, a-2026-01-01-"):
        Run.find("a-2026")
    with pytest.raises(UserError, match="no run 'b': `glaunch ls` lists them"):
        Run.find("b")


def test_what_is_no_run_is_not_listed(named, home):
    named("a-2026-01-01-10-00-00-000")
    (home / "runs" / "notes").mkdir()
    (home / "runs" / "status.json").touch()
    assert len(Run.all()) == 1


def test_a_record_is_read_as_it_was_written(recorded):
    status = Status(
        COMPLETED,
        created=1.5,
        started=2.0,
        ended=6.25,
        reason="größer",
        exit_statuses={"algo-1": 0, "algo-2": -9},
        metrics={"validation:accuracy": 0.97},
    )
    run = recorded()
    run.write_status(status)
    assert run.status == status
    assert run.status.seconds == 4.25


def write_record(run, text):
    (run.folder / "status.json").write_text(text)
    return run


def test_a_run_from_a_newer_version_is_refused_and_the_others_are_listed(named, recorded):
    newer = named("newer-2026-01-01-10-00-00-000")
    write_record(newer, '{"format": 2, "phase": "Completed", "unheard": "of"}')
    recorded()
    message = "run newer-2026-01-01-10-00-00-000 was made by a newer glaunch .format 2, this one reads 1.: update"
    for use in (lambda: newer.status, newer.stop, newer.remove):
        with pytest.raises(UserError, match=message):
            use()
    shown = io.StringIO()
    tables.print_runs(Run.all(), Console(file=shown, width=300))
    assert "was made by a newer glaunch" in shown.getvalue()
    assert "Completed" in shown.getvalue()
    assert newer.folder.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "3",
        "{}",
        '{"format": 1}',
        '{"format": "x"}',
        '{"format": 1, "state": "x", "a": 1}',
    ],
)
def test_a_damaged_record_is_named(recorded, text):
    run = write_record(recorded(), text)
    with pytest.raises(UserError, match=f"the record of run {run.name} cannot be read .*: {run.folder}/status.json"):
        _ = run.status


def test_a_run_whose_supervisor_is_gone_has_failed(recorded):
    supervisor = subprocess.Popen(["sleep", "600"])
    run = recorded(state=IN_PROGRESS, started=1.0, supervisor=processes.identity(supervisor.pid))
    assert run.status.state == IN_PROGRESS
    assert run.status.seconds > 1e9
    supervisor.kill()
    supervisor.wait()
    assert run.status.state == FAILED
    assert run.status.reason == "the process that ran this job was killed"
    assert run.status.seconds is None  # nobody knows when
    assert run.recorded_status().state == IN_PROGRESS


@pytest.mark.parametrize("state", [COMPLETED, FAILED, STOPPED])
def test_a_run_that_is_over_needs_no_supervisor(recorded, state):
    assert recorded(state=state, supervisor=(1, 1)).status.state == state


def test_remove_refuses_while_the_job_is_running(recorded):
    for state in (IN_PROGRESS, STOPPING):
        run = recorded(state=state, supervisor=processes.identity(os.getpid()))
        with pytest.raises(UserError, match=f"run {run.name} is still running: `glaunch stop {run.name}` first"):
            run.remove()
        assert run.status.state == state


def test_remove_deletes_the_folder_and_not_the_data_behind_its_links(recorded, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").touch()
    run = recorded()
    run.host("algo-1").mkdir(parents=True)
    (run.host("algo-1") / "data").symlink_to(tmp_path / "data")
    run.remove()
    assert Run.all() == []
    assert not run.folder.exists()
    assert (tmp_path / "data" / "train.csv").exists()


def test_the_record_outlives_script_and_data(job, tmp_path):
    (tmp_path / "data").mkdir()
    run = Run.create(replace(job, channels={"training": Channel(tmp_path / "data")}))
    (tmp_path / "data").rmdir()
    with pytest.raises(UserError, match=f"no data at {tmp_path}/data"):
        _ = run.job
    assert run.job_content["channels"]["training"]["source"] == str(tmp_path / "data")
    assert run.hosts == ["algo-1"]


def test_the_hosts_have_the_names_of_sagemaker():
    assert host_names(3) == ["algo-1", "algo-2", "algo-3"]


TREE = """
    import os, subprocess, time

    if __name__ == "__main__":
        left = subprocess.Popen(["setsid", "sleep", "600"])
        print("pids", os.getpid(), left.pid, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def running(script, wait_until):
    """A run whose script has started a process in another session, its supervisor and the pids of the two."""
    run = Run.create(TrainingJob(script(TREE)))
    supervisor = runner.launch(run, detach=True)
    log = run.log("algo-1")
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    pids = [int(word) for word in log.read_text().split()[1:]]
    yield run, supervisor, pids
    supervisor.kill()
    supervisor.wait()
    processes.kill_marked(str(run.folder))


def alive(pids):
    found = [processes.identity(pid) for pid in pids]
    return [pid for pid in found if pid and processes.is_alive(*pid)]


def test_stop_ends_the_supervisor_and_every_process_of_the_job(running):
    run, supervisor, pids = running
    assert len(alive(pids)) == 2
    run.stop()
    assert alive([supervisor.pid, *pids]) == []
    assert run.status.state == STOPPED
    assert run.status.ended


def test_what_a_killed_supervisor_left_is_ended_by_stop(running, wait_until):
    run, supervisor, pids = running
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: alive(pids[:1]) == [])  # the script dies with its supervisor
    assert len(alive(pids[1:])) == 1
    assert run.status.state == FAILED
    run.stop()
    assert alive(pids) == []
    assert run.status.state == STOPPED


def test_what_a_killed_supervisor_left_is_ended_by_remove(running):
    run, supervisor, pids = running
    supervisor.kill()
    supervisor.wait()
    run.remove()
    assert alive(pids) == []
    assert not run.folder.exists()


def test_stop_does_not_wait_longer_than_its_deadline(running):
    run, supervisor, pids = running
    os.kill(supervisor.pid, signal.SIGSTOP)  # it will not answer
    run.stop(deadline=0.1)
    assert alive([supervisor.pid, *pids]) == []
    assert run.status.state == STOPPED


def test_stop_leaves_a_run_that_is_over_as_it_is(recorded):
    run = recorded(state=COMPLETED, ended=5.0)
    before = (run.folder / "status.json").read_bytes()
    run.stop()
    assert (run.folder / "status.json").read_bytes() == before
    assert json.loads(before)["format"] == 1


def test_a_run_may_have_a_name_of_its_own_and_is_listed_by_its_time(job):
    earlier = Run.create(job)
    made = Run.create_named("mine", lambda folder: replace(job, environment={"FOLDER": str(folder)}))
    assert made.name == "mine"
    assert made.job.environment == {"FOLDER": str(made.folder)}
    os.utime(made.folder / "job.yaml", (0, 0))
    assert [run.name for run in Run.all()] == [earlier.name, "mine"]
    os.utime(made.folder / "job.yaml")
    time.sleep(0.002)
    later = Run.create(job)
    assert [run.name for run in Run.all()] == [later.name, "mine", earlier.name]


def test_a_name_of_its_own_is_taken_once_and_leaves_nothing_when_there_is_no_job(job, home):
    def refuse(folder):
        (folder / "half").touch()
        raise UserError("no data")

    with pytest.raises(UserError, match="no data"):
        Run.create_named("mine", refuse)
    assert [*(home / "runs").iterdir()] == []
    Run.create_named("mine", lambda _: job)
    with pytest.raises(UserError, match="there is a run mine already"):
        Run.create_named("mine", lambda _: job)
