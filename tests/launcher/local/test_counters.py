"""What workers count is added up, survives them, and is Prometheus's text; logs keep the newest."""

from __future__ import annotations

import re

from launcher.local import counters
from launcher.local.counters import Counters
from launcher.local.rolling_log import RollingLog


def values(text):
    """Each sample of a text by its name and labels."""
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (.*)$", text, re.MULTILINE)}


def test_any_worker_tells_the_sum_of_all(tmp_path):
    counters.create(tmp_path / "counters", 3)
    workers = [Counters(tmp_path / "counters", number) for number in range(3)]
    for number, worker in enumerate(workers):
        for _ in range(number + 1):
            worker.count(200, 0.002)
        worker.note(batches=10, waiting=number)
    workers[2].count(503, 100.0)
    found = values(workers[0].text())
    assert found == values(workers[1].text())
    assert found['glaunch_invocations_total{status="200"}'] == 6
    assert found['glaunch_invocations_total{status="503"}'] == 1
    assert found["glaunch_model_calls_total"] == 30
    assert found["glaunch_requests_waiting"] == 3
    assert found["glaunch_worker_starts_total"] == 3


def test_the_histogram_is_cumulative_and_has_its_sum(tmp_path):
    counters.create(tmp_path / "counters", 1)
    worker = Counters(tmp_path / "counters", 0)
    for seconds in (0.0004, 0.0005, 0.003, 70.0):
        worker.count(200, seconds)
    text = worker.text()
    found = values(text)
    assert found['glaunch_invocation_seconds_bucket{le="0.0005"}'] == 2
    assert found['glaunch_invocation_seconds_bucket{le="0.0025"}'] == 2
    assert found['glaunch_invocation_seconds_bucket{le="0.005"}'] == 3
    assert found['glaunch_invocation_seconds_bucket{le="60.0"}'] == 3
    assert found['glaunch_invocation_seconds_bucket{le="+Inf"}'] == found["glaunch_invocation_seconds_count"] == 4
    assert abs(found["glaunch_invocation_seconds_sum"] - 70.0039) < 1e-6
    names = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    assert names == set(re.findall(r"^# HELP (\S+) ", text, re.MULTILINE))
    assert all(any(sample.startswith(name) for name in names) for sample in found)
    assert text.endswith("\n")


def test_a_worker_in_the_place_of_another_goes_on_counting(tmp_path):
    counters.create(tmp_path / "counters", 1)
    for _ in range(2):
        worker = Counters(tmp_path / "counters", 0)
        worker.count(200, 0.1)
        worker.note(batches=1, waiting=5)
        worker.note(batches=2, waiting=0)
    found = values(worker.text())
    assert found['glaunch_invocations_total{status="200"}'] == 2
    assert found["glaunch_model_calls_total"] == 4
    assert found["glaunch_worker_starts_total"] == 2


def test_an_unknown_status_counts_as_the_scripts_fault(tmp_path):
    counters.create(tmp_path / "counters", 1)
    worker = Counters(tmp_path / "counters", 0)
    worker.count(418, 0.1)
    assert values(worker.text())['glaunch_invocations_total{status="500"}'] == 1


def test_a_log_keeps_the_newest_lines_and_one_older_part(tmp_path):
    log = RollingLog(tmp_path / "a.log", limit=100)
    for number in range(100):
        log.write(b"line %02d\n" % number)
    old, new = (tmp_path / "a.log.1").read_bytes(), (tmp_path / "a.log").read_bytes()
    assert (old + new).endswith(b"line 98\nline 99\n")
    assert len(old) <= 108
    assert len(new) <= 108
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1"]


def test_a_log_is_added_to_by_the_next_worker(tmp_path):
    for line in (b"1\n", b"2\n"):
        RollingLog(tmp_path / "a.log").write(line)
    assert (tmp_path / "a.log").read_bytes() == b"1\n2\n"


def test_a_log_whose_folder_is_gone_loses_lines_and_nothing_else(tmp_path):
    (tmp_path / "logs").mkdir()
    log = RollingLog(tmp_path / "logs" / "a.log", limit=10)
    log.write(b"x" * 20)
    (tmp_path / "logs" / "a.log").unlink()
    (tmp_path / "logs").rmdir()
    for _ in range(3):
        log.write(b"y" * 20)
