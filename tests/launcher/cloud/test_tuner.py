"""A search by SageMaker's tuner: what is sent is what the SDK sends; what comes back is a record like a local one."""

from __future__ import annotations

import functools
import json
from datetime import datetime, timedelta, timezone

import pytest
from botocore import exceptions as boto
from botocore.client import BaseClient
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from launcher.cloud import attention, prices, tuner
from launcher.cloud.estimator import Names, Places
from launcher.cloud.settings import Settings
from launcher.errors import UserError
from launcher.job import Channel, TrainingJob
from launcher.metrics import DEFINITIONS
from launcher.run import Run
from launcher.tuning import space, study
from launcher.tuning.search import Search

REGION = "eu-west-1"
BUCKET = "glaunch-bucket-1x2y3z"
CODE = f"s3://{BUCKET}/code/0123/sourcedir.tar.gz"
DATA = f"s3://{BUCKET}/digits/"
ROLE = "arn:aws:iam::123456789012:role/glaunch-Role-1X2Y3Z"
NAMES = Names("train-260131-235959", ROLE, "glaunch", REGION)
RANGES = ["learning_rate=log:0.001:0.3", "momentum=float:0:0.9", "batch_size=int:32:256", "optimizer=choice:sgd,adam"]
WORDS = ["--param", "learning_rate=log:0.001:0.3", "--param", "optimizer=choice:sgd,adam", "--on", "aws"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No price list, which moto has not; no pause between two looks; no telemetry of the SDK's."""
    monkeypatch.setattr(prices._List, "find", lambda *_arguments, **_words: None)
    monkeypatch.setattr(attention, "PAUSE", 0.01)
    monkeypatch.setenv("SAGEMAKER_SUPPRESS_V2_WARNING", "1")


@pytest.fixture
def train(script):
    return script("print('hello')\n", "train.py")


@pytest.fixture
def there(stack, monkeypatch):
    """`there.becomes(state, trials)`: what SageMaker says of the tuning job; it is in progress at first."""
    return Tuner(monkeypatch)


class Tuner:
    """moto's tuning jobs are born finished, have no trials of their own, and cannot be stopped: here they can."""

    def __init__(self, monkeypatch):
        self.trials, self.stopped, self.steps = [], [], []
        describe = SageMakerModelBackend.describe_hyper_parameter_tuning_job
        create = SageMakerModelBackend.create_hyper_parameter_tuning_job

        def answer(backend, hyper_parameter_tuning_job_name):
            if self.steps:
                self.steps.pop(0)()
            return describe(backend, hyper_parameter_tuning_job_name)

        def list_trials(_response):
            return ActionResult({"TrainingJobSummaries": self.trials})

        def stop(response):
            name = response._get_param("HyperParameterTuningJobName")
            self.stopped.append(name)
            self.becomes("Stopping")
            return ActionResult({})

        def begin(backend, **words):
            made = create(backend, **words)
            self.becomes("InProgress")
            return made

        monkeypatch.setattr(SageMakerModelBackend, "create_hyper_parameter_tuning_job", begin)
        monkeypatch.setattr(SageMakerModelBackend, "describe_hyper_parameter_tuning_job", answer)
        for name, method in (
            ("list_training_jobs_for_hyper_parameter_tuning_job", list_trials),
            ("stop_hyper_parameter_tuning_job", stop),
        ):
            monkeypatch.setattr(SageMakerResponse, name, method, raising=False)

    @property
    def jobs(self):
        return sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].hyper_parameter_tuning_jobs

    def becomes(self, state, *trials):
        for job in self.jobs.values():
            job.hyper_parameter_tuning_job_status = state
        self.trials = list(trials) or self.trials


def trial(number, state="Completed", value=0.9, **more):
    began = datetime(2026, 1, 31, tzinfo=timezone.utc)
    objective = {"MetricName": "validation:accuracy", "Type": "Maximize", "Value": value}
    return {
        "TrainingJobName": f"train-260131-235959-{number:03d}-0a1b2c3d",
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT_ID}:training-job/t-{number}",
        "CreationTime": began,
        "TrainingStartTime": began,
        **({"TrainingEndTime": began + timedelta(seconds=90)} if state != "InProgress" else {}),
        "TrainingJobStatus": state,
        "TunedHyperParameters": {"learning_rate": f"0.0{number}", "optimizer": '"adam"', "batch_size": "64"},
        **({"FinalHyperParameterTuningJobObjectiveMetric": objective} if state == "Completed" else {}),
        **more,
    }


