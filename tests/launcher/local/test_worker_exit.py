"""How a worker leaves: with the status that it asked for, and not waiting for others when it failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import launcher.local

IMAGE = Path(launcher.local.__file__).parent / "image"
# A kvstore waits for the other hosts when it is destroyed.
WAITS = """
import ctypes
class Store:
    def __del__(self, wait=ctypes.PyDLL(None).sleep):
        wait(600)
store = Store()
"""


def leave(text: str, role: str = "worker", finish: int = 60) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": str(IMAGE), "DMLC_ROLE": role, "GLAUNCH_FINISH_SECONDS": str(finish)}
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no data')", 1, "no data"),
        ("exit(4)", 4, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('no data')", 1, "no data"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--x'])", 2, "unrecognized arguments: --x"),
        ("raise ValueError('of mine')", 1, "ValueError: of mine"),
        ("import sys\ntry:\n    sys.exit(5)\nfinally:\n    print('tidied')", 5, ""),
    ],
)
def test_a_worker_that_failed_waits_for_nobody(text, status, said):
    done = leave(WAITS + text)
    assert done.returncode == status
    assert said in done.stderr


@pytest.mark.parametrize("then", ["pass", "kept = end"])
def test_an_exit_that_was_caught_is_none(then):
    done = leave(f"import sys\ntry:\n    sys.exit(3)\nexcept SystemExit as end:\n    {then}\nprint('went on')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_the_exit_of_a_thread_is_not_that_of_the_worker():
    text = "import sys, threading\nthread = threading.Thread(target=sys.exit, args=(3,))\nthread.start()\nthread.join()"
    done = leave(text)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_worker_that_is_done_waits_for_the_others_only_until_the_deadline():
    assert leave(WAITS, finish=1).returncode == -signal.SIGALRM


def test_other_processes_leave_as_they_always_do():
    done = leave("import sys\nprint(sys.exit.__module__)\nsys.exit(3)", role="server")
    assert (done.returncode, done.stdout) == (3, "sys\n")
