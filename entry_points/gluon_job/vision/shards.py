"""Pictures of which each host has its own part: what the hosts have to agree on before they train."""

import json
from typing import Any, List, Optional

from gluon_job.cluster import Cluster


def labels(cluster: Cluster, own: Optional[List[str]]) -> Optional[List[str]]:
    """The names in `labels.txt`, which one host has got; None where there is no such file."""
    return next((names for names in _told(cluster, "labels", own) if names is not None), None)


def classes(cluster: Cluster, own: List[str]) -> List[str]:
    """The classes of all hosts' pictures: a host may have none of some."""
    told = _told(cluster, "classes", own)
    longest = max(told, key=len)
    if all(names == longest[: len(names)] for names in told):  # numbers, as those of records, keep their order
        return longest
    return sorted({name for names in told for name in names})


def are_any(cluster: Cluster, own: int) -> bool:
    """Whether some host has held back pictures to score on, given how many this one has."""
    return sum(cluster.agree("held back", own)) > 0


def _told(cluster: Cluster, name: str, own: Any) -> List[Any]:
    return [json.loads(content) for content in cluster.gather(name, json.dumps(own).encode())]
