"""Batch transforms of the SDK."""

import pytest
from botocore.exceptions import ClientError
from sagemaker.exceptions import UnexpectedStatusException

from launcher.local.endpoint import Endpoint


@pytest.fixture
def transformer(model):
    """`transformer(**words)`: a Transformer of a model that echoes."""

    return lambda **words: model().transformer(1, "local", **words)


def test_each_file_is_answered_line_by_line(transformer, work):
    (work / "lines" / "deep").mkdir(parents=True)
    (work / "lines" / "one.csv").write_text("1,2\n3,4\n")
    (work / "lines" / "deep" / "two.csv").write_text("5,6\n")
    made = transformer(
        strategy="SingleRecord", assemble_with="Line", accept="application/json", output_path=f"file://{work}/out"
    )
    made.transform("file://lines", content_type="text/csv", split_type="Line")
    lines = (work / "out" / "one.csv.out").read_text().splitlines()
    assert [line.count('"body"') for line in lines] == [1, 1]
    assert "3,4" in lines[1]
    assert "5,6" in (work / "out" / "deep" / "two.csv.out").read_text()
    assert not Endpoint.all()


def test_a_whole_binary_file_goes_to_the_default_bucket(transformer, session, work):
    (work / "image").write_bytes(b"\0\xff\n\xfe")
    made = transformer(accept="application/x-image")
    made.transform(f"file://{work}/image", content_type="application/x-image", wait=False)
    made.wait(logs=False)
    [key] = session.list_s3_files(session.default_bucket(), made._current_job_name)
    assert key.endswith("image.out")
    assert session.s3_client.get_object(Bucket=session.default_bucket(), Key=key)["Body"].read() == b"\0\xff\n\xfe"


def test_a_transform_whose_model_fails_is_failed_and_leaves_no_output(transformer, work):
    made = transformer(output_path=f"file://{work}/out")
    with pytest.raises(UnexpectedStatusException, match="Received server error"):
        made.transform("file://data", content_type="text/x-broken")
    assert not (work / "out").exists()
    assert not Endpoint.all()


def test_filters_are_refused(transformer):
    with pytest.raises(ClientError, match="input_filter"):
        transformer().transform("file://data", content_type="text/csv", input_filter="$[1:]")
