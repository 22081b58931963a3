"""A running job on a terminal, and where there is none."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from launcher import progress

OURS = [
    "Loading 4000 digits",
    "Training on 4000 samples: 2 epochs of 40 batches, 109386 parameters, 2 thread(s).",
    "[Epoch 0 Batch 20] Training: accuracy=0.500000, 60000.0 samples/s",
    "[Epoch 0] Training: accuracy=0.612345",
    "[Epoch 0] Training: loss=1.234567",
    "[Epoch 0] Validation: accuracy=0.700000",
    "[Epoch 0] Speed: 61234.5 samples/s",
    "[Epoch 1] Training: accuracy=0.800000",
    "[Epoch 1] Validation: accuracy=0.910000",
    "[Epoch 1] Speed: 62000.0 samples/s",
    "saved [bold]as[/bold] :100: model [10,3]",
]


@pytest.fixture
def watched(recorded):
    """`watched(lines, **console)`: all that is shown of a run that printed these lines."""

    def show(lines, **settings):
        console = Console(file=io.StringIO(), width=100, **settings)
        progress.watch(recorded(log="\n".join(lines) + "\n"), lambda: True, console)
        return console.file.getvalue()

    return show


def plain(text):
    """Text without what moves the cursor and changes colours; each state of the bar is a line."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "\n")


def test_without_a_terminal_the_lines_are_printed_as_they_are(watched):
    assert watched(OURS) == "\n".join(OURS) + "\n"


def test_on_a_terminal_each_epoch_is_a_line(watched):
    lines = [line.rstrip() for line in plain(watched(OURS, force_terminal=True)).splitlines()]
    assert "epoch   1  accuracy 0.6123  loss 1.2346  validation 0.7000  61,234 samples/s" in lines
    assert "epoch   2  accuracy 0.8000  validation 0.9100  62,000 samples/s" in lines
    assert not any("[Epoch" in line or "Training on" in line for line in lines)


def test_a_recommenders_epoch_shows_its_own_metrics(watched):
    explicit = [
        "[Epoch 0 Batch 20] Training: rmse=1.200000, 60000.0 samples/s",
        "[Epoch 0] Training: rmse=1.100000",
        "[Epoch 0] Validation: rmse=1.000000",
        "[Epoch 0] Speed: 5000.0 samples/s",
    ]
    implicit = [
        "[Epoch 1] Training: loss=0.500000",
        "[Epoch 1] Validation: ndcg=0.250000",
        "[Epoch 1] Validation: recall=0.400000",
        "[Epoch 1] Speed: 6000.0 samples/s",
    ]
    lines = [line.rstrip() for line in plain(watched(explicit + implicit, force_terminal=True)).splitlines()]
    assert "epoch   1  rmse 1.1000  validation 1.0000  5,000 samples/s" in lines
    assert "epoch   2  loss 0.5000  ndcg 0.2500  recall 0.4000  6,000 samples/s" in lines


def test_on_a_terminal_other_lines_are_printed_as_they_are(watched):
    lines = plain(watched(OURS, force_terminal=True)).splitlines()
    assert OURS[0] in lines
    assert OURS[-1] in lines
    long = "word " * 100
    assert long in plain(watched([long], force_terminal=True)).splitlines()


def test_the_bar_is_gone_at_the_end(watched):
    shown = watched(OURS, force_terminal=True)
    assert "\x1b[?25l" in shown  # the cursor is hidden
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # and shown again
    assert "\x1b[2K" in shown.rsplit("\n", 1)[-1]  # the line of the bar is erased


def bar_after(recorded, monkeypatch, lines):
    """The bar as it is when these lines have been read."""
    from rich.progress import Progress

    states = []
    update = Progress.update

    def remember(self, task, **values):
        update(self, task, **values)
        shown = self.tasks[0]
        states.append((shown.description, shown.completed, shown.total, shown.fields["state"]))

    monkeypatch.setattr(Progress, "update", remember)
    console = Console(file=io.StringIO(), force_terminal=True)
    progress.watch(recorded(log="\n".join(lines)), lambda: True, console)
    return states[-1]


@pytest.mark.parametrize(
    ("count", "bar"),
    [
        (2, ("epoch 1", 0, 80, "")),
        (3, ("epoch 1/2", 20, 80, "accuracy 0.5000  60,000 samples/s")),
        (7, ("epoch 2/2", 40, 80, "accuracy 0.6123")),
        (10, ("epoch 2/2", 80, 80, "accuracy 0.8000")),
    ],
)
def test_the_bar_counts_the_batches_of_all_epochs(recorded, monkeypatch, count, bar):
    assert bar_after(recorded, monkeypatch, OURS[:count]) == bar


def test_without_a_plan_the_bar_tells_the_epoch(recorded, monkeypatch):
    bar = bar_after(recorded, monkeypatch, ["[Epoch 4 Batch 20] Training: accuracy=0.5, 60000.0 samples/s"])
    assert bar == ("epoch 5", 0, None, "accuracy 0.5000  60,000 samples/s")


def test_the_lines_of_mxnets_module_are_shown_without_a_plan(watched):
    lines = plain(watched(["Epoch[0] Train-accuracy=0.5", "Epoch[0] Validation-accuracy=0.25"], force_terminal=True))
    assert "epoch 1  train:accuracy 0.5000" in lines
    assert "epoch 1  validation:accuracy 0.2500" in lines


def test_a_speed_alone_is_no_obstacle(watched):
    assert "5 samples/s" in plain(
        watched(["[Epoch 0] Speed: 5 samples/s", "[Epoch 0] Speed: nan samples/s"], force_terminal=True)
    )


def test_a_log_that_appears_late_and_grows_is_shown_to_its_end(recorded, wait_until):
    run = recorded()
    run.log("algo-1").unlink()
    over, console = threading.Event(), Console(file=io.StringIO())
    watcher = threading.Thread(target=progress.watch, args=(run, over.is_set, console))
    watcher.start()
    run.log("algo-1").write_text("one\n")
    wait_until(lambda: console.file.getvalue() == "one\n")
    with run.log("algo-1").open("a") as log:
        log.write("two\nthree")
    over.set()
    watcher.join(30)
    assert console.file.getvalue() == "one\ntwo\nthree\n"
