"""A script is watched from its start to its end, whatever it does, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import processes

# The supervisor ends every process below its own: it runs in a process that has no others, as it does in a job.
DRIVER = """
import functools, json, signal, sys, time
from pathlib import Path
from launcher import log
from launcher.job import Deadlines
from launcher.local import supervisor

asked = json.loads(sys.argv[1])
supervisor.STOP_GRACE = asked["grace"]
if "head" in asked:
    supervisor.LogWriter = functools.partial(log.LogWriter, head=asked["head"], tail=asked["tail"])
count, lines = 0, []

def on_line(name, line):
    global count
    count += 1
    lines[:] = [*lines[-9:], line]
    if line == asked.get("choke"):
        raise OSError(28, "No space left on device") if asked["choke_with"] == "OSError" else ValueError("on " + line)

watched = supervisor.Supervisor()
for reason in asked["reasons"]:
    assert watched.stop(reason) is False
signal.signal(signal.SIGTERM, lambda *_: print(json.dumps({"was_running": watched.stop("stopped")}), flush=True))
try:
    command = supervisor.Command(
        "script", asked["command"], asked["environment"], Path(asked["directory"]), Path(asked["log"])
    )
    ending = watched.run([command], on_line=on_line, deadlines=Deadlines(), max_run=asked["max_run"])
except OSError as error:
    print(json.dumps({"error": repr(error)}))
else:
    told = {"exit_status": ending.exit_statuses["script"], "stopped": ending.stopped, "log_error": ending.log_error}
    assert ending.stopped or ending.failed == ("script" if told["exit_status"] else "")
    print(json.dumps({**told, "count": count, "lines": lines}))
"""


@pytest.fixture
def begin(script, tmp_path):
    """`begin(text, **settings)`: a process that supervises a script; its log is in tmp_path."""
    started = []

    def start(text="", **settings):
        asked = {
            "command": [sys.executable, "-u", str(script(text))],
            "environment": {"PATH": os.environ["PATH"]},
            "directory": str(tmp_path),
            "log": str(tmp_path / "log"),
            "grace": 30,
            "max_run": None,
            "reasons": [],
            **settings,
        }
        command = [sys.executable, "-c", DRIVER, json.dumps(asked)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def supervise(begin):
    """`supervise(text, **settings)`: how a script ended, with the number of its lines and the last ten of them."""
    return lambda *words, **settings: result(begin(*words, **settings))


def result(process):
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def alive(pid: int) -> bool:
    found = processes.identity(pid)
    return found is not None and processes.is_alive(*found)


@pytest.mark.parametrize("status", [0, 3, 255])
def test_the_exit_status_and_the_lines_are_told(supervise, tmp_path, status):
    ending = supervise(f"import sys\nprint('one')\nprint('größer')\nsys.exit({status})")
    assert ending == {"exit_status": status, "stopped": "", "log_error": "", "count": 2, "lines": ["one", "größer"]}
    assert (tmp_path / "log").read_text("utf-8") == "one\ngrößer\n"


def test_an_exception_is_in_the_log_after_what_was_printed_before_it(supervise, tmp_path):
    ending = supervise("print('begun')\nraise KeyError('training')")
    assert ending["exit_status"] == 1
    lines = (tmp_path / "log").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("begun", "KeyError: 'training'")
    assert ending["lines"] == lines


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_that_ended_the_script_is_told(supervise, number):
    ending = supervise(f"import os\nprint('begun')\nos.kill(os.getpid(), {number})")
    assert (ending["exit_status"], ending["stopped"], ending["lines"]) == (-number, "", ["begun"])


def test_the_environment_and_the_directory_are_those_asked_for(supervise, tmp_path):
    (tmp_path / "code").mkdir()
    words = {"environment": {"A": "1", "B": ""}, "directory": str(tmp_path / "code")}
    assert supervise(command=["/usr/bin/env"], **words)["lines"] == ["A=1", "B="]
    assert supervise(command=["/bin/pwd", "-P"], **words)["lines"] == [str((tmp_path / "code").resolve())]


def test_the_script_reads_nothing_and_is_alone_in_its_session(supervise):
    ending = supervise("import os, sys\nprint(repr(sys.stdin.read()), os.getsid(0) == os.getpid())")
    assert ending["lines"] == ["'' True"]


@pytest.mark.parametrize(
    "wrong", [{"command": ["/no/such/program"]}, {"directory": "/no/such/directory"}, {"log": "/no/such/directory/log"}]
)
def test_what_cannot_be_started_is_an_error(supervise, wrong):
    assert "No such file or directory" in supervise("print(1)", **wrong)["error"]


def test_nothing_is_started_when_the_log_cannot_be_opened(supervise, tmp_path):
    assert "Is a directory" in supervise("open('ran', 'w')", log=str(tmp_path))["error"]
    assert not (tmp_path / "ran").exists()


HEEDS = """
import signal, sys, time
def tidy(*_):
    print("tidied")
    sys.exit(7)
