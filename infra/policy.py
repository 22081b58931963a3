"""What people may do in the account, as IAM policies: data in `policies/`, with the names of one stack put in."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any

from launcher.config import Config

CALLER, ADMINISTRATOR = "caller", "administrator"


def policy(who: str, config: Config) -> dict[str, Any]:
    """The IAM policy for the CALLER of jobs and endpoints, or for the ADMINISTRATOR who brings the stack up and down.

    An account's number is `*`: a policy reaches no further than the account it is attached in. So is a region that is
    not configured. Before the stack is there, its bucket and its role are what CloudFormation will begin their names
    with.
    """
    names = {
        "Partition": _partition(config.region),
        "Region": config.region or "*",
        "Stack": config.stack,
        "Bucket": config.bucket or f"{config.stack}-bucket-*",
        "Role": config.role or f"{config.stack}-Role-*",
    }
    text = (Path(__file__).parent / "policies" / f"{who}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(Template(text).substitute(names))
    return document


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
