"""Training jobs that the SDK's estimators start."""

import _thread
import json
import subprocess
import sys
import threading

import pytest
from botocore.exceptions import ClientError
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import FileSystemInput, TrainingInput
from sagemaker.model import Model
from sagemaker.mxnet import MXNet

from launcher.errors import UserError
from launcher.run import COMPLETED, FAILED, STOPPED, Run
from launcher.sdk_session import ProcessLocalSession, job_request

WAITING = """
    import os, time
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.02)
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "w"), "w") as file:
        file.write("1")
"""


@pytest.fixture
def waiting(work, script, estimator):
    """`waiting(**words)`: an estimator whose script goes on until the file `go` is there."""
    path = script(WAITING, "waiting.py")
    return lambda **words: estimator(script=str(path), environment={"GO": str(work / "go")}, **words)


def test_a_script_runs_as_in_a_container_and_its_run_is_one_of_glaunch(estimator, session, work, capsys, seen):
    (work / "code").mkdir()
    (work / "train.py").rename(work / "code" / "train.py")
    (work / "code" / "helper.py").touch()
    (work / "lib").mkdir()
    (work / "lib" / "extra.py").touch()
    values = {"epochs": 2, "rate": 0.5, "name": "x", "flag": False, "sizes": [1, 2], "deep": {"a": None}}
    made = estimator(
        source_dir="code",
        dependencies=["lib"],
        hyperparameters=dict(values),  # the SDK adds its own to it
        environment={"MINE": "yes"},
        metric_definitions=[{"Name": "loss", "Regex": "loss: ([0-9.]+)"}],
        max_run=100,
    )
    made.fit({"train": "file://data", "test": f"file://{work}/data/a"})

    name = made.latest_training_job.name
    found = seen(session, made.model_data)
    assert found["hps"] == values
    assert found["arguments"][:2] == ["--deep", "a=None"]
    assert found["files"] == {"train": ["a", "b", "c", "d"], "test": ["a"]}
    assert {"train.py", "helper.py", "lib"} <= set(found["code"])
    assert found["mine"] == "yes"
    assert made.model_data == f"s3://{session.default_bucket()}/{name}/output/model.tar.gz"
    assert "loss: 0.25" in capsys.readouterr().out

    [run] = Run.all()
    assert (run.name, run.status.state, run.status.metrics) == (name, COMPLETED, {"loss": 0.25})
    measured = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [(one["epoch"], one["value"]) for one in measured] == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert run.job.max_run == 100

    described = made.latest_training_job.describe()
    assert described["TrainingJobStatus"] == "Completed"
    assert described["FinalMetricDataList"][0]["Value"] == 0.25
    assert described["TrainingEndTime"] >= described["TrainingStartTime"] >= described["CreationTime"]


def test_a_failed_job_raises_what_the_sdk_raises_with_the_scripts_own_exception(estimator, session, work):
    (work / "train.py").write_text("def f():\n    raise ValueError('no such luck')\nf()\n")
    made = estimator()
    with pytest.raises(UnexpectedStatusException, match=r"Failed\. Reason: AlgorithmError: ValueError: no such luck"):
        made.fit()
    described = session.describe_training_job(made.latest_training_job.name)
    assert described["TrainingJobStatus"] == "Failed"
    assert "train.py" in described["FailureReason"]
    assert Run.find().status.state == FAILED


def test_fit_without_waiting_returns_while_the_job_runs(waiting, session, work):
    made = waiting()
    made.fit(wait=False)
    assert made.latest_training_job.describe()["TrainingJobStatus"] == "InProgress"
    (work / "go").touch()
    made.latest_training_job.wait(logs=False)
    assert made.latest_training_job.describe()["TrainingJobStatus"] == "Completed"
    assert session.list_s3_files(session.default_bucket(), made.latest_training_job.name)[0].endswith("model.tar.gz")


def test_outputs_are_written_also_when_nobody_asks_for_the_job(waiting, work, wait_until):
    made = waiting(output_path=f"file://{work}/out")
    made.fit(wait=False)
    (work / "go").touch()
    wait_until((work / "out" / made.latest_training_job.name / "output" / "model.tar.gz").exists)


SUBMISSION = """
    from sagemaker.mxnet import MXNet
    from launcher.sdk_session import ProcessLocalSession
    image = {"framework_version": "1.9.0", "py_version": "py38", "sagemaker_session": ProcessLocalSession()}
    MXNet("train.py", role="any", instance_count=1, instance_type="local", **image).fit(wait=False, job_name="mine")
"""


def test_a_job_goes_on_when_its_program_ends_and_gives_its_model_later(work, session, script, seen, wait_until):
    with (work / "train.py").open("a") as file:
        file.write("    import time\n    time.sleep(0.5)\n")
    subprocess.run([sys.executable, str(script(SUBMISSION))], cwd=work, check=True, timeout=60, capture_output=True)
    wait_until(lambda: Run.find().status.is_over)
    described = session.describe_training_job("mine")
    assert described["TrainingJobStatus"] == "Completed"
    assert seen(session, described["ModelArtifacts"]["S3ModelArtifacts"])["name"] == "algo-1"


