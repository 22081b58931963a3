"""Processes are told apart, found wherever they hide, and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher import processes

SLEEP = ["sleep", "600"]


@pytest.fixture
def start():
    """`start(command, **options)`: a process that does not outlive the test."""
    started = []

    def begin(command, **options):
        started.append(subprocess.Popen(command, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_gone(pid: int) -> bool:
    found = processes.identity(pid)
    return found is None or not processes.is_alive(*found)


def test_a_running_process_is_alive_and_an_ended_one_is_not(start):
    process = start(SLEEP)
    pid, started = processes.identity(process.pid)
    assert pid == process.pid
    assert processes.is_alive(pid, started)
    process.kill()
    process.wait()
    assert not processes.is_alive(pid, started)
    assert processes.identity(pid) is None


def test_another_process_with_the_same_pid_is_not_the_one_that_was_meant(start):
    pid, started = processes.identity(start(SLEEP).pid)
    assert not processes.is_alive(pid, started + 1)
    processes.end(pid, started + 1, deadline=0)
    assert processes.is_alive(pid, started)


def test_a_process_that_ended_and_was_not_waited_for_is_not_alive(start, wait_until):
    process = start(["true"])
    wait_until(lambda: state(process.pid) == "Z")
    assert not processes.is_alive(*processes.identity(process.pid))


def test_a_program_with_a_strange_name_is_read_right(start, tmp_path):
    (tmp_path / "a) R 1 (b").symlink_to("/bin/sleep")
    process = start([str(tmp_path / "a) R 1 (b"), "600"])
    assert processes.is_alive(*processes.identity(process.pid))
    assert process.pid in processes.descendants(os.getpid())


def test_a_process_that_heeds_sigterm_ends_in_its_own_way(start):
    process = start(
        ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    processes.end(*processes.identity(process.pid), deadline=30)
    assert process.wait() == 7


@pytest.mark.parametrize("deadline", [0, 0.1])
def test_a_process_that_ignores_sigterm_is_killed_at_the_deadline(start, deadline):
    process = start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"], stdout=subprocess.PIPE)
    process.stdout.readline()
    found = processes.identity(process.pid)
    processes.end(*found, deadline=deadline)
    assert not processes.is_alive(*found)
    assert process.wait() == -signal.SIGKILL


def test_descendants_in_sessions_of_their_own_are_found(start):
    nested = start(["sh", "-c", "setsid sh -c 'sleep 600 & echo $!; wait' & echo $!; wait"], stdout=subprocess.PIPE)
    below = {int(nested.stdout.readline()) for _ in range(2)}
    try:
        assert below == set(processes.descendants(nested.pid))
        assert below | {nested.pid} <= set(processes.descendants(os.getpid()))
        assert any(os.getsid(pid) != os.getsid(0) for pid in below)
    finally:
        for pid in below:
            os.kill(pid, signal.SIGKILL)


def in_a_process(code: str) -> list[int]:
    """Runs code in a Python of its own; the list that it prints."""
    begin = "import os, subprocess, signal, time\nfrom launcher import processes\n"
    done = subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_everything_a_process_ever_caused_can_be_killed():
    pids = in_a_process("""
processes.adopt_orphans()
# A child; a grandchild in another session; an orphan, whose parent has ended; an orphan that ignores SIGTERM.
child = subprocess.Popen(["sh", "-c", "setsid sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
orphans = "setsid sleep 600 & echo $!; trap '' TERM; sleep 600 & echo $!"
parent = subprocess.Popen(["sh", "-c", orphans], stdout=subprocess.PIPE, text=True)
pids = [child.pid, int(child.stdout.readline()), *map(int, (parent.stdout.readline(), parent.stdout.readline()))]
parent.wait()
assert set(processes.descendants(os.getpid())) == set(pids), (processes.descendants(os.getpid()), pids)
processes.kill_descendants()
assert processes.descendants(os.getpid()) == []
processes.reap()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print(pids)
""")
    assert len(pids) == 4
    assert all(is_gone(pid) for pid in pids)


def test_killing_gives_up_at_its_deadline(monkeypatch, start):
    start(SLEEP)
    monkeypatch.setattr(processes, "_signal", lambda *_: None)
    started = time.monotonic()
    processes.kill_descendants(deadline=0.1)
    assert 0.1 <= time.monotonic() - started < 10


def test_a_child_dies_with_its_parent_however_that_ends(start, wait_until):
    code = (
        "import signal, subprocess, time\nfrom launcher import processes\n"
        "child = subprocess.Popen(['sleep', '600'], preexec_fn=lambda: processes.die_with_parent(signal.SIGKILL))\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    parent = start([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    assert not is_gone(child)
    parent.kill()
    wait_until(lambda: is_gone(child))


def test_only_processes_with_the_mark_of_the_folder_are_killed(start, tmp_path):
    def marked(folder):
        return start(SLEEP, env={**os.environ, "SAGEMAKER_BASE_DIR": str(folder), "OTHER": str(tmp_path / "run" / "x")})

    mine = [marked(tmp_path / "run" / "hosts" / f"algo-{number}") for number in (1, 2)]
    others = [marked(tmp_path / "run-2" / "hosts" / "algo-1"), marked(tmp_path / "run"), start(SLEEP)]
    processes.kill_marked(str(tmp_path / "run"))
    assert all(is_gone(process.pid) for process in mine)
    assert not any(is_gone(process.pid) for process in others)


def test_the_process_that_asks_is_spared_though_it_has_the_mark(tmp_path, monkeypatch):
    code = f"processes.kill_marked({str(tmp_path)!r})\nprint([1])"
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", f"{tmp_path}/hosts/algo-1")
    assert in_a_process(code) == [1]
