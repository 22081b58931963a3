"""The classes of several models side by side."""

from __future__ import annotations

import numpy as np
import pytest

from launcher.report import classes, comparison, confusion, detections, examination, page
from launcher.run import COMPLETED

GAP = "\N{EN DASH}"


def classifier(labels, truth, predicted):
    """An examination of a classifier that is sure of what it says."""
    probabilities = np.eye(len(labels), dtype=np.float32)[predicted]
    content = {"labels": labels, "available": len(truth), "distorted": {"pictures": 0}}
    return examination.Examination({"classifier": content}, {"truth": np.array(truth), "probabilities": probabilities})


def detector(areas):
    """An examination of a detector with such an average precision of each class."""
    kinds = [
        {"objects": 9, "found": 0, "right": 0, "average_precision": area, "best_f1": None, "best_threshold": None}
        for area in areas.values()
    ]
    known = [area for area in areas.values() if area is not None]
    content = {"labels": list(areas), "classes": kinds, "map": sum(known) / len(known)}
    content |= {"threshold": 0.3, "pictures": 5, "available": 5, "mistaken": 0}
    return examination.Examination({"detector": content}, {"precisions": np.zeros((len(areas), 101))})


def compare(found):
    return classes.compare(
        [confusion.measure(one) if "classifier" in one.content else None for one in found],
        [detections.measure(one) if "detector" in one.content else None for one in found],
    )


def test_the_f1_of_each_class_is_compared_and_a_class_of_one_run_alone_has_a_gap():
    one = classifier(["a", "b"], [0, 0, 1, 1], [0, 0, 1, 0])
    other = classifier(["b", "c"], [0, 0, 1, 1], [0, 0, 1, 1])
    [table] = compare([one, other])
    assert (table.title, table.runs) == ("F1", [0, 1])
    assert [row.name for row in table.rows] == ["a", "b", "c"]
    assert table.rows[0].shares == [pytest.approx(4 / 5), None]
    assert table.rows[1].shares == [pytest.approx(2 / 3), 1]
    assert table.rows[2].shares == [None, 1]
    assert [row.best for row in table.rows] == [[False, False], [False, True], [False, False]]


def test_detectors_are_compared_with_each_other_and_a_class_without_objects_has_a_gap():
    found = [
        detector({"a": 0.5, "b": None}),
        classifier(["a", "b"], [0, 1], [0, 1]),
        examination.Examination({}),
        detector({"a": 0.25, "b": 0.75}),
    ]
    [table] = compare(found)
    assert (table.title, table.runs) == ("Average precision", [0, 3])
    assert table.rows == [("a", [0.5, 0.25]), ("b", [None, 0.75])]


@pytest.mark.parametrize(("shares", "best"), [
    ([0.5, 0.7, 0.7], [False, True, True]),
    ([0.9001, 0.9004], [False, False]),  # the same as they are shown
    ([0.0, 0.0], [False, False]),
    ([None, None], [False, False]),
    ([0.2, None, 0.1], [True, False, False]),
])  # fmt: skip
def test_the_best_is_better_than_some_other_as_far_as_it_is_shown(shares, best):
    assert classes.Row("a", shares).best == best


def test_one_run_of_a_kind_is_not_compared():
    assert compare([classifier(["a", "b"], [0, 1], [0, 1]), detector({"a": 0.5})]) == []


def test_the_page_marks_the_best_by_more_than_a_colour(recorded, monkeypatch, open_page, pale, lacking, tmp_path):
    found = [detector({"a": 0.5, "<b>": 0.25}), detector({"a": 0.125, "c": 0.5})]
    monkeypatch.setattr(examination, "examine_all", lambda _: found)
    document = comparison.make([recorded(state=COMPLETED), recorded(state=COMPLETED)])
    assert dict(document.content["results"])["mAP of the saved model"] == [0.375, 0.3125]
    index, *_ = page.write(document, tmp_path / "out")
    for width, scheme in ((390, "dark"), (1280, "light")):
        shown = open_page(index, width, scheme)
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
        assert pale(shown) == []
        assert lacking(shown) == []
    text = shown.find_element("id", "classes").text
    assert "Average precision of each class" in text
    assert text.splitlines()[-3:] == ["a ★ 50.0 % 12.5 %", f"<b> 25.0 % {GAP}", f"c {GAP} 50.0 %"]
