"""Endpoints on SageMaker from the command line: what is asked of AWS, and that nothing is left of what fails."""

from __future__ import annotations

import json
import tarfile
import time
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from endpoint_models import BROKEN, ECHO, pack
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sagemaker.models import sagemaker_backends

from launcher.job import TrainingJob
from launcher.run import COMPLETED, Run, Status

REGION = "eu-west-1"


@pytest.fixture
def echo(tmp_path):
    """A model.tar.gz whose script, serve.py, sends JSON back."""
    return pack(tmp_path, "echo", serve=ECHO)


@pytest.fixture
def backend(stack):
    """moto's SageMaker, to be altered."""
    return sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION]


@pytest.fixture
def deploy(run, stack, echo):
    """`deploy(*words)`: an endpoint `e` of a tiny model, without the check on this machine."""

    def call(*words, status=0, **more):
        return run("deploy", echo, "--on", "aws", "--name", "e", "--no-check", *words, status=status, **more)

    return call


def made(calls, operation):
    return [arguments for _, name, arguments in calls if name == operation]


def there(backend):
    """The names of all endpoints, configurations and models."""
    return sorted([*backend.endpoints, *backend.endpoint_configs, *backend._models])


def tags(request):
    return {tag["Key"]: tag["Value"] for tag in request["Tags"]}


def settle_at(alter, status, **more):
    """Lets DescribeEndpoint answer Creating twice, and then that."""
    answers = iter(["Creating", "Creating"])

    def answer(found):
        return {**found, "EndpointStatus": next(answers, status), **(more if found["EndpointStatus"] else {})}

    alter("DescribeEndpoint", answer)


