"""How many instances of a type an account may have in training jobs at once, as Service Quotas says.

`ListServiceQuotas` of the service `sagemaker` has a quota for each type and use, by name:
`ml.c5.xlarge for training job usage`, `... for spot training job usage`, `... for training warm pool usage`. What their
codes are is said nowhere, so the list is read until all names are found.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from launcher.cloud.aws import Aws, readable
from launcher.cloud.settings import Settings
from launcher.errors import UserError

_DEADLINE = 20.0  # seconds: SageMaker has some thousands of quotas, a hundred a page


@dataclass(frozen=True)
class Quota:
    """One quota that a job needs.

    Attributes:
        name: AWS's.
        needed: instances.
        value: that the account may have at once, also for its other jobs; None where it could not be read.
    """

    name: str
    needed: int
    value: float | None

    @property
    def is_enough(self) -> bool:
        """Also where it is not known."""
        return self.value is None or self.value >= self.needed


def needed(settings: Settings, hosts: int) -> list[Quota]:
    """The quotas that a job needs, unread."""
    uses = ["spot training job" if settings.spot else "training job"]
    if settings.keep_alive:
        uses.append("training warm pool")
    return [Quota(f"{settings.instance_type} for {use} usage", hosts, None) for use in uses]


def read(settings: Settings, hosts: int, aws: Aws) -> tuple[list[Quota], str]:
    """The quotas that a job needs, as far as they can be read, and why not where they cannot."""
    wanted = needed(settings, hosts)
    try:
        values = _values({quota.name for quota in wanted}, aws)
    except UserError as error:
        return wanted, str(error)
    found = [Quota(quota.name, quota.needed, values.get(quota.name)) for quota in wanted]
    missing = [quota.name for quota in found if quota.value is None]
    return found, f"Service Quotas does not have {', '.join(missing)}" if missing else ""


def _values(names: set[str], aws: Aws) -> Mapping[str, float]:
    values: dict[str, float] = {}
    until = time.monotonic() + _DEADLINE
    pages = aws.client("service-quotas", hurried=True).get_paginator("list_service_quotas")
    with readable("Service Quotas"):
        for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": 100}):
            for quota in page["Quotas"]:
                if quota["QuotaName"] in names:
                    values[quota["QuotaName"]] = quota["Value"]
            if len(values) == len(names):
                break
            if time.monotonic() > until:
                raise UserError(f"Service Quotas was not read to the end in {_DEADLINE:g} s")
    return values
