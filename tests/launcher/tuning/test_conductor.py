"""Trials on this machine: how many at a time, what becomes of those that fail, and that none outlives its search."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from launcher import processes
from launcher.errors import JobFailed, UserError
from launcher.job import Checkpoints, TrainingJob
from launcher.local import runner
from launcher.run import Run
from launcher.tuning import conductor, space, study
from launcher.tuning.sampler import Sampler
from launcher.tuning.search import Search

SCRIPT = """
    import json, os, time

    if __name__ == "__main__":
        values = json.loads(os.environ["SM_HPS"])
        begun = time.time()
        time.sleep(values.get("seconds", 0))
        if values["x"] == values.get("bad"):
            raise ValueError("diverged")
        print(f"[Epoch 0] Validation: {values.get('metric', 'accuracy')}={values['x'] / 2}")
        print(f"[Epoch 1] Validation: {values.get('metric', 'accuracy')}={values.get('last', values['x'])}")
        with open(os.path.join(os.environ["SM_MODEL_DIR"], "span"), "w") as file:
            file.write(f"{begun} {time.time()}")
"""


def left_of(run):
    """The processes that a run has left."""
    return processes._marked(os.fsencode(f"SAGEMAKER_BASE_DIR={run.folder}/"))


@pytest.fixture
def conduct(script):
    """`conduct(hyperparameters, jobs=4, ...)`: a search of x from 1 to 9; the study when it is over."""

    def call(hyperparameters=None, on_trial=lambda *_: None, **more):
        job = TrainingJob(script(SCRIPT), hyperparameters=hyperparameters or {})
        search = Search(**{"space": space.parse(["x=int:1:9"]), "jobs": 4, "seed": 1, **more})
        return conductor.conduct(study.create(job, search), job, Sampler(search), on_trial)

    return call


def test_each_trial_is_a_run_with_its_values_and_the_best_is_found(conduct):
    told = []
    done = conduct({"seconds": 0}, lambda _study, trial: told.append((trial.number, trial.state)))
    assert (done.state, len(done.trials)) == ("Completed", 4)
    for trial in done.trials:
        run = Run.find(trial.run)
        assert run.job.hyperparameters == {"seconds": 0, **trial.values}
        assert trial.objective == float(trial.values["x"])  # the last value of the metric
        assert run.model.exists()
        assert trial.seconds > 0
    assert done.best.objective == max(trial.objective for trial in done.trials)
    assert study.find(done.name) == done
    assert [one for one in told if one[0] == 1] == [(1, "InProgress"), (1, "Completed")]
    assert done.name in done.trials[0].run


def test_no_more_than_so_many_run_at_a_time_and_so_many_do(conduct, monkeypatch):
    running, most = set(), []

    def note(_study, trial):
        (running.add if trial.state == "InProgress" else running.discard)(trial.number)
        most.append(len(running))

    conduct({"seconds": 0.2}, note, parallel=2, jobs=5)
    assert max(most) == 2
    assert running == set()


def test_a_trial_that_fails_is_counted_and_the_search_goes_on(conduct):
    done = conduct({"bad": 3}, jobs=9, parallel=3)
    [failed] = [trial for trial in done.trials if trial.state == "Failed"]
    assert failed.values == {"x": 3}
    assert "diverged" in failed.reason
    assert (done.state, done.best.objective) == ("Completed", 9.0)


def test_the_least_is_the_best_where_less_is_better(conduct):
    assert conduct(jobs=9, parallel=3, minimize=True).best.values == {"x": 1}


def test_a_search_of_which_nothing_completed_has_failed(conduct):
    done = conduct({"last": "nan"}, jobs=2)
    assert (done.state, done.reason, done.best) == ("Failed", "no trial completed", None)
    assert "its last validation:accuracy is no finite number" in done.trials[0].reason


def test_a_script_that_does_not_measure_what_is_looked_for_ends_the_search(conduct):
    with pytest.raises(JobFailed, match="did not measure validation:accuracy, but validation:loss: give --objective"):
        conduct({"metric": "loss"}, jobs=9)
    [one] = study.every()
    assert (one.state, len(one.trials)) == ("Failed", 1)


def test_an_error_of_ours_leaves_no_trial_running(conduct, monkeypatch):
    launch, runs = runner.launch, []

    def fail_at_the_third(run, *, detach):
        runs.append(run)
        if len(runs) == 3:
            raise JobFailed("the disk is full")
        return launch(run, detach=detach)

    monkeypatch.setattr(runner, "launch", fail_at_the_third)
    with pytest.raises(JobFailed, match="the disk is full"):
        conduct({"seconds": 60}, parallel=4)
    [one] = study.every()
    assert (one.state, one.reason) == ("Failed", "the disk is full")
    assert {trial.state for trial in one.trials} == {"Stopped"}
    assert [pid for run in runs for pid in left_of(run)] == []


def test_ctrl_c_ends_every_trial_with_its_processes(script, wait_until):
    path = script(SCRIPT)
    command = ["tune", path, "--param", "x=int:1:9", "--jobs", "4", "--parallel", "2", "-p", "seconds=60"]
    process = subprocess.Popen(
        [sys.executable, "-m", "launcher", *map(str, command)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: sum(run.status.started is not None for run in Run.all()) == 2)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, told
    [one] = study.every()
    assert (one.state, [trial.state for trial in one.trials]) == ("Stopped", ["Stopped", "Stopped"])
    assert f"what there is: `glaunch tunings {one.name}`" in told
    assert not any(map(left_of, Run.all()))


def test_a_search_that_is_killed_leaves_no_trial_and_is_told_as_failed(script, wait_until):
    path = script(SCRIPT)
    command = ["tune", path, "--param", "x=int:1:9", "--jobs", "2", "-p", "seconds=60"]
    process = subprocess.Popen(
        [sys.executable, "-m", "launcher", *map(str, command)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: any(run.status.started for run in Run.all()))
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: all(run.status.is_over for run in Run.all()))
    [one] = study.every()
    assert (one.state, one.reason) == ("Failed", "the process that ran this search was killed")


@pytest.mark.parametrize(
    ("objective", "given", "job_words", "message"),
    [
        ("validation:accuracy", {"x": 1}, {}, "x has a value by -p and a range by --param"),
        ("my:metric", {}, {}, "--objective my:metric: there is no such metric"),
        ("validation:accuracy", {}, {"kill_after": 1.0}, "a tuning has none"),
        ("validation:accuracy", {}, {"checkpoints": Checkpoints(source="s3://a-bucket/x")}, "begins its trials anew"),
    ],
)
def test_a_job_that_cannot_be_tuned_is_refused(script, objective, given, job_words, message):
    search = Search(space.parse(["x=int:1:9"]), 2, objective=objective)
    with pytest.raises(UserError, match=message):
        conductor.check(search, TrainingJob(script("print(1)\n"), **job_words), given)


def test_a_metric_of_the_jobs_own_may_be_looked_for(script):
    job = TrainingJob(script("print(1)\n"), metrics={"my:metric": "mine=([0-9.]+)"})
    conductor.check(Search(space.parse(["x=int:1:9"]), 2, objective="my:metric"), job, {})


def test_two_searches_never_share_a_folder(script):
    job, search = TrainingJob(script("print(1)\n"), name="n" * 60), Search(space.parse(["x=int:1:9"]), 2)
    names = {study.create(job, search).name for _ in range(2)}
    assert len(names) == 2
    assert all(len(name) <= 32 for name in names)  # SageMaker's limit for a tuning job
