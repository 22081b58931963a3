"""Spans of time as a person writes them: `45m`, `2h`, `1d`."""

from __future__ import annotations

import re

from launcher.errors import UserError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?([smhd])")


def seconds(text: str) -> float:
    """The seconds of `90s`, `45m`, `2h` or `1.5d`; UserError for anything else, and for nothing at all."""
    match = _SPAN.fullmatch(text.strip())
    found = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not found:
        raise UserError(f"{text!r} is no span of time: write 90s, 45m, 2h or 1d")
    return found
