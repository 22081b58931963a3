"""A search that SageMaker's tuner does: its record kept up to date, watched, stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from launcher.cloud import attention, tuner
from launcher.cloud.aws import Aws, readable, unless_over, without_secrets
from launcher.config import Config
from launcher.run import COMPLETED, FAILED, IN_PROGRESS, STOPPED, STOPPING
from launcher.tuning.study import Study, Trial

_STATES = (IN_PROGRESS, STOPPING, COMPLETED, FAILED, STOPPED)
_LONGEST = 30 * 86_400.0  # seconds, SageMaker's limit for a tuning job
_SENDING = 120.0  # seconds in which a job may not be there yet

OnTrial = Callable[[Study, Trial], object]  # called when a trial has begun, and when it has ended


def access(study: Study) -> Aws:
    """Access to AWS as a study was sent with; UserError as of `Config.load` and `Aws`."""
    return Aws(replace(Config.load(study.profile), region=study.region))


def update(study: Study, aws: Aws) -> Study:
    """The study as SageMaker tells of it now, and its record.

    Raises:
        UserError: AWS cannot be asked.
    """
    with readable(f"the tuning {study.name}"):
        return _look(study, aws)


def follow(study: Study, on_trial: OnTrial, on_note: Callable[[str], object]) -> Study:
    """The study when it is over. Throttling, a lost network and expired credentials are waited out for a while.

    Args:
        study: that was sent.
        on_trial: told of each trial that has begun or ended since the last look.
        on_note: told what stands against looking.

    Raises:
        UserError: AWS cannot be asked any more; the search goes on.
        TimeoutError: it goes on for longer than SageMaker lets any.
    """
    known: dict[str, str] = {}

    def look(aws: Aws) -> Study | None:
        now = _look(study, aws)
        for trial in now.trials:
            if known.get(trial.run) != trial.state:
                known[trial.run] = trial.state
                on_trial(now, trial)
        return now if now.is_over else None

    return attention.attend(f"the tuning {study.name}", look, lambda: access(study), deadline=_LONGEST, on_note=on_note)


def stop(study: Study, aws: Aws) -> Study:
    """Asks SageMaker to stop the search and its trials; it is Stopping then, for some minutes.

    Raises:
        UserError: AWS refuses, or cannot be asked.
    """
    client = aws.client("sagemaker")
    with readable(f"the tuning {study.name}"):
        unless_over(lambda: client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=study.name))
        return _look(study, aws)


def _look(study: Study, aws: Aws) -> Study:
    client = aws.client("sagemaker")
    found = tuner.describe(client, study.name)
    if found is None:
        return _gone(study)
    state = found["HyperParameterTuningJobStatus"]
    now = replace(
        study,
        state=state if state in _STATES else STOPPING,
        reason=without_secrets(found.get("FailureReason") or ""),
        trials=tuple(_trials(client, study)),
    )
    if now.is_over:
        ended = found.get("HyperParameterTuningEndTime") or found.get("LastModifiedTime")
        now = replace(now, ended=ended.timestamp() if ended else time.time())
    now.write()
    return now


def _gone(study: Study) -> Study:
    if time.time() - study.created < _SENDING:
        return study
    now = replace(study, state=STOPPED, ended=time.time(), reason="SageMaker has no such tuning job: it was deleted")
    now.write()
    return now


def _trials(client: Any, study: Study) -> list[Trial]:
    """In the order in which SageMaker made them."""
    pages = client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=study.name, SortBy="CreationTime", SortOrder="Ascending"
    )
    found = [one for page in pages for one in page["TrainingJobSummaries"]]
    return [_trial(number, one, study) for number, one in enumerate(found, 1)]


def _trial(number: int, one: Mapping[str, Any], study: Study) -> Trial:
    tuned = one["TunedHyperParameters"]
    state = one["TrainingJobStatus"]
    began, ended = one.get("TrainingStartTime"), one.get("TrainingEndTime")
    objective = one.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    reason = " ".join(without_secrets(one.get("FailureReason") or "").partition("\n\n")[0].split())
    if state == COMPLETED and objective is None:
        reason = reason or f"its script did not measure {study.search.objective}"
    return Trial(
        number,
        one["TrainingJobName"],
        {name: _value(tuned[name]) for name in study.search.space if name in tuned},
        state if state in _STATES else STOPPING,
        objective,
        (ended.timestamp() if ended else time.time()) - began.timestamp() if began else None,
        reason,
    )


def _value(text: str) -> Any:
    """As a script gets it."""
    try:
        return json.loads(text)
    except ValueError:
        return text
