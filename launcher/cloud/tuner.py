"""A search for hyperparameters as SageMaker's own tuner gets it: the request that the SDK's HyperparameterTuner sends,
and sending it, once.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher import metrics
from launcher.cloud import api, checks, cost, creation, estimator, jobs
from launcher.cloud.aws import Aws, readable, unless_missing
from launcher.cloud.estimator import Names, Places
from launcher.cloud.jobs import Step
from launcher.cloud.prices import Price
from launcher.cloud.settings import Settings
from launcher.cloud.store import Store
from launcher.config import Config
from launcher.errors import JobFailed, UserError
from launcher.job import TrainingJob
from launcher.run import FAILED, STOPPED
from launcher.tuning.search import BAYESIAN, Search
from launcher.tuning.space import Choice, Continuous, Range
from launcher.tuning.study import Study


def tuning_request(
    search: Search, job: TrainingJob, settings: Settings, places: Places, names: Names
) -> dict[str, Any]:
    """The arguments of CreateHyperParameterTuningJob, as the SDK's `HyperparameterTuner(...).fit(...)` sends them.

    The values of a choice are JSON, so that each arrives in the script with its type: SageMaker's containers read all
    hyperparameters as JSON. (The SDK makes strings of them first, of `32` too.)

    Args:
        search: what is looked for.
        job: what is tried, with the values that are not tuned.
        settings: how SageMaker runs each trial.
        places: of code and data.
        names: of the tuning job, in the place of a training job's.

    Raises:
        UserError: as `estimator.training_request` does, or SageMaker's tuner cannot do that.
    """
    if settings.keep_alive:
        raise UserError("keep_alive: SageMaker's tuner does not keep machines warm between its trials: leave it out")
    made = estimator.estimator(job, settings, places, names)
    from sagemaker import tuner as sdk

    logging.getLogger("sagemaker.estimator").setLevel(logging.ERROR)  # it warns that the job has not run yet
    inputs = estimator.inputs(job, places)
    with estimator.sdk_errors():
        tuner: Any = sdk.HyperparameterTuner(
            made,
            search.objective,
            {name: _range(one) for name, one in search.space.items()},
            [{"Name": name, "Regex": regex} for name, regex in {**metrics.DEFINITIONS, **job.metrics}.items()],
            strategy="Bayesian" if search.strategy == BAYESIAN else "Random",
            objective_type="Minimize" if search.minimize else "Maximize",
            max_jobs=search.jobs,
            max_parallel_jobs=search.parallel,
            random_seed=search.seed,
        )
        # What `fit()` does before it sends the request.
        tuner._prepare_estimator_for_tuning(made, inputs, names.job_name)
        tuner._prepare_for_tuning(job_name=names.job_name)
        tuning: Any = sdk._TuningJob
        return dict(made.sagemaker_session._get_tuning_request(**tuning._get_tuner_args(tuner, inputs)))


def submit(
    study: Study, job: TrainingJob, settings: Settings, config: Config, aws: Aws, on_step: Step = jobs.ignore
) -> None:
    """Sends a search to SageMaker: its code, its data, then the tuning job itself, exactly once, by the study's name.

    Raises:
        UserError: the job was not made; the study has failed, with the reason.
        JobFailed: AWS did not say in time whether it was; the study is one to be looked after.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="glaunch-") as directory:
            sending = jobs.prepare(
                job, settings, config, aws, job_name=study.name, directory=Path(directory), on_step=on_step
            )
            request = tuning_request(study.search, job, settings, sending.places, sending.names)
            checks.require(api.problems("CreateHyperParameterTuningJob", request))
            jobs.send(sending, Store(aws, config.bucket), on_step)
            on_step("making the tuning job")
            _create(request, aws)
    except BaseException as error:
        if not isinstance(error, JobFailed):
            is_ours = isinstance(error, Exception)
            reason = str(error) if is_ours else "stopped before its job was sent"
            replace(study, state=FAILED if is_ours else STOPPED, ended=time.time(), reason=reason).write()
        raise


def limit(search: Search, job: TrainingJob, settings: Settings, price: Price) -> TrainingJob:
    """The job, as long as all trials together cannot cost more than `settings.max_cost`; see `cost.limit`.

    Raises:
        UserError: they could, or the price is not known.
    """
    if settings.max_cost is None:
        return job
    each = settings.max_cost / search.jobs
    try:
        return cost.limit(job, replace(settings, max_cost=each), price)
    except UserError as error:
        share = f"--max-cost {settings.max_cost:g} is {cost.dollars(each)} for each of {search.jobs} trials"
        raise UserError(f"{share}; {error}") from None


def describe(client: Any, name: str) -> dict[str, Any] | None:
    """DescribeHyperParameterTuningJob's answer; None where there is no such job. Raises what boto3 raises."""
    return unless_missing(lambda: dict(client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)))


def _create(request: Mapping[str, Any], aws: Aws) -> None:
    client, name = aws.client("sagemaker", attempts=1), request["HyperParameterTuningJobName"]
    with readable("the tuning job"):
        creation.once(
            lambda: client.create_hyper_parameter_tuning_job(**request),
            lambda: _is_there(client, request),
            f"the tuning job: `glaunch tunings {name}` asks again, `glaunch tunings {name} --stop` stops it",
        )


def _is_there(client: Any, request: Mapping[str, Any]) -> bool:
    """Whether the job of a request was made; UserError where another one has its name."""
    found = describe(client, request["HyperParameterTuningJobName"])
    if found is None:
        return False
    sent = request["TrainingJobDefinition"]["StaticHyperParameters"]
    there = found["TrainingJobDefinition"]["StaticHyperParameters"]  # with one of SageMaker's own
    if any(there.get(key) != value for key, value in sent.items()):
        raise UserError(f"there is another tuning job {request['HyperParameterTuningJobName']} already: run it again")
    return True


def _range(one: Range) -> Any:
    from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter

    if isinstance(one, Choice):
        typed = [json.dumps(value) for value in one.values]

        class Typed(CategoricalParameter):  # type: ignore[misc]  # the SDK has no types
            def as_json_range(self, name: str) -> dict[str, Any]:
                return {"Name": name, "Values": typed}

        return Typed(list(one.values))
    kind = ContinuousParameter if isinstance(one, Continuous) else IntegerParameter
    return kind(one.low, one.high, scaling_type="Logarithmic" if one.log else "Linear")
