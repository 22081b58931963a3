"""What a job on SageMaker has beside the job itself: its machines, its limits, its network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from launcher.errors import UserError

# Limits are those of CreateTrainingJob.
DAY = 86_400  # seconds
LONGEST_RUN = 28 * DAY
LONGEST_KEEP_ALIVE = 6 * 3600
LARGEST_VOLUME = 16_384  # GiB, of EBS
INPUT_MODES = ("File", "FastFile")
_OUR_TAGS = 2
_MOST = {"subnets": 16, "security_groups": 5, "tags": 50 - _OUR_TAGS}
_INSTANCE_TYPE = re.compile(r"ml\.[a-z][a-z0-9-]*\.[a-z0-9-]+")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_KMS_KEY = re.compile(r"[a-zA-Z0-9:/_-]{1,2048}")
_IDS = {"subnets": re.compile(r"subnet-[0-9a-f]{8,17}"), "security_groups": re.compile(r"sg-[0-9a-f]{8,17}")}
_TAG_TEXT = re.compile(r"[\w\s.:/=+\-@]*")


class Limits(NamedTuple):
    """Seconds: `run` that a job may run, `wait` that a spot job may take with its waits; None of another job."""

    run: int
    wait: int | None


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

    Raises:
        UserError: a value that SageMaker would refuse.
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

    def __post_init__(self) -> None:
        for name in _IDS:
            object.__setattr__(self, name, tuple(getattr(self, name)))  # equal, whatever sequence they came in
        self._check_machines()
        self._check_times()
        self._check_network()
        self._check_data()
        _check_tags(self.tags)
        if self.max_cost is not None and not self.max_cost > 0:
            raise UserError(f"max_cost: more than 0 US dollars, not {self.max_cost}")

    def limits(self, max_run: float | None) -> Limits:
        """How long a job may run and wait.

        Args:
            max_run: the job's, seconds; None for SageMaker's default of a day.

        Raises:
            UserError: it may not run that long, or a spot job may wait less than it may run.
        """
        max_run = DAY if max_run is None else max_run
        if max_run > LONGEST_RUN:
            raise UserError(f"max_run: at most 28 days ({LONGEST_RUN} s) on SageMaker, not {max_run:g} s")
        run = math.ceil(max_run)
        if not self.spot:
            return Limits(run, None)
        wait = min(2 * run, LONGEST_RUN) if self.max_wait is None else math.ceil(self.max_wait)
        if wait < run:
            raise UserError(
                f"max_wait: {wait} s is less than max_run, which is {run} s: it counts the run and the waits "
                "before it; lower max_run, or raise max_wait"
            )
        return Limits(run, wait)

    def as_content(self) -> dict[str, Any]:
        """What is set, in plain types: the section `aws` of a job file."""
        content = {name: value for name, value in asdict(self).items() if value}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}

    def _check_machines(self) -> None:
        if not _INSTANCE_TYPE.fullmatch(self.instance_type):
            raise UserError(
                f"instance_type: {self.instance_type!r} is not a type of SageMaker's, as ml.c5.xlarge: "
                "they begin with `ml.`; a run on this machine has none"
            )
        if not 1 <= self.volume_size <= LARGEST_VOLUME:
            raise UserError(f"volume_size: 1 to {LARGEST_VOLUME} GiB, not {self.volume_size}")
        if not _VERSION.fullmatch(self.framework_version):
            raise UserError(f"framework_version: {self.framework_version!r} is no version, as 1.9.0")

    def _check_times(self) -> None:
        if self.max_wait is not None and not self.spot:
            raise UserError("max_wait: only spot jobs wait for machines: add spot, or leave max_wait out")
        if self.max_wait is not None and not 0 < self.max_wait <= LONGEST_RUN:
            raise UserError(f"max_wait: more than 0 and at most {LONGEST_RUN} s (28 days), not {self.max_wait:g}")
        if self.keep_alive is not None and not 0 < self.keep_alive <= LONGEST_KEEP_ALIVE:
            raise UserError(
                f"keep_alive: more than 0 and at most {LONGEST_KEEP_ALIVE} s (6 hours), not {self.keep_alive:g}"
            )

    def _check_network(self) -> None:
        for name, form in _IDS.items():
            ids = getattr(self, name)
            for one in ids:
                if not form.fullmatch(one):
                    raise UserError(f"{name}: {one!r} is not the id of one, as {form.pattern.split('-')[0]}-0a1b2c3d")
            if len(ids) > _MOST[name]:
                raise UserError(f"{name}: at most {_MOST[name]}, not {len(ids)}")
        if bool(self.subnets) != bool(self.security_groups):
            there, missing = ("subnets", "security_groups") if self.subnets else ("security_groups", "subnets")
            raise UserError(f"{there} without {missing}: a job in a VPC needs both")

    def _check_data(self) -> None:
        if self.input_mode == "Pipe":
            raise UserError(
                "input_mode: Pipe gives a script a pipe for each channel and no files, and MXNet's scripts read files: "
                "FastFile streams too, with files"
            )
        if self.input_mode not in INPUT_MODES:
            raise UserError(f"input_mode: one of {', '.join(INPUT_MODES)}, not {self.input_mode!r}")
        if self.kms_key and not _KMS_KEY.fullmatch(self.kms_key):
            raise UserError(f"kms_key: {self.kms_key!r} is neither the id nor the ARN nor the alias of a key")


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > _MOST["tags"]:
        raise UserError(f"tags: at most {_MOST['tags']} beside glaunch's own, not {len(tags)}")
    for key, value in tags.items():
        if key.lower().startswith(("glaunch", "aws:")):
            whose = "AWS" if key.lower().startswith("aws:") else "glaunch, which finds what it made by them"
            raise UserError(f"tags: {key!r}: keys that begin so belong to {whose}")
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TAG_TEXT.fullmatch(key + value):
            raise UserError(
                f"tags: {key!r}: {value!r}: a key of 1 to 128 characters and a value of at most 256, "
                "letters, digits, spaces and . : / = + - @ _"
            )
