"""Models and endpoints that the SDK deploys, and what its predictors get from them."""

import io
import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from botocore.exceptions import ClientError
from sagemaker import deserializers as des
from sagemaker import serializers as ser
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.predictor import Predictor

from launcher.local.endpoint import Endpoint
from launcher.sdk_session import ProcessLocalSession


def test_an_estimators_model_is_deployed_called_and_deleted(estimator, session):
    made = estimator()
    made.fit()
    model = made.create_model()
    predictor = model.deploy(1, "local", endpoint_name="mine")
    assert predictor.predict({"a": 1}) == {"name": "algo-1", "body": '{"a": 1}', "type": "application/json"}
    assert [endpoint.name for endpoint in Endpoint.all()] == ["mine"]
    predictor.delete_model()
    predictor.delete_endpoint()
    assert not Endpoint.all()
    for operation, words in [
        (session.sagemaker_client.describe_endpoint, {"EndpointName": "mine"}),
        (session.sagemaker_client.describe_endpoint_config, {"EndpointConfigName": "mine"}),
        (session.sagemaker_client.describe_model, {"ModelName": model.name}),
        (session.sagemaker_client.delete_endpoint, {"EndpointName": "mine"}),
    ]:
        with pytest.raises(ClientError, match="Could not find"):
            operation(**words)
    with pytest.raises(ClientError, match="Endpoint mine not found"):
        predictor.predict([1])


def test_a_model_file_is_deployed_and_stays_as_it_is(artifact, deploy):
    before = artifact.read_bytes()
    predictor = deploy()
    assert predictor.predict([1])["name"] == "algo-1"
    assert artifact.read_bytes() == before


ECHO = """
def model_fn(directory):
    return None
def transform_fn(model, data, content_type, accept):
    return data, content_type
"""


@pytest.fixture
def echo(work, deploy):
    """`echo(serializer, data, deserializer)`: data there and back."""
    (work / "train.py").write_text(ECHO)
    endpoint = deploy().endpoint_name

    def call(serializer, data, deserializer, session):
        predictor = Predictor(endpoint, session, serializer=serializer, deserializer=deserializer)
        return predictor.predict(data)

    return call


def test_every_serializer_and_deserializer_gets_through(echo, session, work):
    rows = [[1.0, 2.0], [3.0, 4.0]]
    npz = io.BytesIO()
    scipy.sparse.save_npz(npz, scipy.sparse.csr_matrix(np.eye(2)))
    (work / "raw").write_bytes(b"\0\xff")
    cases = [
        (ser.IdentitySerializer(), b"\0\xff", des.BytesDeserializer(), b"\0\xff"),
        (ser.StringSerializer(), "ü", des.StringDeserializer(accept="text/plain"), "ü"),
        (ser.JSONSerializer(), {"a": rows}, des.BytesDeserializer(), json.dumps({"a": rows}).encode()),
        (ser.JSONLinesSerializer(), [{"a": 1}, {"a": 2}], des.JSONLinesDeserializer(), [{"a": 1}, {"a": 2}]),
        (ser.CSVSerializer(), rows, des.CSVDeserializer(), [["1.0", "2.0"], ["3.0", "4.0"]]),
        (ser.LibSVMSerializer(), "1 0:2", des.BytesDeserializer(), b"1 0:2"),
        (ser.DataSerializer(), str(work / "raw"), des.BytesDeserializer(), b"\0\xff"),
    ]
    for serializer, data, deserializer, expected in cases:
        assert echo(serializer, data, deserializer, session) == expected, serializer

    array = echo(ser.NumpySerializer(), rows, des.NumpyDeserializer(), session)
    assert array.tolist() == rows
    sparse = echo(ser.SparseMatrixSerializer(), scipy.sparse.csr_matrix(np.eye(2)), des.BytesDeserializer(), session)
    assert scipy.sparse.load_npz(io.BytesIO(sparse)).toarray().tolist() == np.eye(2).tolist()
    assert echo(ser.JSONSerializer(), {"a": rows}, des.JSONDeserializer(), session) == {"a": rows}
    stream, kind = echo(ser.IdentitySerializer(), b"abc", des.StreamDeserializer(), session)
    assert (stream.read(), kind) == (b"abc", "application/octet-stream")
    frame = echo(ser.CSVSerializer(), "x,y\n1,2", des.PandasDeserializer(accept="text/csv"), session)
    assert isinstance(frame, pd.DataFrame)
    assert frame["y"].tolist() == [2]


