"""The numbers of a report against those of the run's own record, of ONNX Runtime and of plain arithmetic."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from launcher.report import confusion, examination

pytestmark = pytest.mark.timeout(400)  # the first test trains the model


class Tables(HTMLParser):
    """The cells of every table of a page, as text, row by row."""

    def __init__(self, html):
        super().__init__()
        self.tables = []
        self._cell = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)

    def under(self, *head):
        """The rows of the table with that first row."""
        return next(table[1:] for table in self.tables if table and table[0] == list(head))


@pytest.fixture(scope="session")
def predicted(digits, tmp_path_factory):
    """The probabilities that ONNX Runtime has of the validation digits, and what they are."""
    import onnxruntime

    directory = tmp_path_factory.mktemp("model")
    with tarfile.open(digits["model"]) as archive:
        archive.extractall(directory)
    test = digits["home"] / "<b>digits" / "test"
    images = np.frombuffer((test / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    truth = np.frombuffer((test / "t10k-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    session = onnxruntime.InferenceSession(str(directory / "model.onnx"))
    [logits] = session.run(None, {session.get_inputs()[0].name: images.astype(np.float32) / 255})
    exponentials = np.exp(logits.astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True), truth.astype(int)


@pytest.fixture(scope="session")
def tables(reported):
    return Tables(Path(reported["path"]).read_text("utf-8"))


def test_accuracy_and_loss_are_those_of_onnx_and_of_the_log(reported, predicted, digits):
    probabilities, truth = predicted
    assert reported["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == truth).mean())
    assert reported["accuracy"] == pytest.approx(digits["metrics"]["validation:accuracy"], abs=1e-6)
    assert reported["loss"] == pytest.approx(-np.log(probabilities[np.arange(1000), truth]).mean(), abs=1e-4)


def test_the_confusion_matrix_and_the_scores_of_classes_are_right(tables, predicted):
    probabilities, truth = predicted
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (truth, probabilities.argmax(axis=1)), 1)
    shown = next(table for table in tables.tables if len(table) == 11 and len(table[0]) == 11)
    assert [[int(cell or 0) for cell in row[1:]] for row in shown[1:]] == expected.tolist()
    for label, row in enumerate(tables.under("class", "precision", "recall", "F1", "samples")):
        right, said, is_ = expected[label, label], expected[:, label].sum(), expected[label].sum()
        shares = [right / said, right / is_, 2 * right / (said + is_)]
        assert row[1:] == [*(f"{100 * share:.1f} %" for share in shares), str(is_)]


def test_every_mistake_is_shown_the_most_confident_first(reported, predicted):
    probabilities, truth = predicted
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    html = Path(reported["path"]).read_text("utf-8")
    section = html[html.index('<section id="mistakes">') : html.index('<section id="samples">')]
    shown = re.findall(
        r'data-truth="(\d)" data-predicted="(\d)">\s*<img src="[^"]+" alt="Validation sample (\d+)".*?sure">([\d.]+) %',
        section,
        re.DOTALL,
    )
    assert sorted(int(row) for *_, row, _ in shown) == wrong.tolist()
    sure = [float(probability) for *_, probability in shown]
    assert sure == sorted(sure, reverse=True)
    for is_, said, row, probability in shown:
        assert (int(is_), int(said)) == (truth[int(row)], probabilities[int(row)].argmax())
        assert float(probability) == pytest.approx(100 * probabilities[int(row)].max(), abs=0.06)


def test_the_numbers_of_each_epoch_are_those_of_the_record(tables, digits):
    lines = [json.loads(line) for line in Path(digits["folder"], "metrics.jsonl").read_text().splitlines()]
    names = list(dict.fromkeys(line["name"] for line in lines))
    rows = tables.under("epoch", *names)
    for line in lines:
        shown = rows[line["epoch"]][1 + names.index(line["name"])].replace(",", "")
        assert float(shown) == pytest.approx(line["value"], rel=6e-4)
    assert [row[0] for row in rows] == ["1", "2", "3"]


def test_layers_and_parameters_are_counted(tables):
    rows = tables.under("layer", "operator", "output", "parameters")
    assert [row[1:] for row in rows] == [
        ["FullyConnected", "32", f"{784 * 32 + 32:,}"],
        ["Activation", "32", "0"],
        ["FullyConnected", "10", "330"],
    ]


def test_the_data_are_told_by_the_digests_of_their_files(tables, digits, reported):
    rows = {row[0]: row for row in tables.under("file", "bytes", "SHA-256")}
    directory = digits["home"] / "<b>digits"
    files = sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
    assert sorted(rows) == files
    lines = ""
    for name in files:
        content = (directory / name).read_bytes()
        assert rows[name][1:] == [f"{len(content):,}", hashlib.sha256(content).hexdigest()]
        lines += f"{hashlib.sha256(content).hexdigest()}  {name}\n"
    assert hashlib.sha256(lines.encode()).hexdigest() in Path(reported["path"]).read_text("utf-8")


def test_the_figures_are_pictures_that_show_something(reported):
    names = {Path(path).name for path in reported["figures"]}
    assert names == {
        *("loss.png", "accuracy.png", "speed.png", "learning-rate.png", "confusion.png", "classes.png", "mistakes.png"),
        *("samples.png", "shift.png", "rotation.png"),
    }
    for path in reported["figures"]:
        with Image.open(path) as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("RGB").getcolors(2**24)) > 10


def test_a_class_that_was_never_seen_or_said_has_no_share():
    probabilities = np.array([[0.7, 0.3, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]], np.float32)
    found = examination.Examination(
        {"classifier": {"labels": ["a", "b", "c"]}}, {"truth": np.array([0, 1, 1]), "probabilities": probabilities}
    )
    scored = confusion.measure(found)
    assert scored.scores[2] == ("c", None, None, None, 0)
    assert scored.scores[0][:4] == ("a", 0.5, 1.0, pytest.approx(2 / 3))
    assert scored.pairs() == [(1, 0, 1)]
    assert scored.loss == pytest.approx(-np.log([0.7, 0.4, 0.8]).mean(), rel=1e-6)
