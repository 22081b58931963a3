"""The picture of a search."""

from __future__ import annotations

import sys

import pytest

from launcher.job import TrainingJob
from launcher.tuning import chart, space, study
from launcher.tuning.search import Search
from launcher.tuning.study import Trial


@pytest.fixture
def made(script):
    """`made(*trials)`: a study of two ranges with these trials."""

    def make(*trials):
        search = Search(space.parse(["rate=log:0.001:1", "net=choice:[[8], [4, 2]]"]), 9)
        one = study.create(TrainingJob(script("print(1)\n")), search)
        for trial in trials:
            one = one.with_trial(trial)
        return one

    return make


def test_it_has_a_panel_of_the_trials_and_one_of_each_hyperparameter(made, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **b: (drawn.append(self), save(self, *a, **b)))
    one = made(
        Trial(1, "run-1", {"rate": 0.1, "net": [8]}, "Completed", 0.5),
        Trial(2, "run-2", {"rate": 0.2, "net": [4, 2]}, "Failed"),
        Trial(3, "run-3", {"rate": 0.01, "net": [4, 2]}, "Completed", 0.9),
        Trial(4, "run-4", {"rate": 0.3, "net": [4, 2]}, "Completed", 0.7),
    )
    assert chart.draw(one)
    assert one.chart.read_bytes().startswith(b"\x89PNG")
    [figure] = drawn
    progress, rate, net = [axis for axis in figure.axes if axis.axison]
    assert [*progress.lines[0].get_ydata()] == [0.5, 0.9, 0.9]
    assert progress.collections[0].get_offsets().tolist() == [[1, 0.5], [3, 0.9], [4, 0.7]]
    assert progress.collections[1].get_offsets().tolist() == [[3, 0.9]]  # the best
    assert rate.get_xscale() == "log"
    assert rate.collections[0].get_offsets().tolist() == [[0.1, 0.5], [0.01, 0.9], [0.3, 0.7]]
    assert [label.get_text() for label in net.get_xticklabels()] == ["[8]", "[4, 2]"]
    assert net.collections[0].get_offsets().tolist() == [[0, 0.5], [1, 0.9], [1, 0.7]]


def test_nothing_is_drawn_without_a_result_or_without_matplotlib(made, monkeypatch):
    one = made(Trial(1, "run-1", {"rate": 0.1, "net": [8]}, "Failed"))
    assert not chart.draw(one)
    one = one.with_trial(Trial(2, "run-2", {"rate": 0.1, "net": [8]}, "Completed", 0.5))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert not chart.draw(one)
    assert not one.chart.exists()