def test_a_job_is_stopped_by_its_name(waiting, session):
    made = waiting()
    made.fit(wait=False)
    session.stop_training_job(made.latest_training_job.name)
    assert made.latest_training_job.describe()["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="Stopped already"):
        session.stop_training_job(made.latest_training_job.name)


def test_ctrl_c_stops_the_job_that_is_waited_for(waiting, wait_until):
    def interrupt():
        wait_until(lambda: Run.all() and Run.all()[0].status.started)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        waiting().fit()
    thread.join()
    assert Run.find().status.state == STOPPED


def test_each_job_has_its_own_folder_under_a_file_output_path(estimator, work):
    made = estimator(output_path=f"file://{work}/out")
    for _ in range(2):
        made.fit()
        assert made.model_data == f"file://{work}/out/{made.latest_training_job.name}/output/model.tar.gz"
    assert len([*(work / "out").glob("*/output/model.tar.gz")]) == 2


def test_local_code_keeps_the_dependencies_and_gives_the_models_path(work, seen, make_estimator):
    class LocalCodeSession(ProcessLocalSession):
        def __init__(self):
            super().__init__()
            self.config = {"local": {"local_code": True}}

    (work / "lib").mkdir()
    (work / "lib" / "extra.py").touch()
    with LocalCodeSession() as session:
        made = make_estimator(sagemaker_session=session, dependencies=["lib"])
        made.fit()
        assert made.model_data.startswith("file:///")
        assert "lib" in seen(session, made.model_data)["code"]


def test_another_session_attaches_to_a_job(estimator, session):
    made = estimator(hyperparameters={"epochs": 3}, tags=[{"Key": "team", "Value": "vision"}])
    made.fit()
    with ProcessLocalSession() as other:
        attached = MXNet.attach(made.latest_training_job.name, sagemaker_session=other)
        assert attached.hyperparameters()["epochs"] == "3"
        assert attached.tags == [{"Key": "team", "Value": "vision"}]
        assert attached.model_data == made.model_data
        predictor = attached.deploy(1, "local")
        assert predictor.predict([1])["name"] == "algo-1"
        attached.logs()


def test_a_git_repository_is_refused_before_anything_is_cloned(estimator, session, model, monkeypatch):
    cloned = []
    monkeypatch.setattr(subprocess, "check_call", lambda *words, **_: cloned.append(words))
    words = {"git_config": {"repo": "https://git.example.com/repo", "token": "hidden"}}
    image = {"image_uri": "an-image", "role": "any", "sagemaker_session": session}
    for make in (
        lambda: estimator(**words),
        lambda: model(**words),
        lambda: Estimator(entry_point="train.py", instance_count=1, instance_type="local", **image, **words),
        lambda: Model(model_data="file://m", entry_point="train.py", **image, **words),
    ):
        with pytest.raises(UserError, match=r"git_config: .*clone the repository yourself") as error:
            make()
        assert "hidden" not in str(error.value)
    assert not cloned


def test_a_name_is_used_once(estimator):
    made = estimator()
    made.fit(job_name="mine")
    assert Run.find().name == "mine"
    with pytest.raises(ClientError, match="there is a run mine already"):
        made.fit(job_name="mine")


def test_a_job_that_does_not_exist_is_refused(session):
    with pytest.raises(ClientError, match="Requested resource not found"):
        session.describe_training_job("none")


def test_what_cannot_be_done_here_is_refused_with_a_reason(estimator):
    for words, inputs, sentence in [
        ({"input_mode": "Pipe"}, None, "input_mode='Pipe'"),
        ({"distribution": {"mpi": {"enabled": True}}}, None, "MPI is not started here"),
        ({}, {"train": "file://none"}, "no data at file://none"),
        ({}, {"train": TrainingInput("s3://b/m", s3_data_type="ManifestFile")}, "ManifestFile is not read here"),
        ({}, {"train": TrainingInput("file://data", compression="Gzip")}, "compression='Gzip'"),
        ({}, {"train": FileSystemInput("fs-1", "EFS", "/x")}, "a file system of AWS cannot be mounted here"),
        ({"metric_definitions": [{"Name": "a", "Regex": "a: [0-9]"}]}, None, "has no group"),
    ]:
        with pytest.raises(ClientError, match="CreateTrainingJob") as error:
            estimator(**words).fit(inputs)
        assert sentence in str(error.value)
        assert not Run.all()


def test_local_gpu_is_refused_where_there_is_none(estimator, monkeypatch):
    monkeypatch.setattr(job_request, "num_gpus", lambda: 0)
    made = estimator(instance_type="local_gpu", image_uri="mxnet-training:1.9.0-gpu-py38")
    with pytest.raises(ClientError, match="lists no GPU"):
        made.fit()


def test_two_sessions_do_not_disturb_each_other(work, make_estimator):
    sessions = [ProcessLocalSession(), ProcessLocalSession()]
    made = [make_estimator(sagemaker_session=session, hyperparameters={"n": n}) for n, session in enumerate(sessions)]
    threads = [threading.Thread(target=one.fit, args=[{"train": "file://data"}]) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.latest_training_job.describe()["HyperParameters"]["n"] for one in made] == ["0", "1"]
    assert made[0].model_data != made[1].model_data
    predictor = made[1].deploy(1, "local")
    sessions[0].stop()
    assert predictor.predict("x")["name"] == "algo-1"
    sessions[1].stop()


def test_the_block_of_a_session_stops_what_it_started(work, script, wait_until, make_estimator):
    path = str(script(WAITING, "waiting.py"))
    with ProcessLocalSession() as session:
        made = make_estimator(script=path, environment={"GO": "never"}, sagemaker_session=session)
        made.fit(wait=False)
        wait_until(lambda: Run.find().status.started)
    assert Run.find().status.state == STOPPED
