"""Jobs of several hosts, with MXNet's parameter server."""

import numpy as np
import pytest
from sagemaker.deserializers import JSONDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import NumpySerializer

from launcher import library
from launcher.run import Run

DISTRIBUTED = """
    import json, os
    import mxnet as mx

    store = mx.kv.create("dist_sync")
    store.init("x", mx.nd.zeros(1))
    store.push("x", mx.nd.ones(1))
    total = mx.nd.zeros(1)
    store.pull("x", total)
    name, train = os.environ["SM_CURRENT_HOST"], os.environ["SM_CHANNEL_TRAIN"]
    print("saw", name, store.num_workers, " ".join(sorted(os.listdir(train))), flush=True)
    if name == "algo-1":
        with open(os.path.join(os.environ["SM_MODEL_DIR"], "seen.json"), "w") as file:
            json.dump({"workers": store.num_workers, "total": total.asscalar().item()}, file)
"""
SERVERS = {"parameter_server": {"enabled": True}}


def test_one_host_has_a_parameter_server_when_it_is_asked_for(estimator, script, session, seen):
    made = estimator(script=str(script(DISTRIBUTED, "distributed.py")), distribution=SERVERS)
    made.fit({"train": "file://data"})
    assert seen(session, made.model_data)["workers"] == 1


def test_the_hosts_of_a_sharded_channel_share_its_files(estimator, script, session, seen, capsys):
    made = estimator(script=str(script(DISTRIBUTED, "distributed.py")), instance_count=2, distribution=SERVERS)
    made.fit({"train": TrainingInput("file://data", distribution="ShardedByS3Key")})
    assert seen(session, made.model_data)["workers"] == 2
    printed = capsys.readouterr().out
    assert "algo-1 | saw algo-1 2 a c" in printed
    assert "algo-2 | saw algo-2 2 b d" in printed


def test_the_main_example_trains_on_two_hosts_and_is_deployed(estimator, digits):
    made = estimator(
        script="mnist_mlp.py",
        source_dir=str(library.directory()),
        instance_count=2,
        distribution=SERVERS,
        hyperparameters={"epochs": 2, "hidden": [16], "batch_size": 20},
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
