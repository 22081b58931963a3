"""What a job on SageMaker would do and cost, without sending anything. Every call of AWS only looks.

What AWS has to be asked for is left out where it cannot be asked, and said to be.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from launcher import plan as plans
from launcher.cloud import api, checks, content, cost, estimator, prices, quotas
from launcher.cloud.aws import Aws, readable
from launcher.cloud.estimator import Names, Places
from launcher.cloud.jobs import RUNS
from launcher.cloud.package import Package, pack
from launcher.cloud.settings import Settings
from launcher.cloud.store import Store
from launcher.config import Config
from launcher.errors import UserError
from launcher.job import TrainingJob
from launcher.local import channels
from launcher.run import name_now

_T = TypeVar("_T")
_NOBODY = "0" * 12  # the account in a role's ARN, where it is not known


@dataclass(frozen=True)
class Sent:
    """Something that a job needs in S3.

    Attributes:
        uri: where.
        files, bytes: of it; None of what is in S3 already by the job's own words.
        missing_files, missing_bytes: of it, that are to be sent; None where that is not known.
    """

    uri: str
    files: int | None = None
    bytes: int | None = None
    missing_files: int | None = None
    missing_bytes: int | None = None


@dataclass(frozen=True)
class CloudPlan:
    """What a job on SageMaker would do.

    Attributes:
        here: what is told of any job: how it runs, its values, its net and its speed.
        settings: how SageMaker runs it.
        region: where.
        request: the arguments of CreateTrainingJob; None where a problem leaves no way to make them.
        code, data, checkpoints: what it needs in S3; data by channel.
        cost: what it can cost.
        quotas: that it needs.
        problems: what AWS would refuse it for.
        unchecked: what could not be looked at, and why.
    """

    here: plans.Plan
    settings: Settings
    region: str
    request: dict[str, Any] | None
    code: Sent
    data: dict[str, Sent]
    checkpoints: Sent | None
    cost: cost.Cost
    quotas: list[quotas.Quota]
    problems: list[str]
    unchecked: list[str]


def plan(job: TrainingJob, settings: Settings, config: Config) -> CloudPlan:
    """Looks at a job, and as far as AWS answers at what is there.

    Raises:
        UserError: what the job itself would fail of; or no region is known, or the job could cost more than its limit.
        JobFailed: its net could not be looked at.
    """
    return _Planner(settings, config).plan(job)


class _Planner:
    """Collects what is wrong and what is not known, where `launcher.cloud.jobs.prepare` stops at the first thing."""

    def __init__(self, settings: Settings, config: Config) -> None:
        self._settings, self._config = settings, config
        self._problems: list[str] = []
        self._unchecked: list[str] = []
        self._aws = Aws(config)
        self._online = self._try(self._unchecked, lambda: _ask_who(self._aws)) is not None

    def plan(self, job: TrainingJob) -> CloudPlan:
        settings, region = self._settings, self._aws.region
        price = prices.training(settings.instance_type, region, self._aws if self._online else None)
        self._unchecked += [f"prices: {price.why_table}"] if self._online and price.why_table else []
        job = cost.limit(job, settings, price)
        here = plans.plan(job, on_aws=True)
        self._problems += checks.job(job, settings, self._config, region)
        if self._online:
            self._problems += checks.account(job, self._config, self._aws)
        with tempfile.TemporaryDirectory(prefix="glaunch-plan-") as directory:
            package = pack(job, Path(directory))
            code = self._code(package)
        data = {name: self._tree(channel.source) for name, channel in job.channels.items()}
        name = name_now(job.name)
        start = job.checkpoints.source
        checkpoints = None if start is None else self._tree(start, f"{RUNS}/{name}/checkpoints")
        request = self._request(job, name, Places(code.uri, package.program, _uris(data), self._uri(RUNS)))
        return CloudPlan(
            here,
            settings,
            region,
            request,
            code,
            data,
            checkpoints,
            cost.of(job, settings, price),
            self._quotas(job.hosts),
            list(dict.fromkeys(self._problems)),
            list(dict.fromkeys(self._unchecked)),
        )

    def _try(self, told: list[str], look: Callable[[], _T]) -> _T | None:
        try:
            return look()
        except UserError as error:
            told.append(str(error))
            return None

    def _uri(self, key: str) -> str:
        return f"s3://{self._config.bucket or 'BUCKET'}/{key}"

    @property
    def _store(self) -> Store | None:
        return Store(self._aws, self._config.bucket) if self._online and self._config.bucket else None

    def _code(self, package: Package) -> Sent:
        size = package.path.stat().st_size
        with tarfile.open(package.path) as packed:
            count = sum(member.isfile() for member in packed)
        store = self._store
        there = store and self._try(self._unchecked, lambda: store.exists(package.key))
        if there is None:
            return Sent(self._uri(package.key), count, size)
        return Sent(self._uri(package.key), count, size, 0 if there else count, 0 if there else size)

    def _tree(self, source: Path | str, prefix: str | None = None) -> Sent:
        if isinstance(source, str):
            return Sent(source)
        store = self._store
        upload = store and self._try(self._unchecked, lambda: store.plan(source, prefix))
        if upload:
            sizes = (len(upload.files), upload.bytes, len(upload.missing), upload.missing_bytes)
            return Sent(upload.uri, *sizes)
        files = content.read_all(channels.files(source.name, source))
        prefix = prefix or f"data/{content.digest((name, file.sha256) for name, file in files.items())}"
        return Sent(self._uri(f"{prefix}/"), len(files), sum(file.size for file in files.values()))

    def _request(self, job: TrainingJob, name: str, places: Places) -> dict[str, Any] | None:
        role = f"arn:aws:iam::{_NOBODY}:role/{self._config.role or 'ROLE'}"
        if self._online:
            role = self._try(self._problems, lambda: checks.role_arn(self._config, self._aws)) or role
        names = Names(name, role, self._config.stack, self._aws.region)
        request = self._try(self._problems, lambda: estimator.training_request(job, self._settings, places, names))
        known = {one.split(":")[0] for one in self._problems}  # of the job's own words
        for message in api.problems("CreateTrainingJob", request or {}):
            if not ("instance_type" in known and message.startswith("ResourceConfig.InstanceType")):
                self._problems.append(message)
        return request

    def _quotas(self, hosts: int) -> list[quotas.Quota]:
        if not self._online:
            return quotas.needed(self._settings, hosts)
        found, why = quotas.read(self._settings, hosts, self._aws)
        self._unchecked += [f"quotas: {why}"] if why else []
        self._problems += [
            f"quota: {quota.name}: {quota.value:g} at once, and the job needs {quota.needed}: ask AWS for more (the "
            "console of Service Quotas, Amazon SageMaker), or take another --instance-type"
            for quota in found
            if not quota.is_enough
        ]
        return found


def _uris(data: dict[str, Sent]) -> dict[str, str]:
    return {name: sent.uri for name, sent in data.items()}


def _ask_who(aws: Aws) -> dict[str, Any]:
    """Raises UserError where AWS cannot be asked: no network, no credentials, or ones that have expired."""
    with readable("AWS"):
        found: dict[str, Any] = aws.client("sts", hurried=True).get_caller_identity()
    return found
