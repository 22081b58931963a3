"""An AWS account with a bucket and a role, and the command beside it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "shared"))
from aws_account import account, alter, calls, credentials, environment, refuse, run, stack  # noqa: F401
from permissions import only_what_is_documented  # noqa: F401
from sent_jobs import sent  # noqa: F401