def test_an_endpoints_error_is_a_model_error(deploy, session):
    name = deploy().endpoint_name
    client = session.sagemaker_runtime_client
    for content_type, status, word in [("text/x-refused", 415, "client"), ("text/x-broken", 500, "server")]:
        with pytest.raises(client.exceptions.ModelError, match=rf"Received {word} error \({status}\)") as error:
            client.invoke_endpoint(EndpointName=name, Body=b"x", ContentType=content_type)
        assert isinstance(error.value, ClientError)
        assert error.value.response["Error"]["Code"] == "ModelError"
        assert error.value.response["OriginalStatusCode"] == status


def test_several_endpoints_answer_at_once_and_any_session_may_call_them(deploy, session):
    first, second = deploy(endpoint_name="first"), deploy(endpoint_name="second")
    assert [first.predict([1])["body"], second.predict([2])["body"]] == ["[1]", "[2]"]
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        deploy(endpoint_name="first")
    first.delete_endpoint()
    with ProcessLocalSession() as other:
        predictor = Predictor("second", other, ser.JSONSerializer(), des.JSONDeserializer())
        assert predictor.predict([3])["body"] == "[3]"


def test_a_deployment_is_not_waited_for_where_that_is_not_wanted(deploy, session):
    predictor = deploy(wait=False)
    assert session.describe_endpoint(predictor.endpoint_name)["EndpointStatus"] in ("Creating", "InService")
    session.wait_for_endpoint(predictor.endpoint_name)
    assert predictor.predict([1])["name"] == "algo-1"


def test_a_model_that_cannot_be_loaded_fails_the_endpoint(model, session, work):
    (work / "train.py").write_text("def model_fn(directory):\n    raise ValueError('no such model')\n")
    with pytest.raises(UnexpectedStatusException, match=r"Failed\. Reason: .*no such model"):
        model().deploy(1, "local", endpoint_name="bad")
    assert session.describe_endpoint("bad")["EndpointStatus"] == "Failed"
    session.delete_endpoint("bad")
    assert not Endpoint.all()


def test_the_block_of_a_session_stops_its_endpoints(model):
    with ProcessLocalSession() as session:
        model(sagemaker_session=session).deploy(1, "local", wait=False)
    assert not Endpoint.all()


def test_the_environment_and_the_workers_of_a_model_reach_its_server(model, work):
    (work / "train.py").write_text(
        "import os\ndef model_fn(directory):\n    return os.environ['MINE']\n"
        "def transform_fn(model, data, content_type, accept):\n    return '\"%s\"' % model, accept\n"
    )
    predictor = model(model_server_workers=2, env={"MINE": "yes"}).deploy(1, "local")
    assert predictor.predict([1]) == "yes"
    assert Endpoint.find().settings.workers == 2


def test_asynchronous_inference_is_refused(model):
    with pytest.raises(ClientError, match="asynchronous inference is not run here"):
        model().deploy(1, "local", async_inference_config=AsyncInferenceConfig(output_path="s3://x/y"))


def test_an_endpoint_that_died_is_not_in_service(deploy, session, wait_until):
    predictor = deploy()
    keeper = Endpoint.find().status.keeper
    os.kill(keeper[0], signal.SIGKILL)
    wait_until(lambda: session.describe_endpoint(predictor.endpoint_name)["EndpointStatus"] == "Failed")
    with pytest.raises(ClientError, match="not found"):
        predictor.predict([1])
