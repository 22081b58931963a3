"""What a job on SageMaker printed, copied into its run folder: logs/HOST.log and metrics.jsonl.

The file mirror.json says how far. A copy that breaks off leaves the files longer than it says; the next one cuts them
there and goes on, so that no line is missing or there twice.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launcher import diagnose, files, metrics
from launcher.cloud import cloudwatch
from launcher.cloud.cloudwatch import Event, Position, Stream
from launcher.measurements import Measurements
from launcher.run import Run

_FORMAT = 1


class Transcript:
    """The copy, as it is; one process at a time may have it (`launcher.cloud.mirror` sees to that).

    Attributes:
        measurements: what its lines tell.
        errors: of each host when its last error began, in milliseconds since the epoch.

    Raises:
        OSError: the run folder cannot be read or written.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        content = self._load()
        self._positions = {name: Position(*at) for name, at in content.get("streams", {}).items()}
        self._sizes: dict[str, int] = content.get("sizes", {})
        self.measurements = Measurements(content.get("metrics"), content.get("hosts"))
        self.errors: dict[str, int] = content.get("errors", {})
        for name, size in self._sizes.items():
            os.truncate(run.folder / name, size)
        own = run.job_content.get("metrics") or {}
        self._own_metrics = metrics.OwnDefinitions(own, _counted(run.metrics) if own else None)

    def copy(self, client: Any) -> int:
        """Copies what is new; how many lines. Raises what boto3 raises; what was copied until then stays.

        Args:
            client: of CloudWatch Logs.
        """
        lines = 0
        for stream in cloudwatch.streams(client, self._run.name):
            for events, position in cloudwatch.pages(client, stream.name, self._positions.get(stream.name, Position())):
                lines += self._append(stream, events, position)
        return lines

    def close(self) -> None:
        """Notes that no line will follow."""
        self._save(is_whole=True)

    @staticmethod
    def is_whole(run: Run) -> bool:
        """Whether no line will follow what was copied of a run."""
        return bool(_read(run).get("is_whole"))

    def _append(self, stream: Stream, events: Sequence[Event], position: Position) -> int:
        lines = [(event.time, line) for event in events for line in event.text.rstrip("\r\n").split("\n")]
        measured = ""
        for when, line in lines:
            for found in (metrics.parse(line), *self._own_metrics.parse(stream.host, line)):
                measured += self.measurements.note(stream.host, found, when / 1000)
            if diagnose.begins_error(line):
                self.errors[stream.host] = when
        text = "".join(f"{line}\n" for _, line in lines)
        self._extend(f"logs/{stream.host}.log", self._beginning(stream) + text)
        self._extend("metrics.jsonl", measured)
        self._positions[stream.name] = position
        self._save()
        return len(lines)

    def _beginning(self, stream: Stream) -> str:
        """The line that divides what a host printed from what it printed before it was started again."""
        earlier = {name for name in self._positions if name.startswith(f"{self._run.name}/{stream.host}-")}
        if not earlier or stream.name in earlier:
            return ""
        self.errors.pop(stream.host, None)
        return f"{diagnose.RESTART}attempt {len(earlier) + 1}: SageMaker started the job again\n"

    def _extend(self, name: str, text: str) -> None:
        if text:
            with (self._run.folder / name).open("ab") as file:
                file.write(text.encode("utf-8", "replace"))
                self._sizes[name] = file.tell()

    def _load(self) -> dict[str, Any]:
        """How far the copy reaches; one that does not fit its files is begun anew: the lines can be had again."""
        content = _read(self._run)
        paths = [self._run.folder / name for name in content.get("sizes", {})]
        sizes = [path.stat().st_size if path.exists() else -1 for path in paths]
        if content and all(has >= size for has, size in zip(sizes, content["sizes"].values())):
            return content
        for path in [*(self._run.folder / "logs").glob("algo-*.log"), self._run.metrics]:
            path.unlink(missing_ok=True)
        (self._run.folder / "logs").mkdir(exist_ok=True)
        return {}

    def _save(self, *, is_whole: bool = False) -> None:
        content = {
            "format": _FORMAT,
            "streams": self._positions,
            "sizes": self._sizes,
            "metrics": self.measurements.last,
            "hosts": self.measurements.hosts,
            "errors": self.errors,
            "is_whole": is_whole,
        }
        files.write_atomic(_file(self._run), json.dumps(content) + "\n")


def _counted(path: Path) -> Counter[tuple[str, str]]:
    """How many measurements of each host and name a metrics.jsonl has."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return Counter((one["host"], one["name"]) for one in map(json.loads, lines))


def _read(run: Run) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(_file(run).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == _FORMAT else {}


def _file(run: Run) -> Path:
    return run.folder / "mirror.json"
