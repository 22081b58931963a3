"""A host that cannot go on ends itself, whatever it waits for, and says where it waited."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BEGIN = """
import ctypes, os, sys, time
from gluon_job import watchdog

def wait_for_ever():
    time.sleep(600)

def wait_in_c(library=ctypes.CDLL):
    library(None).sleep(600)

watchdog.begin("algo-2", lambda message: open("failure", "w").write(message))
guard = watchdog.current()
"""


@pytest.fixture
def watched(tmp_path, entry_points):
    """`watched(text, start=0.5)`: a process under the watchdog that has ended; deadlines are long unless given."""

    def run(text, **seconds):
        deadlines = {f"GLAUNCH_{name.upper()}_SECONDS": str(seconds.get(name, 500)) for name in WAYS}
        return subprocess.run(
            [sys.executable, "-c", BEGIN + text],
            cwd=tmp_path,
            env={"PYTHONPATH": str(entry_points), **deadlines},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


WAYS = {
    "start": ("", "did not take its first step"),
    "stall": ("guard.step()\n", "took no further step"),
    "finish": ("guard.step()\nguard.saving()\n", "did not finish saving"),
}


@pytest.mark.parametrize("wait", ["wait_for_ever()", "wait_in_c()"])
@pytest.mark.parametrize("name", WAYS)
def test_a_host_that_waits_too_long_ends_with_what_it_did_not_do(watched, tmp_path, name, wait):
    before, message = WAYS[name]
    done = watched(before + wait, **{name: 0.5})
    assert done.returncode == 97
    assert (tmp_path / "failure").read_text() == f"Stalled: algo-2 {message} in 0.5 s"
    assert done.stderr.endswith(f"Stalled: algo-2 {message} in 0.5 s\n")
    assert f"in {wait[:-2]}\n" in done.stderr.replace('"<string>", ', "")  # the line of the traceback where it waits


def test_each_step_begins_the_deadline_anew(watched):
    done = watched("for _ in range(40):\n    guard.step()\n    time.sleep(0.1)\nprint('done')", stall=2, start=2)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_host_that_is_leaving_is_ended_where_no_python_runs_any_more(watched):
    # PyDLL keeps the interpreter's lock: no thread and no handler of Python's would ever run.
    done = watched("guard.leaving()\nwait_in_c(ctypes.PyDLL)", finish=1)
    assert done.returncode == -signal.SIGALRM


def test_a_job_of_several_hosts_is_watched_and_leaves_the_failure_file(run_job, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from gluon_job import contract\n"
        "def train(hosts):\n"
        "    time.sleep(600 if len(hosts) > 1 else 3)\n"
        "contract.main(train, lambda net, model_dir: print('saved'))\n"
    )
    hosts = {"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-2", "GLAUNCH_START_SECONDS": "0.5"}
    job = run_job(tmp_path / "two", script, {}, {}, variables=hosts)
    assert job.status == 97
    assert job.failure == "Stalled: algo-2 did not take its first step in 0.5 s\n"
    assert ", line 4 in train\n" in job.err
    alone = run_job(tmp_path / "one", script, {}, {}, variables={"GLAUNCH_START_SECONDS": "0.5"})
    assert (alone.status, alone.out, alone.failure) == (0, "saved\n", "")
