"""Jobs of several hosts, with MXNet's parameter server."""

import numpy as np
import pytest
from sagemaker.deserializers import JSONDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import NumpySerializer

from launcher import library
from launcher.run import Run

SHARING = """
    import os
    host, workers = os.environ["SM_CURRENT_HOST"], os.environ.get("DMLC_NUM_WORKER")
    print("saw", host, workers, os.environ["DMLC_ROLE"], " ".join(sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"]))))
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "weights"), "w") as file:
        file.write("1")
"""
SERVERS = {"parameter_server": {"enabled": True}}


@pytest.mark.parametrize(
    ("hosts", "lines"),
    [
        (1, ["saw algo-1 1 worker a b c d"]),
        (2, ["algo-1 | saw algo-1 2 worker a c", "algo-2 | saw algo-2 2 worker b d"]),
    ],
)
def test_the_hosts_have_a_parameter_server_and_share_a_sharded_channel(estimator, script, capsys, hosts, lines):
    made = estimator(script=str(script(SHARING)), instance_count=hosts, distribution=SERVERS)
    made.fit({"train": TrainingInput("file://data", distribution="ShardedByS3Key")})
    printed = capsys.readouterr().out
    assert all(line in printed for line in lines)


def test_the_main_example_trains_on_two_hosts_and_is_deployed(estimator, digits):
    made = estimator(
        script="mnist_mlp.py",
        source_dir=str(library.directory()),
        instance_count=2,
        distribution=SERVERS,
        hyperparameters={"epochs": 1, "hidden": [16], "batch_size": 50},
    )
    made.fit({"training": f"file://{digits}"})
    assert Run.find().status.metrics["train:accuracy"] > 0
    predictor = made.deploy(1, "local", serializer=NumpySerializer(), deserializer=JSONDeserializer())
    answer = predictor.predict(np.zeros((2, 28, 28), np.uint8))
    assert len(answer["predictions"] if isinstance(answer, dict) else answer) == 2


@pytest.fixture
def digits(tmp_path):
    import importlib.util
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "entry_points" / "digits.py"
    spec = importlib.util.spec_from_file_location("digits", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write(tmp_path / "digits")
