"""Runs the trials of a search on this machine, some at a time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob
from launcher.local import runner
from launcher.metrics import DEFINITIONS
from launcher.run import COMPLETED, FAILED, STOPPED, Run
from launcher.tuning.sampler import Sampler
from launcher.tuning.search import Search
from launcher.tuning.study import Study, Trial

_PAUSE = 0.05  # seconds between two looks at the trials

OnTrial = Callable[[Study, Trial], object]  # called when a trial has begun, and when it has ended


class _Running(NamedTuple):
    trial: Trial
    run: Run
    process: subprocess.Popen[bytes]


def check(search: Search, job: TrainingJob, given: Mapping[str, Any]) -> None:
    """Raises UserError where a job cannot be tuned so, here or on SageMaker.

    Args:
        search: what is looked for.
        job: what is tried.
        given: the hyperparameters that somebody gave a value by hand.
    """
    known = {**DEFINITIONS, **job.metrics}
    if search.objective not in known:
        raise UserError(
            f"--objective {search.objective}: there is no such metric; there are {', '.join(known)}, and a job file "
            "can define more, in its section `metrics`"
        )
    for name in search.space:
        if name in given:
            raise UserError(f"{name} has a value by -p and a range by --param: give one of them")
    if job.checkpoints.source is not None:
        raise UserError("a tuning begins its trials anew: leave --resume, or the checkpoints' source, out")
    if job.kill_after is not None:
        raise UserError("kill_after is a drill of one run: a tuning has none")


def conduct(study: Study, job: TrainingJob, sampler: Sampler, on_trial: OnTrial) -> Study:
    """Runs all trials; the study when it is over. A trial that fails is counted, and the search goes on.

    Whatever ends this early, Ctrl-C or an error, ends the trials that are running, with all their processes.

    Args:
        study: just created.
        job: what is tried, with the values that are not tuned.
        sampler: of the study's search.
        on_trial: told of what happens.

    Raises:
        JobFailed: a trial completed, and its script does not measure what is looked for.
    """
    return _Conductor(study, job, sampler, on_trial).conduct()


class _Conductor:
    def __init__(self, study: Study, job: TrainingJob, sampler: Sampler, on_trial: OnTrial) -> None:
        self._study, self._job, self._sampler, self._on_trial = study, job, sampler, on_trial
        self._running: list[_Running] = []

    def conduct(self) -> Study:
        search = self._study.search
        try:
            while len(self._study.trials) < search.jobs or self._running:
                while len(self._running) < search.parallel and len(self._study.trials) < search.jobs:
                    self._start(len(self._study.trials) + 1)
                for one in [one for one in self._running if one.process.poll() is not None]:
                    self._end(one)
                time.sleep(_PAUSE)
        except BaseException as error:
            is_ours = isinstance(error, Exception)
            self._stop_all()
            self._close(FAILED if is_ours else STOPPED, str(error) if is_ours else "stopped")
            raise
        self._close(COMPLETED if self._study.best else FAILED, "" if self._study.best else "no trial completed")
        return self._study

    def _start(self, number: int) -> None:
        values = self._sampler.ask(number)
        job = replace(self._job, hyperparameters={**self._job.hyperparameters, **values})
        run = Run.create_named(f"{self._study.name}-{number:03d}", lambda _: job)
        trial = Trial(number, run.name, values)
        self._note(trial)
        # Launched by this thread, whose end the kernel tells the trial of.
        self._running.append(_Running(trial, run, runner.launch(run, detach=False)))

    def _end(self, one: _Running) -> None:
        self._running.remove(one)
        metric = self._study.search.objective
        trial = _outcome(one.trial, one.run, metric)
        self._sampler.tell(trial.number, trial.objective if trial.state == COMPLETED else None)
        self._note(trial)
        if trial.state == COMPLETED and not _measured(one.run, metric) and self._study.best is None:
            raise JobFailed(f"{trial.run}: {trial.reason}")

    def _note(self, trial: Trial) -> None:
        self._study = self._study.with_trial(trial)
        self._study.write()
        self._on_trial(self._study, trial)

    def _stop_all(self) -> None:
        """Ends what is running: all are told first, so that they end at the same time; at once on a second Ctrl-C."""
        for one in self._running:
            one.process.terminate()
        deadline = 15.0
        for one in self._running:
            try:
                one.run.stop(deadline)
            except KeyboardInterrupt:
                deadline = 0.0
                one.run.stop(deadline)
            one.process.wait()
        for trial in [one for one in self._study.trials if one.state not in (COMPLETED, FAILED, STOPPED)]:
            run = Run.find(trial.run)
            _end_record(run)
            self._study = self._study.with_trial(_outcome(trial, run, self._study.search.objective))

    def _close(self, state: str, reason: str) -> None:
        self._study = replace(self._study, state=state, reason=reason, ended=time.time())
        self._study.write()


def _end_record(run: Run) -> None:
    """Of a run whose start was interrupted: it has no process any more, and its record says that it is this one."""
    status = run.recorded_status()
    if not status.is_over:
        run.write_status(replace(status, state=STOPPED, ended=time.time(), reason="stopped before it began"))


def _outcome(trial: Trial, run: Run, metric: str) -> Trial:
    """A trial as its run has ended."""
    status, measured = run.status, _measured(run, metric)
    value, reason = measured[-1] if measured else None, status.reason
    if measured and value is None:
        reason = reason or f"its last {metric} is no finite number"
    elif not measured and status.state == COMPLETED:
        others = ", ".join(sorted(status.metrics)) or "nothing"
        reason = f"its script did not measure {metric}, but {others}: give --objective, or define it in a job file"
    return replace(trial, state=status.state, objective=value, seconds=status.seconds, reason=reason)


def _measured(run: Run, metric: str) -> list[float | None]:
    """The values of a metric in their order; None for one that was not finite."""
    if not run.metrics.exists():
        return []
    found = map(json.loads, run.metrics.read_text("utf-8").splitlines())
    return [one["value"] for one in found if one["name"] == metric]
