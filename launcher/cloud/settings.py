"""What a job on SageMaker has beside the job itself: its machines, its limits, its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """How SageMaker runs a job.

    Attributes:
        instance_type: of each host.
        volume_size: GiB of disk of each host.
        spot: whether spare machines are used, which are cheaper and may be taken away.
        max_wait: seconds that a spot job may take, waiting for machines too; twice its max_run by default.
        keep_alive: seconds that the machines are kept warm for the next job.
        subnets, security_groups: of the VPC that the hosts are in, both or none.
        kms_key: that encrypts the disks and what is written to S3.
        input_mode: `File` (copied before the job) or `FastFile` (streamed when read).
        framework_version: of AWS's MXNet image.
        tags: beside glaunch's own.
        max_cost: US dollars that the job may cost at most; None for no limit.
    """

    instance_type: str = "ml.c5.xlarge"
    volume_size: int = 30
    spot: bool = False
    max_wait: float | None = None
    keep_alive: float | None = None
    subnets: Sequence[str] = ()
    security_groups: Sequence[str] = ()
    kms_key: str = ""
    input_mode: str = "File"
    framework_version: str = "1.9.0"
    tags: Mapping[str, str] = field(default_factory=dict)
    max_cost: float | None = None
