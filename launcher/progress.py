"""A running job on the terminal: a bar that moves, a line an epoch; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from launcher import log, metrics
from launcher.bar import state_bar
from launcher.run import Run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


def watch(
    run: Run, is_over: Callable[[], bool], console: Console, readers: Mapping[str, log.LogReader] | None = None
) -> None:
    """Shows what a run's hosts print until `is_over()`; the bar is gone when it returns.

    Args:
        run: whose logs are shown.
        is_over: as `log.follow` asks it.
        console: where.
        readers: of the hosts' logs, where they are not read from the beginning.
    """
    hosts = run.hosts
    lines = log.follow(readers or {host: run.log(host) for host in hosts}, is_over)
    if console.is_terminal:
        _watch_live(lines, hosts, console)
    else:
        for host, line in lines:
            print(_prefix(host, hosts) + line, file=console.file, flush=True)


def _watch_live(lines: Iterable[tuple[str, str]], hosts: list[str], console: Console) -> None:
    with state_bar(console) as progress:
        view = _View(progress, progress.add_task("starting", total=None, state=""), console)
        for host, line in lines:
            view.show(line, _prefix(host, hosts))


def _prefix(host: str, hosts: list[str]) -> str:
    return f"{host} | " if len(hosts) > 1 else ""


class _View:
    """Turns the lines of a log into the state of a bar, and what is left of them into text above it."""

    def __init__(self, progress: Progress, task: TaskID, console: Console) -> None:
        self._progress, self._task, self._console = progress, task, console
        self._plan: metrics.Plan | None = None
        self._epoch: dict[str, float] = {}

    def show(self, line: str, prefix: str = "") -> None:
        found = metrics.parse(line)
        if isinstance(found, metrics.Plan):
            self._plan = found
            self._progress.update(self._task, description="epoch 1", total=found.epochs * found.batches)
        elif isinstance(found, metrics.Progress):
            state = f"{found.measure} {found.value:.4f}  {found.samples_per_second:,.0f} samples/s"
            self._move(found.epoch, found.batch, state)
        elif isinstance(found, metrics.Metric):
            self._measure(found)
        elif found is None:
            self._console.out(prefix + line, highlight=False)

    def _move(self, epoch: int, batch: int, state: str) -> None:
        shown, done = f"epoch {epoch + 1}", None
        if self._plan:
            shown = f"epoch {min(epoch + 1, self._plan.epochs)}/{self._plan.epochs}"
            done = epoch * self._plan.batches + batch
        self._progress.update(self._task, description=shown, completed=done, state=state)

    def _measure(self, metric: metrics.Metric) -> None:
        self._epoch[metric.name] = metric.value
        if metric.name != "train:samples_per_second":  # the last line of an epoch
            if self._plan is None:
                self._console.print(f"epoch {metric.epoch + 1}  {metric.name} {metric.value:.4f}", highlight=False)
            return
        shown = [
            f"{title} {self._epoch[name]:.4f}"
            for title, name in (
                ("accuracy", "train:accuracy"),
                ("rmse", "train:rmse"),
                ("loss", "train:loss"),
                ("validation", "validation:accuracy"),
                ("validation", "validation:rmse"),
                ("ndcg", "validation:ndcg"),
                ("recall", "validation:recall"),
                ("validation map", "validation:map"),
            )
            if name in self._epoch
        ]
        self._console.print(
            f"epoch {metric.epoch + 1:>3}  {'  '.join(shown)}  [dim]{metric.value:,.0f} samples/s[/dim]",
            highlight=False,
        )
        self._move(metric.epoch + 1, 0, shown[0] if shown else "")
        self._epoch.clear()