def search(**more):
    return Search(**{"space": space.parse(RANGES), "jobs": 12, "parallel": 3, **more})


def request_of(wanted, job, settings=None, channels=None):
    places = Places(CODE, job.program, channels or {}, f"s3://{BUCKET}/runs")
    return tuner.tuning_request(wanted, job, settings or Settings(), places, NAMES)


@functools.lru_cache(maxsize=1)
def sdk_session():
    import boto3
    from sagemaker import Session

    return Session(boto3.Session(), default_bucket=BUCKET)


def by_hand(train, job_words, tuner_words, inputs):
    """The search of these words, as a user of the SDK sends it."""
    from sagemaker.mxnet import MXNet
    from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
    from sagemaker.tuner import HyperparameterTuner

    definitions = [{"Name": name, "Regex": regex} for name, regex in DEFINITIONS.items()]
    job = MXNet(
        entry_point="train.py",
        source_dir=str(train.parent),
        role=ROLE,
        framework_version="1.9.0",
        py_version="py38",
        output_path=f"s3://{BUCKET}/runs",
        metric_definitions=definitions,
        sagemaker_session=sdk_session(),
        **{"instance_count": 1, "instance_type": "ml.c5.xlarge", **job_words},
    )
    ranges = {
        "learning_rate": ContinuousParameter(0.001, 0.3, "Logarithmic"),
        "momentum": ContinuousParameter(0.0, 0.9, "Linear"),
        "batch_size": IntegerParameter(32, 256, "Linear"),
        "optimizer": CategoricalParameter(["sgd", "adam"]),
    }
    HyperparameterTuner(
        job, "validation:accuracy", ranges, definitions, max_jobs=12, max_parallel_jobs=3, **tuner_words
    ).fit(inputs, job_name=NAMES.job_name, wait=False, include_cls_metadata=False)


