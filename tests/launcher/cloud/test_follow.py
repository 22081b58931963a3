"""A job that is watched: what is shown, what is waited out, what Ctrl-C does."""

from __future__ import annotations

import io
import re
import sys

import pytest
from botocore import exceptions as boto
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from rich.console import Console

from launcher.cloud import follow, remote
from launcher.errors import UserError

LINES = [
    "Training on 4000 samples: 2 epochs of 40 batches",
    "[Epoch 0] Training: accuracy=0.612345",
    "[Epoch 0] Validation: accuracy=0.700000",
    "[Epoch 0] Speed: 61234.5 samples/s",
    "saved",
]


@pytest.fixture
def script_of(monkeypatch):
    """`script_of(step, step, ...)`: each is called before one look at the job; the last one is repeated."""

    def play(*steps):
        left, call = list(steps), BaseClient._make_api_call

        def answer(self, operation, arguments):
            if operation == "DescribeTrainingJob":
                step = left.pop(0) if len(left) > 1 else left[0]
                step()
            return call(self, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", answer)

    return play


@pytest.fixture
def typed(monkeypatch):
    """`typed("stop")`: what a person answers, who sits at a terminal; nothing for nobody there."""

    def answer(text=None):
        stdin = io.StringIO(f"{text}\n" if text is not None else "")
        stdin.isatty = lambda: text is not None
        monkeypatch.setattr(sys, "stdin", stdin)

    return answer


def watched(job, how=follow.follow, **settings):
    """The final status, and what was shown, without times and what moves the cursor."""
    screen = Console(file=io.StringIO(), width=200, **settings)
    status = how(job.run, remote.access(job.run), screen)
    return status, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\[\d\d:\d\d:\d\d\] ", "", screen.file.getvalue()).replace("\r", "\n")


def interrupt():
    raise KeyboardInterrupt


def failing(error, operation="DescribeTrainingJob"):
    def fail():
        raise ClientError({"Error": {"Code": error, "Message": "no"}}, operation) if isinstance(error, str) else error

    return fail


def test_phases_and_lines_are_shown_as_they_come_and_the_last_lines_after_the_end(sent, script_of):
    job = sent(hosts=2)
    phases = ["Starting: Preparing the instances for training"]
    script_of(
        lambda: job.becomes("InProgress", *phases),
        lambda: job.becomes("InProgress", *phases, "Downloading: Downloading input data"),
        lambda: job.prints("one").prints("two", host="algo-2"),
        lambda: job.becomes(
            "Completed", *phases, "Downloading: Downloading input data", "Uploading: x", "Completed: y"
        ),
        lambda: job.prints("late"),
        lambda: None,
    )
    status, shown = watched(job)
    assert status.state == "Completed"
    assert shown.splitlines() == [
        "Starting: Preparing the instances for training",
        "Downloading: Downloading input data",
        "algo-1 | one",
        "algo-2 | two",
        "Uploading: x",
        "Completed: y",
        "algo-1 | late",
    ]


def test_on_a_terminal_the_epochs_are_lines_as_in_a_local_run(sent):
    job = sent().prints(*LINES).becomes("Completed", "Training: Training image download completed")
    _, shown = watched(job, force_terminal=True)
    lines = [line.rstrip() for line in shown.splitlines()]
    assert "epoch   1  accuracy 0.6123  validation 0.7000  61,234 samples/s" in lines
    assert "Training: Training image download completed" in lines
    assert "saved" in lines
    assert not any("[Epoch" in line for line in lines)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ThrottlingException", "AWS is slowing this account down"),
        (boto.EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached"),
        ("ExpiredTokenException", "the AWS credentials have expired: run `aws sso login`"),
        (boto.UnauthorizedSSOTokenError(), "the AWS credentials have expired"),
    ],
)
def test_what_passes_is_told_once_and_waited_out(sent, script_of, error, told):
    job = sent().prints("one")
    script_of(failing(error), failing(error), failing(error), lambda: job.becomes("Completed"))
    status, shown = watched(job)
    assert status.state == "Completed"
    assert shown.count(told) == 1
    assert "The job goes on; trying again for 15 min" in shown
    assert shown.count("AWS answers again") == 1
    assert shown.count("one\n") == 1


