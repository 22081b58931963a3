"""What the lines of a job's logs tell of it: its measurements, and what is known of each host."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from launcher import metrics


class Measurements:
    """Gathers what the lines tell.

    Attributes:
        last: the last finite value of each metric.
        hosts: of each host the `samples` of its shard and the `digest` of its parameters, where a line told them.
    """

    def __init__(self, last: Mapping[str, float] | None = None, hosts: Mapping[str, Any] | None = None) -> None:
        self.last: dict[str, float] = dict(last or {})
        self.hosts: dict[str, dict[str, Any]] = {host: dict(told) for host, told in (hosts or {}).items()}

    def note(self, host: str, found: metrics.Found | None, when: float) -> str:
        """Keeps what a line told, and gives the line of metrics.jsonl that it is worth, or "".

        Args:
            host: that printed it.
            found: the line's meaning, as `metrics.parse` gives it.
            when: it was printed, in seconds since the epoch.
        """
        if isinstance(found, (metrics.Shard, metrics.Digest)):
            self.hosts.setdefault(host, {}).update(found._asdict())
        if not isinstance(found, metrics.Metric):
            return ""
        value = found.value if math.isfinite(found.value) else None  # JSON has no NaN
        if value is not None:
            self.last[found.name] = value
        return json.dumps({"time": when, "host": host, **found._asdict(), "value": value}) + "\n"
