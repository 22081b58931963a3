"""The verbs of runs where a run is on SageMaker, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys

import boto3
import pytest
from sent_jobs import create

from launcher.cloud import listing
from launcher.run import Run

# Calls whose action has another name.
LATER = "Training: Training in-progress"
# What sagemaker-training 5.1.4 prints and SageMaker makes of it, of a script that raises an exception.
TOOLKIT = (
    "2026-11-22 10:30:50,696 sagemaker-training-toolkit ERROR    Reporting training FAILURE",
    "2026-11-22 10:30:50,697 sagemaker-training-toolkit ERROR    ExecuteUserScriptError:",
    "ExitCode 1",
    'ErrorMessage ""',
    'Command "/usr/local/bin/python3.8 -- script.py --epochs 3"',
    "2026-11-22 10:30:50,697 sagemaker-training-toolkit ERROR    Encountered exit_code 1",
)
REASON = 'AlgorithmError: ExecuteUserScriptError:\nExitCode {0}\nErrorMessage ""\nCommand "x", exit code: {1}'


def traceback(error, file="script.py"):
    return (
        "Traceback (most recent call last):",
        f'  File "{file}", line 1, in <module>',
        "    print(1)",
        '  File "/usr/local/lib/python3.8/site-packages/mxnet/base.py", line 246, in check_call',
        "    raise error",
        error,
        *TOOLKIT,
    )


def test_show_asks_aws_and_tells_where_the_run_is_and_what_it_does(sent, run):
    job = sent(hosts=2).becomes("InProgress", "Starting: x", "Downloading: Downloading input data")
    shown = " ".join(run("show").stdout.split())
    assert "where SageMaker, eu-west-1, 2 x ml.c5.xlarge Downloading: Downloading input data" in shown
    assert "algo-2 running" in shown
    job.prints("[Epoch 0] Validation: accuracy=0.5").becomes("Completed", LATER)
    found = json.loads(run("show", job.name[:12], "--json").stdout)
    assert (found["state"], found["metrics"]) == ("Completed", {"validation:accuracy": 0.5})
    assert found["where"] == {
        "on": "aws", "region": "eu-west-1", "profile": "default", "instance_type": "ml.c5.xlarge",
    }  # fmt: skip
    assert found["phases"][0]["name"] == "Training"


def test_show_tells_what_is_billable(sent, run):
    sent().becomes("Completed", billable_time_in_seconds=61)
    assert "61 s billable" in run("show").stdout


def test_without_aws_what_is_here_is_shown_with_its_age(sent, run, refuse):
    job = sent().prints("one")
    run("logs")
    refuse("DescribeTrainingJob", "AccessDeniedException", "no")
    for verb, found in (("show", "InProgress"), ("logs", "one"), ("ls", job.name), ("explain", "InProgress")):
        done = run(verb)
        assert found in done.stdout
        assert "`glaunch infra policy` prints what is needed" in done.stderr
        assert "What is shown is of 20" in done.stderr


def test_ls_asks_aws_only_about_what_goes_on_and_tells_where_each_run_is(sent, run, calls, recorded):
    recorded()
    done = sent().becomes("Completed", LATER)
    run("show", done.name)
    going = sent()
    run("ls")
    calls.clear()
    going.becomes("Failed", LATER, reason="x")
    lines = run("ls").stdout.splitlines()
    assert [(line.split()[1], line.split()[-1]) for line in lines[1:]] == [
        ("Failed", "SageMaker"),
        ("Completed", "SageMaker"),
        ("Completed", "here"),
    ]
    asked = [arguments["TrainingJobName"] for _, name, arguments in calls if name == "DescribeTrainingJob"]
    assert asked == [going.name]


def test_ls_on_aws_lists_the_jobs_of_the_stack_from_wherever_they_were_sent(sent, run, stack):
    create("from-elsewhere-2026", stack, hosts=3)
    create("of-another-stack", stack, tags={"glaunch": "other"})
    create("of-nobody", stack, tags={})
    job = sent().becomes("InProgress", "Starting: x", "Training: y")
    shown = run("ls", "--on", "aws").stdout
    assert "of-" not in shown
    line = next(" ".join(line.split()) for line in shown.splitlines() if line.startswith("from-elsewhere-2026"))
    assert line.startswith("from-elsewhere-2026 Completed")
    assert line.endswith("3 x ml.c5.xlarge")
    mine, other = json.loads(run("ls", "--on", "aws", "--json").stdout)
    assert (mine["name"], mine["state"], mine["phase"], mine["folder"]) == (
        job.name, "InProgress", "Training", str(job.run.folder),
    )  # fmt: skip
    assert (other["name"], other["hosts"], other["folder"]) == ("from-elsewhere-2026", 3, None)


def test_ls_on_aws_lists_the_latest_and_says_that_there_are_more(sent, run, stack, monkeypatch):
    monkeypatch.setattr(listing, "LIMIT", 2)
    for number in range(3):
        create(f"job-{number}", stack)
    done = run("ls", "--on", "aws", "--json")
    assert [job["name"] for job in json.loads(done.stdout)] == ["job-2", "job-1"]
    assert "the latest 2; there are more" in done.stderr


def test_ls_on_aws_of_an_empty_account_says_how_to_begin(run, stack):
    assert "glaunch run mnist_mlp --on aws" in run("ls", "--on", "aws").stdout
    assert json.loads(run("ls", "--on", "aws", "--json").stdout) == []


def test_logs_are_those_of_cloudwatch_and_each_host_has_its_own(sent, run):
    sent(hosts=2).prints("one", "two").prints("other", host="algo-2")
    assert run("logs").stdout == "one\ntwo\n"
    assert run("logs", "--host", "algo-2").stdout == "other\n"
    assert json.loads(run("logs", "--json").stdout.splitlines()[1]) == {"host": "algo-1", "line": "two"}


def test_logs_are_followed_to_the_end_of_the_job(sent, run, alter):
    job, looks = sent().prints("one"), []

    def go_on(answer):
        looks.append(answer)
        if len(looks) == 3:
            job.prints("two").becomes("Completed", "Starting: x", LATER)
        return answer

    alter("DescribeTrainingJob", go_on)
    done = run("logs", "-f")
    assert done.stdout == "one\ntwo\n"
    assert LATER in done.stderr
    assert len(looks) > 3


def test_stop_asks_sagemaker_once_and_ends_nothing_twice(sent, run, calls):
    job = sent()
    assert run("stop").stdout == f"{job.name}: Stopping\n"
    assert job.run.status.state == "Stopping"
    job.becomes("Stopped", "Stopped: Training job stopped")
    calls.clear()
    assert json.loads(run("stop", "--json").stdout) == {"name": job.name, "state": "Stopped"}
    assert "StopTrainingJob" not in [operation for _, operation, _ in calls]


def test_a_job_that_ends_while_it_is_stopped_is_no_error(sent, run, refuse):
    job = sent()
    refuse("StopTrainingJob", "ValidationException", "The request was rejected because the training job is Completed")
    assert run("stop").stdout == f"{job.name}: InProgress\n"


def test_stop_that_is_denied_says_what_is_needed(sent, run, refuse):
    sent()
    refuse("StopTrainingJob", "AccessDeniedException", "no")
    assert "AWS denies StopTrainingJob" in run("stop", status=2).stderr


@pytest.mark.parametrize("file", ["script.py", "/opt/ml/code/script.py"])
def test_explain_finds_the_users_line_in_cloudwatch(sent, run, file):
    job = sent().prints("begun", *traceback("ValueError: 3 classes", file))
    job.becomes("Failed", LATER, reason=REASON.format(1, 1))
    found = json.loads(run("explain", "--json").stdout)
    assert found["reason"] == "ValueError: 3 classes"
    script = job.run.job_content["entry_point"]
    assert found["frame"] == {"file": script, "line": 1, "function": "<module>", "code": "print(1)"}
    assert found["traceback"].splitlines()[-1] == "ValueError: 3 classes"


def test_explain_names_the_host_whose_error_came_first(sent, run):
    job = sent(hosts=2)
    job.prints(*traceback("KeyError: 'first'"), host="algo-2").prints(*traceback("OSError: its peer is gone"))
    job.becomes("Failed", LATER, reason=REASON.format(1, 1))
    assert json.loads(run("explain", "--json").stdout)["reason"] == "KeyError: 'first'"
    shown = " ".join(run("show").stdout.split())
    assert "algo-2 exited with status 1" in shown
    assert "algo-1 ended" in shown


def test_explain_looks_at_the_last_attempt_only(sent, run):
    job = sent().prints(*traceback("ValueError: first"))
    run("show")
    job.prints("again", start=1_800_000_000).becomes("Failed", LATER, reason="InternalServerError: internal error")
    out = run("explain").stdout
    assert "InternalServerError" in out
    assert "ValueError" not in out
    assert "send the job again" in out


@pytest.mark.parametrize("statuses", [(-9, 1), (137, 137)])
def test_explain_tells_of_memory_that_ran_out(sent, run, statuses):
    sent().prints("one").becomes("Failed", LATER, reason=REASON.format(*statuses))
    out = run("explain").stdout
    assert "--instance-type with more memory" in out
    assert "was ended by SIGKILL" in run("show").stdout


def test_explain_of_a_job_whose_script_never_began(sent, run):
    reason = "ClientError: Data download failed:Unable to download object s3://x/y (AccessDenied: Access Denied)"
    sent().becomes("Failed", "Downloading: x", reason=reason)
    out = run("explain").stdout
    assert reason in out
    assert "hint: the job's role may not do that" in out


@pytest.mark.parametrize(
    ("phase", "option"), [("MaxRuntimeExceeded", "--max-run"), ("MaxWaitTimeExceeded", "--max-wait")]
)
def test_explain_of_a_job_that_a_limit_stopped(sent, run, phase, option):
    job = sent().becomes("Stopped", f"{phase}: Training job runtime exceeded")
    out = run("explain").stdout
    assert f"longer {option}" in out
    assert f"--resume {job.name}" in out


def test_explain_of_a_job_that_a_person_stopped_has_nothing_to_explain(sent, run):
    job = sent().becomes("Stopped", "Stopped: Training job stopped")
    assert run("explain").stdout == f"{job.name} is Stopped: stopped\n"


def test_rm_deletes_the_folder_here_only_and_not_of_a_job_that_runs(sent, run):
    job = sent()
    assert "`glaunch stop" in run("rm", job.name, status=2).stderr
    job.becomes("Completed")
    assert run("rm", job.name).stdout == f"deleted {job.name} here; AWS keeps its record of the job\n"
    assert not job.run.folder.exists()
    assert boto3.client("sagemaker").describe_training_job(TrainingJobName=job.name)


def test_rm_of_a_job_that_was_deleted_at_aws_works(sent, run):
    job = sent().becomes("InProgress", LATER)
    run("show")
    job.is_deleted()
    run("rm", job.name)
    assert Run.all() == []


def test_local_verbs_import_nothing_of_aws(recorded):
    recorded(reason="x")
    code = (
        "import sys\nfrom launcher.cli import cli\n"
        "for verb in ('ls', 'show', 'logs', 'stop', 'explain'):\n cli([verb], standalone_mode=False)\n"
        "print([m for m in ('boto3', 'botocore', 'sagemaker', 'launcher.cloud.remote') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_boto3_a_remote_run_is_shown_with_what_to_install(sent, glaunch, tmp_path):
    job = sent()
    for name in ("boto3", "botocore"):
        (tmp_path / "absent" / name).mkdir(parents=True)
        (tmp_path / "absent" / name / "__init__.py").write_text("raise ModuleNotFoundError('absent')")
    done = glaunch("show", PYTHONPATH=str(tmp_path / "absent"))
    assert job.name in done.stdout
    assert "pip install 'gluon-launcher[aws]'" in done.stderr
    for words in (["stop"], ["fetch"], ["ls", "--on", "aws"], ["logs", "-f"]):
        assert "pip install" in glaunch(*words, status=2, PYTHONPATH=str(tmp_path / "absent")).stderr