def test_after_expired_credentials_new_ones_are_taken(sent, script_of, monkeypatch):
    job, made = sent(), []
    access = remote.access
    monkeypatch.setattr(remote, "access", lambda run: made.append(run) or access(run))
    script_of(failing("ExpiredToken"), failing("ExpiredToken"), lambda: job.becomes("Completed"))
    follow.follow(job.run, access(job.run), Console(file=io.StringIO()))
    assert len(made) == 2


@pytest.mark.parametrize("error", ["ThrottlingException", "ExpiredToken"])
def test_what_does_not_pass_in_time_ends_the_watching_and_says_how_to_go_on(sent, script_of, monkeypatch, error):
    job = sent()
    monkeypatch.setattr(follow, "PATIENCE", 0.3)
    script_of(failing(error))
    with pytest.raises(UserError, match=rf"The job goes on: `glaunch logs -f {job.name}` follows it, `glaunch stop"):
        watched(job)
    assert job.run.status.state == "InProgress"


@pytest.mark.parametrize("operation", ["DescribeTrainingJob", "GetLogEvents"])
def test_access_that_is_denied_is_told_at_once_with_the_policy(sent, refuse, operation):
    job = sent().prints("one")
    refuse(operation, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/me is not authorized")
    with pytest.raises(UserError, match=r"`glaunch infra policy`.*The job goes on") as told:
        watched(job)
    assert "123456789012" not in str(told.value)


def test_a_job_that_is_deleted_meanwhile_ends_the_watching(sent, script_of):
    job = sent()
    script_of(lambda: None, job.is_deleted, lambda: None)
    status, _ = watched(job)
    assert status.state == "Stopped"
    assert "it was deleted there" in status.reason


def test_detaching_leaves_the_job_alone(sent, script_of, typed, capsys, calls):
    job = sent()
    typed("detach")
    script_of(lambda: None, interrupt)
    status, _ = watched(job, follow.attend)
    assert status.state == "InProgress"
    assert f"`glaunch logs -f {job.name}` follows it" in capsys.readouterr().err
    assert "StopTrainingJob" not in [operation for _, operation, _ in calls]


def test_stopping_is_followed_to_its_end(sent, script_of, typed):
    job = sent()
    typed("stop")
    script_of(
        lambda: None,
        interrupt,
        lambda: None,  # before it is stopped
        lambda: job.prints("saving"),
        lambda: job.at_aws.secondary_status == "Stopping" and job.becomes("Stopped", "Stopped: Training job stopped"),
    )
    status, shown = watched(job, follow.attend)
    assert (status.state, status.reason) == ("Stopped", "stopped")
    assert "saving" in shown


def test_watching_on_shows_no_line_twice_and_none_too_few(sent, script_of, typed):
    job = sent()
    typed("watch")
    script_of(
        lambda: job.prints("one"),
        lambda: job.prints("two"),
        interrupt,
        lambda: job.prints("three").becomes("Completed"),
        lambda: None,
    )
    status, shown = watched(job, follow.attend)
    assert status.state == "Completed"
    assert shown.splitlines() == ["Starting: Starting the training job", "one", "two", "three"]


def test_where_nobody_can_be_asked_ctrl_c_detaches_and_says_how_to_stop(sent, script_of, typed, capsys):
    job = sent()
    typed()
    script_of(lambda: None, interrupt)
    with pytest.raises(KeyboardInterrupt):
        watched(job, follow.attend)
    assert f"`glaunch stop {job.name}` ends it" in capsys.readouterr().err
    assert job.at_aws.training_job_status == "InProgress"


def test_a_second_ctrl_c_at_the_question_detaches(sent, script_of, typed, monkeypatch):
    job = sent()
    typed("")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: interrupt())
    script_of(lambda: None, interrupt)
    assert watched(job, follow.attend)[0].state == "InProgress"
