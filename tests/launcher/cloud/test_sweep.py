"""What costs money is found by its tag and ended; nothing else is touched."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from endpoint_models import ECHO, pack
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import EmptyResult
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

REGION = "eu-west-1"
OURS = [{"Key": "glaunch", "Value": "glaunch"}]
ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/glaunch-Role-1X2Y3Z"


@pytest.fixture
def backend(stack):
    """moto's SageMaker, to be altered."""
    return sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION]


@pytest.fixture
def endpoint(run, tmp_path, stack):
    """`endpoint(name, *words)`: one that serves."""

    def make(name, *words):
        path = tmp_path / name / f"{name}.tar.gz"
        path.parent.mkdir()
        model = pack(path.parent, name, serve=ECHO)
        run("deploy", model, "--on", "aws", "--no-check", "--name", name, *words)

    return make


@pytest.fixture
def stopped(monkeypatch, backend):
    """The names of the jobs that were stopped; moto itself cannot stop any."""
    names = []

    def stop(key, jobs, state):
        def answer(self):
            name = json.loads(self.body)[key]
            names.append(name)
            setattr(getattr(backend, jobs)[name], state, "Stopping")
            return EmptyResult()

        return answer

    for operation, *words in (
        ("stop_training_job", "TrainingJobName", "training_jobs", "training_job_status"),
        ("stop_transform_job", "TransformJobName", "transform_jobs", "transform_job_status"),
    ):
        monkeypatch.setattr(SageMakerResponse, operation, stop(*words), raising=False)
    return names


def train(client, backend, name, tags, state="InProgress"):
    client.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://b/runs"},
        ResourceConfig={"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=tags,
    )
    backend.training_jobs[name].training_job_status = state


def age(backend, kind, name, hours):
    """Makes something older."""
    one = getattr(backend, kind)[name]
    for moment in ("creation_time", "training_start_time"):
        if hasattr(one, moment):
            setattr(one, moment, _earlier(getattr(one, moment), hours))


def _earlier(moment, hours):
    if isinstance(moment, str):
        from datetime import datetime

        form = "%Y-%m-%d %H:%M:%S"
        return (datetime.strptime(moment, form) - timedelta(hours=hours)).strftime(form)
    return moment - timedelta(hours=hours)


def listed(run, *words):
    return {(one["kind"], one["name"]) for one in json.loads(run("sweep", "--json", *words).stdout)}