signal.signal(signal.SIGTERM, tidy)
print("ready")
time.sleep(600)
"""
IGNORES = HEEDS.replace("tidy)", "signal.SIG_IGN)")


def stop(process, log, wait_until):
    wait_until(lambda: log.exists() and "ready\n" in log.read_text())
    process.send_signal(signal.SIGTERM)


def test_a_script_that_is_stopped_may_tidy_up(begin, tmp_path, wait_until):
    process = begin(HEEDS)
    stop(process, tmp_path / "log", wait_until)
    ending = result(process)
    assert (ending["exit_status"], ending["stopped"], ending["lines"]) == (7, "stopped", ["ready", "tidied"])


def test_a_script_that_ignores_the_stop_is_killed_after_the_grace(begin, tmp_path, wait_until):
    process = begin(IGNORES, grace=0.2)
    stop(process, tmp_path / "log", wait_until)
    assert json.loads(process.stdout.readline()) == {"was_running": True}
    ending = result(process)
    assert (ending["exit_status"], ending["stopped"]) == (-signal.SIGKILL, "stopped")


def test_the_workers_of_a_script_are_stopped_with_it(begin, tmp_path, wait_until):
    process = begin(
        "import os, signal, subprocess, sys, time\n"
        "worker = 'import signal, sys, time; signal.signal(15, lambda *_: sys.exit(print(\"worker tidied\")));'\n"
        "child = subprocess.Popen([sys.executable, '-uc', worker + 'print(\"ready\"); time.sleep(600)'])\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(child.wait()))\n"
        "time.sleep(600)"
    )
    stop(process, tmp_path / "log", wait_until)
    assert result(process)["lines"] == ["ready", "worker tidied"]


def test_a_script_that_runs_longer_than_max_run_is_stopped(supervise):
    ending = supervise("import time\nprint('ready')\ntime.sleep(600)", max_run=0.4)
    assert (ending["exit_status"], ending["stopped"]) == (-signal.SIGTERM, "it ran longer than max_run, 0.4 s")


def test_a_script_that_ends_before_max_run_is_not_stopped(supervise):
    ending = supervise("print('done')", max_run=60)
    assert (ending["exit_status"], ending["stopped"]) == (0, "")


def test_the_first_reason_to_stop_counts_and_may_come_before_the_start(supervise):
    ending = supervise("import time\ntime.sleep(600)", reasons=["first", "second"])
    assert ending["stopped"] == "first"
    assert ending["exit_status"] < 0


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    daemon = os.fork()
    if daemon:
        print("daemon", daemon)
        os._exit(0)
    time.sleep(600)
os.wait()
sys.exit(5)
"""


def test_a_daemon_of_the_script_is_gone_afterwards(supervise):
    ending = supervise(DAEMON)
    assert ending["exit_status"] == 5
    assert not alive(int(ending["lines"][0].split()[1]))


def test_the_script_does_not_outlive_a_supervisor_that_is_killed(begin, tmp_path, wait_until):
    process = begin("import os, time\nprint(os.getpid())\ntime.sleep(600)")
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    pid = int(log.read_text())
    process.kill()
    wait_until(lambda: not alive(pid))


def test_a_script_that_prints_without_end_neither_blocks_nor_fills_the_disk(supervise, tmp_path):
    ending = supervise(
        "import sys\n"
        "lines = ('x' * 199 + '\\n') * 1000\n"
        "for _ in range(1000): sys.stdout.write(lines)\n"
        "print('the end')",
        head=100_000,
        tail=50_000,
    )
    assert (ending["exit_status"], ending["log_error"]) == (0, "")
    assert ending["count"] == 1_000_001
    content = (tmp_path / "log").read_bytes()
    assert len(content) < 150_100
    assert content.startswith(b"x" * 199 + b"\n")
    assert content.endswith(b"x\nthe end\n")
    assert f"\n[glaunch] {200_000_008 - 150_000:,} bytes of output are left out here\n".encode() in content


def test_a_script_is_not_held_up_by_a_full_disk(supervise, tmp_path):
    (tmp_path / "log").symlink_to("/dev/full")
    ending = supervise("for number in range(30_000): print('line', number)")
    assert ending["exit_status"] == 0
    assert ending["log_error"] == "the log cannot be written: No space left on device"
    assert ending["count"] == 30_000
    assert ending["lines"][-1] == "line 29999"


@pytest.mark.parametrize(("kind", "told"), [("OSError", "No space left on device"), ("ValueError", "on line 5")])
def test_a_script_is_not_held_up_by_whoever_reads_its_lines(supervise, tmp_path, kind, told):
    ending = supervise("for number in range(30_000): print('line', number)", choke="line 5", choke_with=kind)
    assert ending["exit_status"] == 0
    assert told in ending["log_error"]
    assert ending["count"] == 30_000
    assert (tmp_path / "log").read_text().endswith("line 29999\n")


def test_a_line_of_any_length_goes_into_the_log_and_the_next_ones_are_read(supervise, tmp_path):
    ending = supervise("print('x' * 5_000_000)\nprint('short')\nprint('rest', end='')")
    assert ending["lines"][-2:] == ["short", "rest"]
    assert (tmp_path / "log").stat().st_size == 5_000_000 + len("\nshort\nrest")


def test_bytes_that_are_no_text_are_kept_and_read_as_well_as_can_be(supervise, tmp_path):
    ending = supervise("import sys\nsys.stdout.buffer.write(b'a\\xff\\0b\\n\\xc3\\xa4\\n')")
    assert ending["lines"] == ["a\ufffd\0b", "ä"]
    assert (tmp_path / "log").read_bytes() == b"a\xff\0b\n\xc3\xa4\n"


def test_the_log_is_added_to(supervise, tmp_path):
    (tmp_path / "log").write_text("installed\n")
    supervise("print('begun')")
    assert Path(tmp_path / "log").read_text() == "installed\nbegun\n"
