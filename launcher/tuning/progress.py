"""A search on the terminal while it goes on: a line for each trial that has ended, and how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from launcher.bar import state_bar
from launcher.run import IN_PROGRESS, STOPPING
from launcher.tuning import tables
from launcher.tuning.study import Study, Trial


@contextmanager
def shown(study: Study, screen: Console) -> Iterator[Callable[[Study, Trial], None]]:
    """A function to call with the search and the trial that has begun or ended; the bar is gone after the block."""
    if not screen.is_terminal:
        yield lambda now, trial: _tell(now, trial, screen)
        return
    with state_bar(screen) as bar:
        task = bar.add_task("starting", total=study.search.jobs, state="")

        def show(now: Study, trial: Trial) -> None:
            _tell(now, trial, screen)
            running = sum(_goes_on(one) for one in now.trials)
            over = len(now.trials) - running
            best = "" if now.best is None else f"best {now.best.objective:.4f}"
            description = f"{over} of {now.search.jobs} trials, {running} running"
            bar.update(task, description=description, completed=over, state=best)

        yield show


def _tell(study: Study, trial: Trial, screen: Console) -> None:
    if not _goes_on(trial):
        screen.out(tables.trial_line(study, trial), highlight=False)


def _goes_on(trial: Trial) -> bool:
    return trial.state in (IN_PROGRESS, STOPPING)