def sdk_requests(name, version, uri, role, **words):
    """What the SDK's own MXNetModel sends for the same model."""
    import boto3
    import sagemaker
    from sagemaker.mxnet import MXNetModel

    session = sagemaker.Session(
        boto3.Session(), default_bucket="glaunch-bucket-1x2y3z", sagemaker_config={"SchemaVersion": "1.0"}
    )
    session.sagemaker_config = {}  # else it is checked whenever the SDK looks for a value: seconds a deployment
    requests = {}
    for operation in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        session.sagemaker_client.meta.events.register(
            f"provide-client-params.sagemaker.{operation}",
            lambda params, operation=operation, **_: requests.update({operation: dict(params)}),
        )
    model = MXNetModel(
        uri,
        role,
        framework_version="1.9.0",
        py_version="py38",
        name=version,
        env={"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
        sagemaker_session=session,
    )
    model.deploy(endpoint_name=f"{name}-sdk", tags=[{"Key": "glaunch", "Value": "glaunch"}], wait=False, **words)
    return requests


def kinds():
    from sagemaker.async_inference import AsyncInferenceConfig
    from sagemaker.model_monitor import DataCaptureConfig
    from sagemaker.serverless import ServerlessInferenceConfig

    folder = "s3://glaunch-bucket-1x2y3z/endpoints/e"
    machines = {"instance_type": "ml.g4dn.xlarge", "initial_instance_count": 2}
    later = AsyncInferenceConfig(f"{folder}/output", failure_path=f"{folder}/failure")
    return {
        "real-time": (
            ["--instance-type", "ml.g4dn.xlarge", "--instances", 2, "--capture", 20],
            {**machines, "data_capture_config": DataCaptureConfig(True, 20, f"{folder}/capture")},
        ),
        "serverless": (
            ["--serverless", "--memory", 3072, "--max-concurrency", 7],
            {"serverless_inference_config": ServerlessInferenceConfig(3072, 7)},
        ),
        "asynchronous": (
            ["--async", "--instance-type", "ml.g4dn.xlarge", "--instances", 2],
            {**machines, "async_inference_config": later},
        ),
    }


@pytest.mark.parametrize("kind", ["real-time", "serverless", "asynchronous"])
def test_the_requests_are_those_of_the_sdk(deploy, calls, monkeypatch, kind):
    from sagemaker.telemetry import telemetry_logging

    monkeypatch.setattr(telemetry_logging, "_send_telemetry_request", lambda *_, **__: None)
    words, sdk_words = kinds()[kind]
    deploy(*words)
    [model], [config], [endpoint] = (made(calls, f"Create{what}") for what in ("Model", "EndpointConfig", "Endpoint"))
    uri = model["PrimaryContainer"]["ModelDataUrl"]
    theirs = sdk_requests("e", model["ModelName"], uri, model["ExecutionRoleArn"], **sdk_words)
    for ours, sdk in ((model, theirs["CreateModel"]), (config, theirs["CreateEndpointConfig"])):
        assert tags(ours) == {"glaunch": "glaunch", "glaunch-endpoint": "e"}
        untagged = {key: value for key, value in ours.items() if key not in ("Tags", "EndpointConfigName")}
        assert untagged == {key: value for key, value in sdk.items() if key not in ("Tags", "EndpointConfigName")}
    assert endpoint["EndpointConfigName"] == config["EndpointConfigName"] == model["ModelName"]
    assert endpoint.keys() == theirs["CreateEndpoint"].keys()


def test_a_model_is_checked_deployed_listed_called_and_removed(run, stack, echo, calls, account, backend, tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}')
    before = time.time()
    words = ["--sample", tmp_path / "x.json", "--tag", "team=vision", "--expires", "2h", "--autoscale", "1:4"]
    done = run("deploy", echo, "--on", "aws", "--name", "e", *words)
    assert "e is InService in eu-west-1 (1 x ml.c5.large, $0." in done.stdout
    [model], [endpoint] = made(calls, "CreateModel"), made(calls, "CreateEndpoint")
    assert tags(endpoint).items() >= {"glaunch": "glaunch", "team": "vision"}.items()
    expires = datetime.strptime(tags(endpoint)["glaunch-expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert 7198 <= expires.timestamp() - before <= 7260
    key = model["PrimaryContainer"]["ModelDataUrl"].removeprefix(f"s3://{stack.bucket}/")
    assert key.startswith("models/")
    assert account("s3").get_object(Bucket=stack.bucket, Key=key)["Body"].read() == echo.read_bytes()
    [policy_made] = made(calls, "PutScalingPolicy")
    tracking = policy_made["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 1000
    kind = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert kind == "SageMakerVariantInvocationsPerInstance"
    [target] = account("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (
        "endpoint/e/variant/AllTraffic",
        1,
        4,
    )

    [listed] = json.loads(run("endpoints", "--on", "aws", "--json").stdout)
    assert (listed["name"], listed["state"], listed["kind"], listed["instances"]) == ("e", "InService", "real-time", 1)
    assert listed["dollars"] == pytest.approx(listed["age"] / 3600 * 0.116, rel=0.5)
    assert listed["expires"] == expires.timestamp()
    assert "ml.c5.large" in run("endpoints", "--on", "aws").stdout

    backend.endpoints["foreign"] = backend.endpoints["e"].__class__(
        DEFAULT_ACCOUNT_ID, REGION, "foreign", "c", [], {}, []
    )
    assert run("rm", "e", "--on", "aws").stdout == "deleted e\n"
    assert there(backend) == ["foreign"]
    scaling = account("application-autoscaling")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert "no endpoints" in run("endpoints", "--on", "aws").stdout
    assert account("s3").list_objects_v2(Bucket=stack.bucket)["KeyCount"] == 1  # the model stays


def test_a_model_that_does_not_load_is_found_out_here_and_nothing_is_made(run, stack, calls, home, tmp_path, backend):
    broken = pack(tmp_path, "broken", serve=BROKEN)
    failed = run("deploy", broken, "--on", "aws", status=1)
    assert "this model would not serve: " in failed.stderr
    assert "these are no weights" in failed.stderr
    assert there(backend) == []
    assert not made(calls, "PutObject")
    assert list((home / "endpoints").iterdir()) == []


def test_a_model_that_loads_but_does_not_answer_is_found_out_here(run, stack, echo, tmp_path, backend):
    (tmp_path / "text.csv").write_text("no, json")
    failed = run("deploy", echo, "--on", "aws", "--sample", tmp_path / "text.csv", status=1)
    assert "this model would not serve: " in failed.stderr
    assert there(backend) == []


def test_a_failed_endpoint_is_removed_and_its_container_s_lines_are_shown(deploy, account, alter, backend):
    logs = account("logs")
    group = "/aws/sagemaker/Endpoints/e"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="AllTraffic/i-1")
    now, lines = int(time.time() * 1000), ["Traceback", "ValueError: 123456789012"]
    events = [{"timestamp": now + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName="AllTraffic/i-1", logEvents=events)
    settle_at(alter, "Failed", FailureReason="The container of 123456789012 did not pass the ping health check.")
    failed = deploy(status=1)
    assert (
        "e failed, and is removed: The container of ************ did not pass the ping health check." in failed.stderr
    )
    assert failed.stderr.rstrip().endswith("Traceback\nValueError: ************")
    assert there(backend) == []


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_a_refusal_half_way_leaves_nothing(deploy, refuse, backend, operation):
    refuse(operation, "ResourceLimitExceeded", "The account-level limit is 0 Instances")
    failed = deploy(status=2)
    assert f"AWS refused {operation} (ResourceLimitExceeded): The account-level limit is 0 Instances" in failed.stderr
    assert there(backend) == []


def test_scaling_that_is_refused_leaves_nothing(deploy, refuse, backend):
    refuse("PutScalingPolicy", "AccessDeniedException", "not for you")
    assert "denies PutScalingPolicy" in deploy("--autoscale", "1:2", status=2).stderr
    assert there(backend) == []


LOST = EndpointConnectionError(endpoint_url="https://api.sagemaker")
REPEATED = ClientError({"Error": {"Code": "ValidationException", "Message": "Cannot create already existing one"}}, "x")


@pytest.mark.parametrize("error", [LOST, REPEATED], ids=["lost", "repeated"])
@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_a_lost_answer_is_resolved_by_looking_and_nothing_is_made_twice(deploy, alter, backend, operation, error):
    sent = []

    def lose(found):
        sent.append(found)
        raise error

    alter(operation, lose)
    deploy()
    assert len(sent) == 1
    assert len(there(backend)) == 3


def test_an_endpoint_of_that_name_that_somebody_made_meanwhile_stays(deploy, refuse, backend, account, monkeypatch):
    from launcher.cloud import deployment

    deploy()
    before = there(backend)
    monkeypatch.setattr(deployment, "require_free", lambda *_: None)
    refuse("CreateEndpoint", REPEATED)
    assert "already existing" in deploy(status=2).stderr
    assert there(backend) == before


def test_a_name_that_is_taken_is_refused_before_anything_is_done(deploy, calls, backend):
    deploy()
    calls.clear()
    before = there(backend)
    refused = deploy(status=2)
    assert (
        "there is an endpoint e in eu-west-1: give another --name, or `glaunch update e RUN --on aws`" in refused.stderr
    )
    assert there(backend) == before
    assert not made(calls, "PutObject") + made(calls, "CreateModel")


@pytest.mark.parametrize(("answers", "left"), [("y\n", 0), ("n\n", 3), (None, 0)])
def test_ctrl_c_asks_whether_what_is_being_made_is_removed(deploy, alter, backend, answers, left):
    looks = []

    def interrupted(found):
        looks.append(1)
        if len(looks) == 1:
            raise KeyboardInterrupt
        return found

    alter("DescribeEndpoint", interrupted)
    done = deploy(status=130, answers=answers)
    assert len(there(backend)) == left
    if left:
        assert "AWS goes on with e: `glaunch rm e --on aws` removes it" in done.stderr


def test_an_endpoint_that_is_being_made_is_removed_when_that_is_over(deploy, run, alter, backend):
    deploy("--detach")
    states = iter(["Creating", "Creating", "Creating"])
    alter("DescribeEndpoint", lambda found: {**found, "EndpointStatus": next(states, "InService")})
    done = run("rm", "e", "--on", "aws")
    assert "before that it cannot be deleted" in done.stderr
    assert there(backend) == []


@pytest.mark.parametrize("gone", [["endpoints"], ["endpoints", "endpoint_configs"], ["_models"], ["endpoint_configs"]])
def test_what_was_half_removed_is_removed(deploy, run, backend, gone):
    deploy()
    for kind in gone:
        getattr(backend, kind).clear()
    run("rm", "e", "--on", "aws")
    assert there(backend) == []
    assert "no endpoint e in eu-west-1" in run("rm", "e", "--on", "aws", status=2).stderr


def test_what_is_not_ours_is_neither_removed_nor_called_nor_updated(run, deploy, backend, account, echo, tmp_path):
    deploy()
    client, model = account("sagemaker"), {"Image": "i", "ModelDataUrl": "s3://b/k"}
    role = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/glaunch-Role-1X2Y3Z"
    variant = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.c5.large"}
    for name, marks in (("e-2026-01-31-00-00-00-000", {}), ("e2", {"glaunch": "another"})):
        marked = [{"Key": key, "Value": value} for key, value in {**marks, "glaunch-endpoint": "e"}.items()]
        client.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=model, Tags=marked)
        client.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "ModelName": name}], Tags=marked
        )
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=marked)
    (tmp_path / "x.json").write_text("1")
    for words in (["rm", "e2"], ["predict", "e2", tmp_path / "x.json"], ["update", "e2", echo, "--no-check"]):
        assert "the endpoint e2 was not made by glaunch" in run(*words, "--on", "aws", status=2).stderr
    run("rm", "e", "--on", "aws")
    assert there(backend) == sorted(["e-2026-01-31-00-00-00-000", "e2"] * 3)
    assert json.loads(run("endpoints", "--on", "aws", "--json").stdout) == []


