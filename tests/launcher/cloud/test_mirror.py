"""A remote run's folder: the same as that of a run here, however often and from wherever it is brought up to date."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from launcher.cloud import mirror as mirrors
from launcher.cloud import remote
from launcher.cloud.mirror import Mirror
from launcher.run import Run

EPOCH = (
    "Training on 4000 samples: 2 epochs of 40 batches",
    "Shard: 2000 of 4000 samples",
    "[Epoch 0] Validation: accuracy=0.75",
    "[Epoch 0] Speed: nan samples/s",
)

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


def update(job):
    return Mirror(job.run, remote.access(job.run)).update()


def log(job, host="algo-1"):
    return job.run.log(host).read_text().splitlines()


def measured(job):
    return [json.loads(line) for line in job.run.metrics.read_text().splitlines()]


def test_a_look_mirrors_state_phases_and_times(sent):
    job = sent()
    status = update(job.becomes("InProgress", "Starting: Preparing", "Downloading: Downloading input data"))
    assert status == job.run.status
    assert (status.state, status.ended) == ("InProgress", None)
    assert [(one["name"], one["message"]) for one in status.phases] == [
        ("Starting", "Preparing"),
        ("Downloading", "Downloading input data"),
    ]
    status = update(job.becomes("Completed", "Training: x", "Completed: Training job completed"))
    assert (status.state, status.exit_statuses) == ("Completed", {"algo-1": 0})
    assert status.created <= status.started <= status.ended


def test_the_lines_of_each_host_become_its_log_and_the_metrics_those_of_a_local_run(sent):
    job = sent(hosts=2).prints(*EPOCH, "größer").prints("other", host="algo-2")
    status = update(job)
    assert log(job) == [*EPOCH, "größer"]
    assert log(job, "algo-2") == ["other"]
    accuracy, speed = measured(job)
    assert accuracy.pop("time") == pytest.approx(time.time(), abs=60)
    assert accuracy == {"host": "algo-1", "name": "validation:accuracy", "epoch": 0, "value": 0.75}
    assert speed["value"] is None  # JSON has no NaN
    assert status.metrics == {"validation:accuracy": 0.75}
    assert status.hosts == {"algo-1": {"samples": 2000}}


def test_no_line_is_there_twice_though_several_have_one_time(sent):
    now = time.time_ns() // 1_000_000
    job = sent().prints("one", "two", at=now)
    update(job)
    update(job.prints("three", "four", at=now))
    update(job.prints("five", at=now + 1))
    update(job)
    assert log(job) == ["one", "two", "three", "four", "five"]


def test_every_page_is_read_an_empty_one_is_not_the_end(sent, monkeypatch):
    job = sent().prints(*map(str, range(25)))
    call = BaseClient._make_api_call

    def in_pages(self, operation, arguments):
        if operation != "GetLogEvents":
            return call(self, operation, arguments)
        token = arguments.pop("nextToken", "p0")
        answer = call(self, operation, arguments)
        page = int(token[1:])
        events = [] if page == 1 else answer["events"][(page - (page > 1)) * 10 :][:10]
        return {"events": events, "nextForwardToken": f"p{min(page + 1, 4)}"}

    monkeypatch.setattr(BaseClient, "_make_api_call", in_pages)
    update(job)
    assert log(job) == [str(n) for n in range(25)]


def test_what_was_copied_before_a_call_fails_stays_and_is_not_copied_again(sent, monkeypatch):
    job = sent(hosts=2).prints("one", host="algo-1").prints("two", host="algo-2", start=1_700_000_001)
    call, asked = BaseClient._make_api_call, []

    def fail_at_the_second_host(self, operation, arguments):
        asked.append(operation)
        if operation == "GetLogEvents" and "algo-2" in arguments["logStreamName"] and asked.count(operation) < 5:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, operation)
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", fail_at_the_second_host)
    with pytest.raises(ClientError):
        update(job)
    assert log(job) == ["one"]
    assert job.run.status.phases  # the state is told all the same
    update(job)
    assert (log(job), log(job, "algo-2")) == (["one"], ["two"])


def test_a_copy_that_was_killed_is_cut_to_what_it_had_noted(sent):
    job = sent().prints(*EPOCH)
    update(job)
    with job.run.log("algo-1").open("a") as file, job.run.metrics.open("a") as metrics:
        file.write("half a li")
        metrics.write('{"half')
    update(job.prints("more"))
    assert log(job) == [*EPOCH, "more"]
    assert len(measured(job)) == 2


@pytest.mark.parametrize("damage", ["log", "cursor"])
def test_a_copy_that_is_damaged_is_made_again(sent, damage):
    job = sent().prints(*EPOCH)
    update(job)
    if damage == "log":
        job.run.log("algo-1").write_text("")
    else:
        (job.run.folder / "mirror.json").write_text("[")
    update(job)
    assert log(job) == list(EPOCH)
    assert len(measured(job)) == 2


def test_several_that_mirror_at_once_leave_each_line_once(sent):
    job = sent().prints(*map(str, range(200)))
    threads = [threading.Thread(target=update, args=(job,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert log(job) == [str(n) for n in range(200)]


def test_while_another_process_mirrors_its_work_is_waited_for_but_not_long(sent, monkeypatch):
    job = sent().prints("one")
    monkeypatch.setattr(mirrors, "_PATIENCE", 0.2)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(job.run.folder / "mirror.lock")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"locked\n"
        assert update(job).state == "InProgress"
        assert not job.run.log("algo-1").exists()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    update(job)
    assert log(job) == ["one"]


def test_the_lock_is_left_when_a_look_fails(sent, refuse):
    job = sent()
    refuse("DescribeTrainingJob", "AccessDenied", times=1)
    with pytest.raises(ClientError):
        update(job)
    with (job.run.folder / "mirror.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_host_that_is_started_again_goes_on_in_the_same_log_after_a_line_that_says_so(sent):
    job = sent().prints("Traceback (most recent call last):", "ValueError: first")
    job.becomes("InProgress", "Training: x", "Interrupted: Spot capacity was reclaimed", "Starting: y")
    update(job)
    status = update(job.prints("second", start=1_700_000_900))
    assert log(job)[-2:] == ["[glaunch] attempt 2: SageMaker started the job again", "second"]
    assert status.restarts == ["Interrupted: Spot capacity was reclaimed"]


def test_without_a_log_the_last_values_are_those_that_sagemaker_found(sent):
    job = sent()
    now = datetime.now(timezone.utc)
    found = [("validation:accuracy", 0.9), ("ObjectiveMetric", 1.0)]
    job.becomes(
        "Completed",
        final_metric_data_list=[{"MetricName": name, "Value": value, "Timestamp": now} for name, value in found],
    )
    assert update(job).metrics == {"validation:accuracy": 0.9}


def test_a_job_that_was_deleted_meanwhile_is_over_and_a_new_one_may_not_be_there_yet(sent):
    job = sent()
    job.is_deleted()
    assert update(job).state == "InProgress"
    long_ago = time.time() - 1000
    os.utime(job.run.cloud, (long_ago, long_ago))
    status = update(job)
    assert status.state == "Stopped"
    assert "SageMaker has no such job" in status.reason


def test_the_record_of_a_run_that_was_over_stays_when_its_job_is_deleted(sent):
    job = sent().becomes("Completed")
    before = update(job)
    job.is_deleted()
    assert update(job) == before


def test_a_run_to_which_nothing_can_happen_any_more_asks_aws_nothing(sent, calls):
    job = sent().prints("one").becomes("Completed")
    remote.refresh(job.run)
    assert calls  # lines may follow
    job.at_aws.training_end_time = datetime.now(timezone.utc) - timedelta(minutes=5)
    remote.refresh(job.run)
    calls.clear()
    assert remote.refresh(job.run).state == "Completed"
    assert calls == []


def test_no_account_number_gets_into_the_record(sent):
    job = sent().becomes("Failed", reason="ClientError: arn:aws:iam::123456789012:role/x cannot be assumed")
    assert "123456789012" not in update(job).reason
    assert "123456789012" not in job.run.failure.read_text()


@pytest.mark.parametrize(
    ("said", "reason", "exit_statuses"),
    [
        ("AlgorithmError: KeyError: 'x'\n\nTraceback (most recent call last):\n  File, exit code: 1",
         "AlgorithmError: KeyError: 'x'", {"algo-1": 1}),
        ('AlgorithmError: ExecuteUserScriptError:\nExitCode -9\nErrorMessage "", exit code: 1',
         'AlgorithmError: ExecuteUserScriptError: ExitCode -9 ErrorMessage "", exit code: 1', {"algo-1": -9}),
        ("AlgorithmError: , exit code: 137", "AlgorithmError: , exit code: 137", {"algo-1": -9}),
        ("InternalServerError: an internal error.", "InternalServerError: an internal error.", {}),
    ],
)  # fmt: skip
def test_a_reason_is_one_line_and_tells_how_the_script_ended(sent, said, reason, exit_statuses):
    status = update(sent().becomes("Failed", reason=said))
    assert (status.reason, status.exit_statuses) == (reason, exit_statuses)


def test_a_disk_that_is_full_is_told(sent, monkeypatch):
    job = sent().prints("one")

    def full(self, name, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mirrors.Transcript, "_extend", full)
    assert "cannot write the run folder" in remote.try_refresh([job.run])
    assert Run.find(job.name).status.phases


def test_the_metrics_that_a_job_defines_itself_are_counted_on_from_look_to_look(sent):
    job = sent()
    content = json.dumps({**job.run.job_content, "metrics": {"score": "score ([0-9.]+)"}})
    (job.run.folder / "job.yaml").write_text(content)
    update(job.prints("score 0.5", "score 0.6"))
    status = update(job.prints("score 0.7"))
    assert [(one["name"], one["epoch"], one["value"]) for one in measured(job)] == [
        ("score", 0, 0.5), ("score", 1, 0.6), ("score", 2, 0.7),
    ]  # fmt: skip
    assert status.metrics == {"score": 0.7}


def test_a_group_that_is_not_there_yet_is_no_error(sent):
    job = sent()
    assert boto3.client("logs").describe_log_groups()["logGroups"] == []
    assert update(job).state == "InProgress"