def test_jobs_endpoints_and_leftovers_of_the_stack_are_listed_and_ended_and_nothing_else(
    run, stack, account, backend, endpoint, stopped
):
    client = account("sagemaker")
    train(client, backend, "ours", OURS)
    train(client, backend, "done", OURS, "Completed")
    train(client, backend, "foreign", [])
    train(client, backend, "another-stack", [{"Key": "glaunch", "Value": "another"}])
    endpoint("digits")
    endpoint("gone")
    del backend.endpoints["gone"]
    client.create_notebook_instance(NotebookInstanceName="lab", InstanceType="ml.t3.medium", RoleArn=ROLE, Tags=OURS)
    client.create_notebook_instance(NotebookInstanceName="lab-2", InstanceType="ml.t3.medium", RoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.c5.large"}
    client.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i"})
    client.create_endpoint_config(EndpointConfigName="digits-2", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="digits-2", EndpointConfigName="digits-2")

    assert listed(run) == {
        ("training job", "ours"),
        ("endpoint", "digits"),
        ("leftover", "gone"),
        ("notebook", "lab"),
    }
    text = run("sweep", answers="n\n", status=130).stdout
    assert "2 x ml.c5.xlarge" in text
    assert "End all 4 of these? Nobody can be asked here" in run("sweep", status=2).stderr
    assert backend.training_jobs["ours"].training_job_status == "InProgress"
    done = run("sweep", "--yes").stdout
    assert "stopping the training job ours\n" in done
    assert stopped == ["ours"]
    assert [*backend.endpoints] == ["digits-2"]
    assert [*backend.endpoint_configs] == ["digits-2"]
    assert [*backend._models] == ["m"]
    states = {name: one.status for name, one in backend.notebook_instances.items()}
    assert states["lab-2"] == "InService"
    assert states["lab"] != "InService"
    assert listed(run) == set()
    assert "nothing of the stack glaunch in eu-west-1 costs money" in run("sweep").stdout


def test_prices_so_far_are_those_of_the_machines_and_the_time(run, stack, account, backend, endpoint):
    endpoint("digits", "--instances", 2)
    age(backend, "endpoints", "digits", 10)
    [one] = json.loads(run("sweep", "--json").stdout)
    assert one["dollars"] == pytest.approx(10 * 2 * 0.116, rel=0.01)
    assert one["age"] == pytest.approx(36000, rel=0.01)


def test_what_is_expired_or_old_is_ended_and_the_rest_stays(run, stack, backend, endpoint):
    endpoint("short", "--expires", "2h")
    endpoint("long", "--expires", "9d")
    endpoint("none")
    assert listed(run, "--expired") == set()
    for tag in backend.endpoints["short"].tags:
        if tag["Key"] == "glaunch-expires":
            tag["Value"] = "2026-01-31T00:00:00Z"
    age(backend, "endpoints", "none", 5)
    assert listed(run, "--expired") == {("endpoint", "short")}
    assert listed(run, "--older-than", "4h") == {("endpoint", "none")}
    assert listed(run, "--older-than", "4h", "--expired") == set()
    run("sweep", "--expired", "--yes")
    run("sweep", "--older-than", "4h", answers="y\n")
    assert [*backend.endpoints] == ["long"]


def test_one_that_cannot_be_ended_does_not_keep_the_others(run, stack, account, backend, endpoint, refuse):
    train(account("sagemaker"), backend, "stubborn", OURS)
    endpoint("digits")
    refuse("StopTrainingJob", "AccessDeniedException", "not you")
    failed = run("sweep", "--yes", status=1)
    assert "the training job stubborn is still there" in failed.stderr
    assert "denies StopTrainingJob" in failed.stderr
    assert "removed the endpoint digits" in failed.stdout
    assert [*backend.endpoints] == []


def test_a_warm_pool_is_listed_and_let_go(run, stack, account, backend, alter, monkeypatch):
    train(account("sagemaker"), backend, "warm", OURS, "Completed")
    released = []

    def keep_warm(found):
        for one in found["TrainingJobSummaries"]:
            one["WarmPoolStatus"] = {"Status": "Available"}
        return found

    def update_training_job(self):
        released.append(json.loads(self.body))
        return EmptyResult()

    alter("ListTrainingJobs", keep_warm)
    monkeypatch.setattr(SageMakerResponse, "update_training_job", update_training_job, raising=False)
    assert ("warm pool", "warm") in listed(run)
    run("sweep", "--yes")
    assert released == [{"TrainingJobName": "warm", "ResourceConfig": {"KeepAlivePeriodInSeconds": 0}}]


@pytest.mark.administrator
def test_a_stack_in_use_is_not_brought_down(run, account, backend_of_a_stack, endpoint):
    endpoint("digits")
    refused = run("infra", "down", "--yes", "--empty", status=2)
    assert "the stack glaunch is in use: the endpoint digits. `glaunch sweep` lists and ends them" in refused.stderr
    assert account("cloudformation").describe_stacks(StackName="glaunch")["Stacks"]
    run("sweep", "--yes")
    run("infra", "down", "--yes", "--empty")


@pytest.fixture
def backend_of_a_stack(account, run):
    """A real stack of moto's, brought up as a person does."""
    run("infra", "up", "--yes")


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "2 hours"])
def test_an_age_that_is_none_is_refused(run, text):
    assert "is no span of time" in run("sweep", "--older-than", text or " ", status=2).stderr