@pytest.fixture
def turning(monkeypatch, backend):
    """`turning(succeeds)`: UpdateEndpoint, which moto does not know, as AWS does it; the requests that it got."""
    from moto.core.responses import ActionResult
    from moto.sagemaker.responses import SageMakerResponse

    got = []

    def install(succeeds):
        def update_endpoint(self):
            request = json.loads(self.body)
            got.append(request)
            endpoint = backend.endpoints[request["EndpointName"]]
            if succeeds:
                endpoint.endpoint_config_name = request["EndpointConfigName"]
            else:
                endpoint.failure_reason = "The new container did not answer."
            return ActionResult({"EndpointArn": endpoint.arn})

        monkeypatch.setattr(SageMakerResponse, "update_endpoint", update_endpoint, raising=False)
        return got

    return install


def test_an_update_serves_the_new_model_as_the_one_before_and_removes_that(
    deploy, run, backend, turning, tmp_path, calls
):
    got = turning(succeeds=True)
    deploy("--instances", 2, "--capture", 10, "--tag", "team=vision", "--expires", "2h")
    [before] = made(calls, "CreateEndpointConfig")
    calls.clear()
    other = pack(tmp_path, "other", serve=ECHO + "\n# another\n")
    run("update", "e", other, "--on", "aws", "--no-check")
    [model], [config] = made(calls, "CreateModel"), made(calls, "CreateEndpointConfig")
    assert config["ProductionVariants"] == [
        {**before["ProductionVariants"][0], "ModelName": model["ModelName"], "InitialVariantWeight": 1}
    ]
    assert config["DataCaptureConfig"] == before["DataCaptureConfig"]
    assert tags(config) == {"glaunch": "glaunch", "glaunch-endpoint": "e", "team": "vision"}
    assert got == [{"EndpointName": "e", "EndpointConfigName": model["ModelName"], "RetainAllVariantProperties": True}]
    assert there(backend) == sorted(["e", model["ModelName"], model["ModelName"]])


