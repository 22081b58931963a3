"""When a job of several processes is over, and what is said of it: real processes, and none of MXNet's."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from launcher.job import Deadlines
from launcher.local.watch import Watch

WAITS, BUSY, IS_DONE = "sleep 600", "while :; do :; done", "exit 0"
IS_LATE = "kill -ALRM $$"  # as the alarm that a host sets itself when it is done


@pytest.fixture
def watch():
    """`watch({name: shell command}, stall=..., finish=...)`: the Watch when it is over; `algo-N` are workers."""
    children = {}

    def run(commands, seconds=30, stop=(), begun=False, **deadlines):
        for name, command in commands.items():
            children[name] = subprocess.Popen(["sh", "-c", command], start_new_session=True)
        for name in stop:
            os.kill(children[name].pid, signal.SIGSTOP)
        workers = [name for name in commands if name.startswith("algo")]
        watched = Watch(workers, children, Deadlines(**deadlines))
        watched.has_begun = begun
        until = time.monotonic() + seconds
        while not watched.is_over():
            if time.monotonic() > until:
                return None
            time.sleep(0.02)
        return watched

    yield run
    for child in children.values():
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def test_processes_that_all_end_well_leave_nothing_to_say(watch):
    done = watch({"server": IS_DONE, "algo-1": "sleep 0.1", "algo-2": IS_DONE})
    assert (done.failed, done.overdue, done.halted) == ("", "", [])


def test_servers_that_outlive_the_workers_are_no_failure(watch):
    done = watch({"server": WAITS, "algo-1": IS_DONE, "algo-2": IS_DONE})
    assert (done.failed, done.overdue) == ("", "")


def test_processes_that_only_wait_before_the_first_step_have_the_deadline_of_the_start(watch):
    done = watch({"server": WAITS, "algo-1": WAITS}, start=1.5, stall=600)
    assert done.overdue == "nothing has happened for 1.5 s: every process only waits"
    assert watch({"server": WAITS, "algo-1": WAITS}, seconds=3, begun=True, start=0.5, stall=600) is None


def test_a_server_that_fails_ends_the_job(watch):
    assert watch({"server": "exit 6", "algo-1": WAITS, "algo-2": WAITS}).failed == "server"


def test_of_two_failures_the_workers_is_the_one_that_is_told(watch):
    assert watch({"server": "kill -9 $$", "algo-1": WAITS, "algo-2": "sleep 0.3; exit 1"}).failed == "algo-2"


def test_the_first_of_two_workers_that_fail_is_told(watch):
    assert watch({"algo-1": "sleep 0.4; exit 1", "algo-2": "exit 1"}).failed == "algo-2"


def test_a_failure_tells_who_was_stopped_before_it(watch):
    done = watch({"algo-1": "sleep 0.4; exit 97", "algo-2": WAITS}, stop=["algo-2"])
    assert (done.failed, done.halted) == ("algo-1", ["algo-2"])


def test_a_worker_that_ends_long_before_the_others_is_told(watch):
    done = watch({"server": WAITS, "algo-1": WAITS, "algo-2": IS_DONE}, finish=0.3)
    assert done.overdue.startswith("algo-2 was done 0.3 s ago, but algo-1 was not: the hosts did not take the same")
    assert done.failed == ""


def test_a_worker_that_gave_up_waiting_for_the_others_is_not_the_one_that_failed(watch):
    done = watch({"server": WAITS, "algo-1": WAITS, "algo-2": IS_LATE}, stop=["algo-1"])
    assert done.failed == ""
    assert done.overdue == "algo-2 was done 120 s ago, but algo-1 was not: algo-1 was stopped by a signal"


def test_workers_that_all_gave_up_waiting_name_what_they_waited_for(watch):
    later = f"sleep 0.2; {IS_LATE}"
    done = watch({"scheduler": WAITS, "algo-1": IS_LATE, "algo-2": later}, stop=["scheduler"])
    assert "but scheduler was not: scheduler was stopped by a signal" in done.overdue


def test_the_alarm_of_a_script_alone_is_its_failure(watch):
    assert watch({"algo-1": IS_LATE}).failed == "algo-1"


def test_processes_that_only_wait_are_told_with_those_that_are_gone(watch):
    done = watch({"scheduler": IS_DONE, "algo-1": WAITS, "algo-2": WAITS}, stall=1.5)
    assert done.overdue == ("nothing has happened for 1.5 s: scheduler was gone, and every other process only waits")


def test_a_process_that_was_stopped_is_noticed_though_others_work(watch):
    done = watch({"scheduler": WAITS, "algo-1": BUSY, "algo-2": BUSY}, stall=1.5, stop=["scheduler"])
    assert done.overdue == "nothing has happened for 1.5 s: scheduler was stopped by a signal"


def test_processes_of_which_one_works_go_on(watch):
    assert watch({"scheduler": WAITS, "algo-1": WAITS, "algo-2": BUSY}, stall=1.5, seconds=4) is None


def test_a_process_alone_may_wait_as_long_as_it_likes(watch):
    assert watch({"algo-1": WAITS}, stall=0.2, finish=0.2, seconds=2.5) is None
