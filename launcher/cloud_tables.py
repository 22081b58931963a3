"""What the commands print of what is at AWS: for a person, and as objects for `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from launcher import tables
from launcher.cloud import prices
from launcher.cloud.endpoints import Endpoint
from launcher.cloud.sweep import Item

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws

_NOTE = "prices are AWS's on demand for the machines that there are now, without disks and traffic"


def endpoint_as_object(endpoint: Endpoint, dollars: float | None) -> dict[str, Any]:
    """Everything a script may want to know about an endpoint; `dollars` are US dollars so far, or None."""
    return {
        "name": endpoint.name,
        "state": endpoint.state,
        "reason": endpoint.reason,
        "kind": endpoint.kind,
        "instance_type": endpoint.instance_type or None,
        "instances": endpoint.instances,
        "run": endpoint.run or None,
        "created": endpoint.created.timestamp(),
        "age": endpoint.age,
        "dollars": dollars,
        "expires": endpoint.expires and endpoint.expires.timestamp(),
        "tags": dict(endpoint.tags),
    }


def print_endpoints(endpoints: Sequence[tuple[Endpoint, float | None]], console: Console) -> None:
    """A line an endpoint, each with its dollars so far."""
    table = _table("endpoint", "state", "kind", "machines", "age", "so far", "expires", "run")
    for one, dollars in endpoints:
        state = one.state + (f": {one.reason}" if one.reason else "")
        machines = f"{one.instances} x {one.instance_type}" if one.instance_type else ""
        age = tables.duration(one.age)
        table.add_row(one.name, Text(state), one.kind, machines, age, money(dollars), _when(one.expires), one.run)
    console.print(table, highlight=False)
    console.print(f"[dim]{_NOTE}[/dim]", highlight=False)


def price_line(endpoint: Endpoint, aws: Aws) -> str:
    """What an endpoint costs, in words."""
    if not endpoint.instance_type:
        return "it costs while it answers"
    price = prices.hosting(endpoint.instance_type, aws.region, aws).per_hour
    machines = f"{endpoint.instances} x {endpoint.instance_type}"
    return f"{machines}, {money(price and price * endpoint.instances)} an hour until it is removed"


def item_as_object(item: Item) -> dict[str, Any]:
    """Everything a script may want to know about something that costs money."""
    return {
        "kind": item.kind,
        "name": item.name,
        "state": item.state,
        "detail": item.detail,
        "created": item.created and item.created.timestamp(),
        "age": item.age,
        "dollars": item.dollars,
        "expires": item.expires and item.expires.timestamp(),
        "expired": item.is_expired,
    }


def print_items(items: Sequence[Item], console: Console) -> None:
    """A line for each thing that costs money."""
    table = _table("what", "name", "state", "machines", "age", "so far", "expires")
    for one in items:
        expires = Text(_when(one.expires), style="red" if one.is_expired else "")
        cost = "" if one.created is None else money(one.dollars)
        table.add_row(one.kind, one.name, one.state, one.detail, tables.duration(one.age), cost, expires)
    console.print(table, highlight=False)
    console.print(f"[dim]{_NOTE}[/dim]", highlight=False)


def money(dollars: float | None) -> str:
    """`$1.25`, `?` where it is not known."""
    return "?" if dollars is None else f"${dollars:,.2f}" if dollars >= 1 or not dollars else f"${dollars:.3f}"


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=title in ("endpoint", "name"))
    return table


def _when(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")