def test_an_update_that_fails_leaves_the_endpoint_as_it_was(deploy, run, backend, turning, tmp_path):
    turning(succeeds=False)
    deploy()
    before = there(backend)
    failed = run("update", "e", pack(tmp_path, "other", serve=ECHO), "--on", "aws", "--no-check", status=1)
    assert (
        "does not serve the new model: The new container did not answer.; it goes on with the model before"
        in failed.stderr
    )
    assert there(backend) == before


def test_an_update_that_is_refused_leaves_nothing_new(deploy, run, backend, refuse, tmp_path):
    deploy()
    before = there(backend)
    refuse("UpdateEndpoint", "ResourceLimitExceeded", "no more instances")
    failed = run("update", "e", pack(tmp_path, "other", serve=ECHO), "--on", "aws", "--no-check", status=2)
    assert "no more instances" in failed.stderr
    assert there(backend) == before


def test_a_run_is_deployed_with_the_script_of_its_job_under_its_name(run, stack, calls, tmp_path):
    directory = tmp_path / "several"
    directory.mkdir()
    for name in ("one", "two"):
        (directory / f"{name}.py").write_text(ECHO + "\nif __name__ == '__main__':\n    pass\n")
    trained = Run.create(TrainingJob(directory / "two.py", source_dir=directory))
    trained.write_status(Status(COMPLETED, 0.0))
    pack(tmp_path, "model", one=ECHO, two=ECHO).rename(trained.model)
    run("deploy", trained.name, "--on", "aws", "--no-check")
    [model], [endpoint] = made(calls, "CreateModel"), made(calls, "CreateEndpoint")
    assert model["PrimaryContainer"]["Environment"]["SAGEMAKER_PROGRAM"] == "two.py"
    assert endpoint["EndpointName"] == "two"
    assert tags(endpoint)["glaunch-run"] == trained.name
    [listed] = json.loads(run("endpoints", "--on", "aws", "--json").stdout)
    assert listed["run"] == trained.name


