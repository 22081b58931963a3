"""Where a run is that runs on SageMaker: the file cloud.json of its folder.

With it the folder of a remote run has what that of a local one has. What happens there is mirrored into the same
status.json, metrics.jsonl and logs (`launcher.cloud.mirror`), so that whatever reads a run reads this one too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from launcher import files
from launcher.errors import UserError
from launcher.run import Run

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """One training job of SageMaker's.

    Attributes:
        job_name: there; the name of the run.
        region: `eu-west-1`.
        profile: of the configuration that it was sent with.
        output: the S3 prefix under which SageMaker writes `JOB_NAME/output/model.tar.gz`.
        instance_type: of its hosts.
        price: US dollars an instance-hour that it was reckoned with; None where that was not known.
    """

    job_name: str
    region: str
    profile: str
    output: str
    instance_type: str
    price: float | None = None

    @property
    def checkpoints(self) -> str:
        """The S3 prefix of what the job keeps of its training while it goes on."""
        return f"{self.output}/{self.job_name}/checkpoints"

    def write(self, run: Run) -> None:
        """Raises OSError when the disk is full."""
        files.write_atomic(run.cloud, json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")


def read(run: Run) -> Record:
    """The record of a remote run; UserError where it cannot be read, or a newer glaunch wrote it."""
    try:
        content: dict[str, Any] = json.loads(run.cloud.read_text("utf-8"))
        version = content.pop("format")
        if version > FORMAT:
            raise UserError(f"run {run.name} was sent by a newer glaunch (format {version}): update")
        return Record(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the record of run {run.name} cannot be read ({error}): {run.cloud}") from None
