"""How a person names a run or an endpoint: its name, the beginning of it, or nothing for the latest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from launcher.errors import UserError


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Item = TypeVar("_Item", bound=_Named)


def find(kind: str, items: Sequence[_Item], name: str | None, listing: str) -> _Item:
    """The item of that name, or the only one whose name begins so; the first when no name is given.

    Args:
        kind: what the items are, for the message.
        items: at least one, the latest first.
        name: what was typed.
        listing: the command that lists them.

    Raises:
        UserError: there is none, or there are several.
    """
    if name is None:
        return items[0]
    matches = [item for item in items if item.name == name] or [item for item in items if item.name.startswith(name)]
    if not matches:
        raise UserError(f"no {kind} {name!r}: `{listing}` lists them")
    if len(matches) > 1:
        raise UserError(f"{name!r} is the beginning of {', '.join(item.name for item in matches)}: give more of it")
    return matches[0]