def test_a_model_in_s3_is_deployed_from_a_copy_of_its_own(run, stack, calls, account, echo):
    account("s3").put_object(Bucket=stack.bucket, Key="runs/j/output/model.tar.gz", Body=echo.read_bytes())
    uri = f"s3://{stack.bucket}/runs/j/output/model.tar.gz"
    run("deploy", uri, "--on", "aws", "--no-check")
    [model] = made(calls, "CreateModel")
    assert model["PrimaryContainer"]["ModelDataUrl"].startswith(f"s3://{stack.bucket}/models/")
    missing = run("deploy", uri.replace("/j/", "/k/"), "--on", "aws", status=2)
    assert "there is no s3://" in missing.stderr


def test_a_model_without_code_is_left_to_aws_s_defaults(run, stack, calls, tmp_path):
    (tmp_path / "weights").write_text("w")
    with tarfile.open(tmp_path / "plain.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "weights", "model-0000.params")
    run("deploy", tmp_path / "plain.tar.gz", "--on", "aws", "--no-check")
    environment = made(calls, "CreateModel")[0]["PrimaryContainer"]["Environment"]
    assert (environment["SAGEMAKER_PROGRAM"], environment["SAGEMAKER_SUBMIT_DIRECTORY"]) == ("", "")


def test_an_asynchronous_endpoint_that_may_have_no_instance_is_woken_by_an_alarm(deploy, run, calls, account):
    deploy("--async", "--autoscale", "0:3")
    tracking, waking = made(calls, "PutScalingPolicy")
    metric = tracking["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    assert (metric["MetricName"], metric["Dimensions"]) == (
        "ApproximateBacklogSizePerInstance",
        [{"Name": "EndpointName", "Value": "e"}],
    )
    assert waking["StepScalingPolicyConfiguration"]["StepAdjustments"][0]["ScalingAdjustment"] == 1
    [alarm] = made(calls, "PutMetricAlarm")
    assert (alarm["MetricName"], alarm["AlarmName"]) == ("HasBacklogWithoutCapacity", "glaunch-wake-e")
    run("rm", "e", "--on", "aws")
    assert account("cloudwatch").describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--serverless", "--memory", 2000], "memory: one of 1024, 2048"),
        (["--serverless", "--async"], "an endpoint is one of the two"),
        (["--serverless", "--instance-type", "ml.c5.large"], "--instance-type: a serverless endpoint does not have"),
        (["--serverless", "--capture", 5], "a serverless endpoint has no data capture"),
        (["--serverless", "--autoscale", "1:2"], "a serverless endpoint has no autoscaling"),
        (["--memory", 2048], "--memory: a real-time endpoint does not have what a serverless endpoint has"),
        (["--autoscale", "4"], "expected MIN:MAX"),
        (["--autoscale", "4:1"], "expected MIN:MAX"),
        (["--autoscale", "0:1"], "a real-time endpoint has 1 instance or more"),
        (["--autoscale", "1:2", "--detach"], "--detach and --autoscale"),
        (["--autoscale-target", "5"], "goes with --autoscale"),
        (["--capture", 101], "capture: 0 to 100 percent"),
        (["--instances", 0], "instances: 1 or more"),
        (["--instance-type", "c5.large"], "is not a type of SageMaker's"),
        (["--expires", "soon"], "'soon' is no span of time"),
        (["--tag", "glaunch-run=x"], "keys that begin so belong to glaunch"),
        (["--tag", "x"], "expected key=value"),
        (["--name", "a_b"], "is no name for an endpoint"),
        (["--framework-version", "2.0.0"], "no MXNet image"),
        (["--port", 9000], "--port: an endpoint on this machine has it"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_at_once(deploy, calls, backend, words, reason):
    assert reason in deploy(*words, status=2).stderr
    assert there(backend) == []


@pytest.mark.parametrize("words", [["--serverless"], ["--capture", 5], ["--profile", "x"]])
def test_an_option_of_sagemaker_s_alone_needs_it_to_be_named(run, words):
    assert f"{words[0]}: an endpoint on SageMaker has it: add --on aws" in run("deploy", *words, status=2).stderr
