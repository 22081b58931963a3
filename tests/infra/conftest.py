"""An empty AWS account, and the command beside it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))
from aws_account import account, alter, calls, credentials, environment, refuse, run  # noqa: F401