SERVERS = {"parameter_server": {"enabled": True}}
SCENARIOS = {
    "one host": ({}, {}, {}, {}, {}),
    "values, hosts, spot, a seed, at random": (
        {"hyperparameters": {"epochs": 3, "net": "mlp", "augment": False}, "hosts": 2, "max_run": 600.0, "retries": 1},
        {"spot": True, "max_wait": 900.0, "volume_size": 50},
        {"strategy": "random", "seed": 7},
        {
            "hyperparameters": {"epochs": 3, "net": "mlp", "augment": False},
            "instance_count": 2,
            "distribution": SERVERS,
            "max_run": 600,
            "max_retry_attempts": 1,
            "use_spot_instances": True,
            "max_wait": 900,
            "volume_size": 50,
            "checkpoint_s3_uri": f"s3://{BUCKET}/runs/{NAMES.job_name}/checkpoints",
            "environment": {"GLAUNCH_CHECKPOINT_EVERY": "1 epoch"},
        },
        {"strategy": "Random", "random_seed": 7},
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_search_is_sent_as_the_sdk_sends_it(stack, train, calls, scenario):
    job_words, settings, search_words, sdk_words, tuner_words = SCENARIOS[scenario]
    job = TrainingJob(train, train.parent, channels={"training": Channel(DATA)}, **job_words)
    ours = request_of(search(**search_words), job, Settings(**settings), {"training": DATA})
    by_hand(train, sdk_words, tuner_words, {"training": DATA})
    (theirs,) = (arguments for _, operation, arguments in calls if operation == "CreateHyperParameterTuningJob")
    theirs = json.loads(json.dumps(theirs))
    fixed = ours["TrainingJobDefinition"]["StaticHyperParameters"]
    # The differences, all of them: where the code is, and our tags.
    assert json.loads(fixed.pop("sagemaker_submit_directory")) == CODE
    theirs["TrainingJobDefinition"]["StaticHyperParameters"].pop("sagemaker_submit_directory")
    assert ours.pop("Tags") == [{"Key": "glaunch", "Value": "glaunch"}, {"Key": "glaunch-run", "Value": NAMES.job_name}]
    assert "Tags" not in theirs
    assert ours == theirs
    assert ours["HyperParameterTuningJobConfig"]["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 12,
        "MaxParallelTrainingJobs": 3,
    }


def test_the_values_of_a_choice_arrive_with_their_types(train):
    words = ["hidden=choice:[[16], [64, 32]]", "batch_size=choice:32,64", "augment=choice:true,false", "net=choice:a,b"]
    made = request_of(search(space=space.parse(words), jobs=4), TrainingJob(train))
    sent = made["HyperParameterTuningJobConfig"]["ParameterRanges"]["CategoricalParameterRanges"]
    assert {one["Name"]: [json.loads(value) for value in one["Values"]] for one in sent} == {
        "hidden": [[16], [64, 32]],
        "batch_size": [32, 64],
        "augment": [True, False],
        "net": ["a", "b"],
    }


def test_what_the_tuner_cannot_do_is_refused(train):
    with pytest.raises(UserError, match="does not keep machines warm"):
        request_of(search(), TrainingJob(train), Settings(keep_alive=60.0))


def test_a_search_is_sent_watched_and_told_as_a_local_one(run, train, there, calls):
    there.steps = [
        lambda: there.becomes("InProgress", trial(1, "InProgress"), trial(2, "InProgress")),
        lambda: there.becomes("InProgress", trial(1, value=0.8), trial(2, value=0.95), trial(3, "InProgress")),
        lambda: there.becomes(
            "Completed",
            trial(1, value=0.8),
            trial(2, value=0.95),
            trial(3, "Failed", FailureReason="AlgorithmError: it diverged\n\nTraceback"),
        ),
    ]
    done = run("tune", train, *WORDS, "--jobs", 3, "--parallel", 2, "--seed", 5, "-p", "epochs=3")
    (sent,) = (arguments for _, operation, arguments in calls if operation == "CreateHyperParameterTuningJob")
    name = sent["HyperParameterTuningJobName"]
    assert sent["HyperParameterTuningJobConfig"]["RandomSeed"] == 5
    assert sent["TrainingJobDefinition"]["StaticHyperParameters"]["epochs"] == "3"
    assert {"Key": "glaunch", "Value": "glaunch"} in sent["Tags"]  # SageMaker gives a tuning job's tags to its trials
    assert "3 trials, 2 at a time, of 1 x ml.c5.xlarge: $0.24 an hour each" in done.stderr
    assert "trial 2/3  0.9500  learning_rate=0.02 optimizer=adam  1 min 30 s  best so far" in done.stderr
    assert done.stderr.count("trial 1/3") == 1
    assert f"Completed {name}; 2 of 3 trials completed, 1 failed" in done.stdout
    assert "glaunch fetch train-260131-235959-002-0a1b2c3d" in done.stdout
    assert "Failed: AlgorithmError: it diverged" in done.stdout
    shown = json.loads(run("tunings", name, "--json").stdout)
    assert shown["best"]["values"] == {"learning_rate": 0.02, "optimizer": "adam"}
    assert shown["on"] == "aws"
    assert "SageMaker, eu-west-1" in run("tunings").stdout


def test_detached_it_returns_and_is_looked_at_later(run, train, there):
    name = json.loads(run("tune", train, *WORDS, "--jobs", 2, "--detach", "--json").stdout)["name"]
    assert study.find(name).state == "InProgress"
    there.becomes("Completed", trial(1, value=0.7), trial(2, value=0.6))
    assert "best: trial 1, validation:accuracy 0.7000" in run("tunings", name).stdout
    assert (study.find(name).folder / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_it_is_stopped_and_then_deleted_here(run, train, there):
    run("tune", train, *WORDS, "--jobs", 2, "--detach")
    name = study.find().name
    assert "still goes on" in run("tunings", name, "--rm", status=2).stderr
    assert "Stopping" in run("tunings", name, "--stop").stdout
    assert there.stopped == [name]
    there.becomes("Stopped")
    run("tunings", name, "--rm")
    assert study.every() == []


@pytest.mark.parametrize(("answer", "state"), [("detach\n", "InProgress"), ("stop\n", "Stopped")])
def test_ctrl_c_asks_what_to_do(run, train, there, monkeypatch, answer, state):
    def interrupt():
        there.steps = [lambda: None, lambda: there.becomes("Stopped")] if answer == "stop\n" else []
        raise KeyboardInterrupt

    there.steps = [interrupt]
    run("tune", train, *WORDS, "--jobs", 2, answers=answer, status=0 if answer == "detach\n" else 1)
    assert study.find().state == state
    assert bool(there.stopped) == (state == "Stopped")


def test_ctrl_c_where_nobody_can_be_asked_leaves_the_search_alone(run, train, there):
    def interrupt():
        raise KeyboardInterrupt

    there.steps = [interrupt]
    done = run("tune", train, *WORDS, "--jobs", 2, status=130)
    assert "The search goes on: `glaunch tunings" in done.stderr
    assert there.stopped == []


def test_what_passes_is_waited_out_and_told_once(run, train, there, refuse):
    there.steps = [lambda: None, lambda: there.becomes("Completed", trial(1))]
    lost = boto.EndpointConnectionError(endpoint_url="https://api.sagemaker")
    refuse("ListTrainingJobsForHyperParameterTuningJob", lost, times=2)
    done = run("tune", train, *WORDS, "--jobs", 2)
    assert done.stderr.count("AWS cannot be reached") == 1
    assert "It goes on there; trying again" in done.stderr


def test_what_does_not_pass_ends_the_watching_and_not_the_search(run, train, there, refuse):
    refuse("ListTrainingJobsForHyperParameterTuningJob", "AccessDeniedException", "not you")
    assert "AWS denies ListTrainingJobsFor" in run("tune", train, *WORDS, "--jobs", 2, status=2).stderr
    assert study.find().state == "InProgress"


def test_an_answer_that_was_lost_makes_no_second_job(run, train, there, calls, monkeypatch):
    create, made = BaseClient._make_api_call, []

    def lose(client, operation, arguments):
        answer = create(client, operation, arguments)
        if operation == "CreateHyperParameterTuningJob":
            made.append(arguments)
            raise boto.ReadTimeoutError(endpoint_url="https://api.sagemaker")
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", lose)
    run("tune", train, *WORDS, "--jobs", 2, "--detach")
    assert len(made) == 1
    assert study.find().state == "InProgress"


def test_one_that_aws_refuses_has_failed_and_says_why(run, train, there, refuse):
    refuse("CreateHyperParameterTuningJob", "ResourceLimitExceeded", "The account-level limit is 0 instances")
    assert "limit is 0 instances" in run("tune", train, *WORDS, "--jobs", 2, status=2).stderr
    assert study.find().state == "Failed"
    assert "limit is 0" in study.find().reason


def test_one_that_was_deleted_is_no_longer_waited_for(run, train, there, monkeypatch):
    run("tune", train, *WORDS, "--jobs", 2, "--detach")
    there.jobs.clear()
    assert "InProgress" in run("tunings", study.find().name).stdout  # it may not be there yet
    monkeypatch.setattr("launcher.cloud.tunings._SENDING", 0.0)
    assert "it was deleted" in run("tunings", study.find().name).stdout


def test_the_limit_of_the_cost_is_that_of_all_trials(run, train, there, calls, monkeypatch):
    known = prices.Price("ml.c5.xlarge", REGION, 0.25, 0.1, "a test", "2026-01-31")
    monkeypatch.setattr(prices, "training", lambda *_arguments: known)
    told = run("tune", train, *WORDS, "--jobs", 10, "--max-run", 3600, "--max-cost", 1, status=2).stderr
    assert "--max-cost 1 is $0.10 for each of 10 trials" in told
    assert study.every() == []
    run("tune", train, *WORDS, "--jobs", 10, "--max-cost", 10, "--detach")
    (sent,) = (arguments for _, operation, arguments in calls if operation == "CreateHyperParameterTuningJob")
    seconds = sent["TrainingJobDefinition"]["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert 10 * (seconds + 120) / 3600 * 0.25 < 10 < 10 * (seconds + 240) / 3600 * 0.26


def test_a_trial_is_fetched_by_its_name_without_what_is_the_tuners(run, train, there, stack, account):
    from sent_jobs import create

    name = trial(1)["TrainingJobName"]
    values = {"learning_rate": 0.01, "_tuning_objective_metric": "validation:accuracy"}
    create(name, stack, values=values)
    run("fetch", name)
    assert Run.find(name).job_content["hyperparameters"] == {"learning_rate": 0.01}


def test_a_search_is_listed_by_sweep_and_ended(run, train, there):
    run("tune", train, *WORDS, "--jobs", 2, "--detach")
    listed = json.loads(run("sweep", "--json").stdout)
    assert [(one["kind"], one["name"]) for one in listed] == [("tuning job", study.find().name)]
    run("sweep", "--yes")
    assert there.stopped == [study.find().name]


def test_the_sdks_errors_are_a_users(train):
    with pytest.raises(UserError, match="no MXNet image"):
        request_of(search(), TrainingJob(train), Settings(framework_version="2.0.0"))
