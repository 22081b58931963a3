"""How SageMaker serves a model: on its own machines, on none in particular, or from a queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from launcher.cloud.settings import Settings
from launcher.errors import UserError

REAL_TIME, SERVERLESS, ASYNCHRONOUS = "real-time", "serverless", "asynchronous"
KINDS = (REAL_TIME, SERVERLESS, ASYNCHRONOUS)
# Limits are those of CreateEndpointConfig.
MEMORIES = (1024, 2048, 3072, 4096, 5120, 6144)  # MiB
_MOST_CONCURRENT = 200


@dataclass(frozen=True)
class Scaling:
    """How many instances there are, from the least to the most, by what they have to do.

    Attributes:
        least, most: instances.
        target: invocations a minute that an instance is to have; of an asynchronous endpoint, requests that wait.
    """

    least: int
    most: int
    target: float

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or not self.most:
            raise UserError(f"autoscaling from {self.least} to {self.most} instances: expected MIN:MAX, as 1:4")
        if not self.target > 0:
            raise UserError(f"autoscaling to {self.target:g} an instance: expected more than 0")


@dataclass(frozen=True)
class Hosting:
    """How an endpoint serves; checked when made.

    Attributes:
        kind: one of KINDS.
        instance_type, instances: of a real-time or an asynchronous endpoint.
        memory: MiB of a serverless one: one of MEMORIES.
        max_concurrency: requests that a serverless one answers at the same time.
        scaling: of the instances; None keeps their number.
        capture: percent of the requests and answers that are kept in the bucket; 0 for none.
        framework_version: of AWS's MXNet image.
        tags: beside glaunch's own.

    Raises:
        UserError: a value that SageMaker would refuse.
    """

    kind: str = REAL_TIME
    instance_type: str = "ml.c5.large"
    instances: int = 1
    memory: int = 2048
    max_concurrency: int = 5
    scaling: Scaling | None = None
    capture: int = 0
    framework_version: str = "1.9.0"
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What a job and an endpoint have in common is checked there.
        Settings(instance_type=self.instance_type, framework_version=self.framework_version, tags=self.tags)
        if self.kind not in KINDS:
            raise UserError(f"kind: one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.instances < 1:
            raise UserError(f"instances: 1 or more, not {self.instances}")
        if self.memory not in MEMORIES:
            raise UserError(f"memory: one of {', '.join(map(str, MEMORIES))} MiB, not {self.memory}")
        if not 1 <= self.max_concurrency <= _MOST_CONCURRENT:
            raise UserError(f"max_concurrency: 1 to {_MOST_CONCURRENT}, not {self.max_concurrency}")
        if not 0 <= self.capture <= 100:
            raise UserError(f"capture: 0 to 100 percent, not {self.capture}")
        self._check_together()

    def _check_together(self) -> None:
        if self.kind == SERVERLESS and (self.scaling or self.capture):
            what = "autoscaling: it follows its load by itself" if self.scaling else "data capture on SageMaker"
            raise UserError(f"a serverless endpoint has no {what}")
        if self.scaling is None:
            return
        if self.kind == REAL_TIME and self.scaling.least < 1:
            raise UserError(
                "autoscaling: a real-time endpoint has 1 instance or more; only an asynchronous one may have 0"
            )
        if not self.scaling.least <= self.instances <= self.scaling.most:
            span = f"from {self.scaling.least} to {self.scaling.most} instances"
            raise UserError(f"autoscaling {span} cannot begin with {self.instances}")
