"""A batch transform on this machine: which files there are afterwards, and that nothing else is left."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from launcher import home
from launcher.errors import JobFailed, UserError
from launcher.local.transform import Batching, content_type_of, find, transform

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "shared"))
from endpoint_models import BROKEN, pack

# It answers with how many lines a request has, and refuses one with "bad" in it.
COUNT = """
import json

def model_fn(model_dir):
    return None

def transform_fn(net, data, content_type, accept):
    data = data if isinstance(data, str) else bytes(data).decode()
    if "bad" in data:
        raise ValueError("this is bad")
    return json.dumps({"lines": data.count("\\n"), "type": content_type, "accept": accept})
"""
CSV = "text/csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return pack(tmp_path_factory.mktemp("models"), "count", serve=COUNT)


@pytest.fixture
def source(tmp_path):
    """`source(name="text", ...)`: a directory of these files."""

    def make(**texts):
        for name, text in texts.items():
            path = tmp_path / "input" / (name.replace("__", "/") + ".csv")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "input"

    return make


def run(model, source, output, batching):
    return transform(model, find(source), output, batching, environment={})


def answers(path):
    return [json.loads(line)["lines"] for line in path.read_text().splitlines()]


def test_each_file_has_its_answers_beside_the_others_in_the_same_subfolder(model, source, tmp_path):
    given = source(a="1\n2\n", sub__b="1\n2\n3\n")
    done = []
    output = tmp_path / "output"
    outcome = transform(model, find(given), output, Batching(CSV), environment={}, on_file=done.append)
    assert outcome == {"a.csv": "", "sub/b.csv": ""}
    assert done == ["a.csv", "sub/b.csv"]
    assert json.loads((output / "a.csv.out").read_text()) == {"lines": 2, "type": CSV, "accept": "application/json"}
    assert answers(output / "sub" / "b.csv.out") == [3]
    assert not (output / "a.csv.out").read_text().endswith("\n")  # assembled as it is
    assert not any(home.endpoints_directory().iterdir())


def test_lines_are_sent_together_one_by_one_or_some_at_a_time(model, source, tmp_path):
    given = source(a="1\n2\n3\n4\n5\n")
    for several, expected in ((0, [5]), (1, [1] * 5), (2, [2, 2, 1])):
        output = tmp_path / str(several)
        run(model, given / "a.csv", output, Batching(CSV, split="Line", several=several))
        assert answers(output / "a.csv.out") == expected
        assert (output / "a.csv.out").read_text().endswith("\n")


def test_a_request_is_no_longer_than_its_limit(model, source, tmp_path):
    line = "1" * (300 * 1024) + "\n"
    run(model, source(a=line * 5), tmp_path, Batching(CSV, split="Line", limit=1))
    assert answers(tmp_path / "a.csv.out") == [3, 2]


def test_a_file_that_fails_has_no_answers_and_the_others_have(model, source, tmp_path):
    given = source(a="1\n", b="1\nbad\n", c="x" * (2 * 2**20), d="1\n")
    (tmp_path / "out").mkdir()
    outcome = run(model, given, tmp_path / "out", Batching(CSV, split="Line", several=1, limit=1))
    assert outcome["a.csv"] == outcome["d.csv"] == ""
    assert "this is bad" in outcome["b.csv"]
    assert "longer than max_payload" in outcome["c.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv.out", "d.csv.out"]


def test_a_model_that_does_not_serve_leaves_nothing(source, tmp_path):
    broken = pack(tmp_path, "broken", serve=BROKEN)
    with pytest.raises(JobFailed, match="these are no weights"):
        run(broken, source(a="1\n"), tmp_path / "output", Batching(CSV))
    assert not (tmp_path / "output").exists()
    assert not any(home.endpoints_directory().iterdir())


def test_where_nothing_can_be_written_it_says_so(model, source, tmp_path):
    (tmp_path / "output").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        run(model, source(a="1\n"), tmp_path / "output", Batching(CSV))
    assert not any(home.endpoints_directory().iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"split": "Word"}, "--split: one of None, Line, RecordIO"),
        ({"limit": 0}, "--max-payload: 1 to 100 MB, not 0"),
        ({"limit": 101}, "--max-payload: 1 to 100 MB"),
        ({"split": "Line", "several": -1}, "--batch: 1 or more"),
        ({"several": 2}, "--batch counts the records of a request"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused(words, message):
    with pytest.raises(UserError, match=message):
        Batching(CSV, **words)


def test_the_content_type_is_that_of_all_files_or_has_to_be_given():
    assert content_type_of({"a": Path("a.csv"), "b": Path("b.CSV")}) == CSV
    assert content_type_of({"a": Path("a.jsonl")}) == "application/jsonlines"
    with pytest.raises(UserError, match=r"the files are .csv, .json: which content type"):
        content_type_of({"a": Path("a.csv"), "b": Path("b.json")})
    with pytest.raises(UserError, match=r"the files are .xyz"):
        content_type_of({"a": Path("a.xyz")})


def test_no_input_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        find(tmp_path / "nothing")
