"""What the commands print of endpoints: for a person, and as objects for `--json`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from launcher.errors import UserError
from launcher.local.endpoint import Endpoint

if TYPE_CHECKING:
    from launcher.bench import Step


def endpoint_as_object(endpoint: Endpoint) -> dict[str, Any]:
    """Everything a script may want to know about an endpoint; UserError when its record cannot be read."""
    status = endpoint.status
    return {
        "name": endpoint.name,
        "state": status.state,
        "reason": status.reason,
        "url": status.url,
        "created": status.created,
        "workers": list(status.workers),
        "restarts": status.restarts,
        "folder": str(endpoint.folder),
    }


def object_or_error(endpoint: Endpoint) -> dict[str, Any]:
    """As `endpoint_as_object`, or the name and the `error`."""
    try:
        return endpoint_as_object(endpoint)
    except UserError as error:
        return {"name": endpoint.name, "error": str(error)}


def print_endpoints(endpoints: list[Endpoint], console: Console) -> None:
    """A line an endpoint."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("endpoint", "state", "address", "workers", "restarts", "since"):
        table.add_column(title, no_wrap=title in ("endpoint", "address"))
    for one in map(object_or_error, endpoints):
        if "error" in one:
            table.add_row(one["name"], Text(one["error"], style="red"))
            continue
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["created"]))
        state = one["state"] + (f": {one['reason']}" if one["reason"] else "")
        table.add_row(one["name"], Text(state), one["url"], str(len(one["workers"])), str(one["restarts"]), since)
    console.print(table, highlight=False)


def prediction_lines(name: str, answer: Any) -> Iterator[str]:
    """An answer, line by line: classes, objects, ratings or recommendations where it has them, else as it is.

    Args:
        name: of what was asked.
        answer: decoded.
    """
    content = answer if isinstance(answer, dict) else {}
    predictions: Any = content.get("predictions")
    if _all_have(predictions, "objects"):
        yield from _object_lines(name, predictions)
    elif _all_have(predictions, "user", "item"):
        yield from _rating_lines(name, predictions)
    elif _all_have(predictions, "label", "probability"):
        for number, one in enumerate(predictions):
            row = f" [{number}]" if len(predictions) > 1 else ""
            yield f"{name}{row}: {one['label']} ({one['probability']:.4f})"
    elif _is_recommendation(content):
        yield from _recommendation_lines(name, content)
    else:
        yield f"{name}: {answer if isinstance(answer, str) else json.dumps(answer)}"


def _all_have(found: Any, *keys: str) -> bool:
    """Whether it is a list of objects, at least one, that have these keys."""
    return isinstance(found, list) and bool(found) and all(isinstance(one, dict) and {*keys} <= {*one} for one in found)


def _is_recommendation(content: dict[str, Any]) -> bool:
    is_asked = "user" in content or _all_have([content.get("similar_to")], "item", "title")
    return is_asked and (content.get("items") == [] or _all_have(content.get("items"), "item", "title"))


def _rating_lines(name: str, predictions: list[Any]) -> Iterator[str]:
    for one in predictions:
        note = f" ({one['note']})" if "note" in one else ""
        yield f"{name}: user {one['user']}, item {one['item']}: {_value(one)}{note}"


def _recommendation_lines(name: str, answer: dict[str, Any]) -> Iterator[str]:
    similar = answer.get("similar_to")
    asked = f"similar to {similar['title']} ({similar['item']})" if similar else f"for user {answer.get('user')}"
    yield f"{name}: {asked}{'' if answer['items'] else ': nothing is left'}"
    for one in answer["items"]:
        yield f"  {one['title']} ({one['item']}): {_value(one)}"
    if "note" in answer:
        yield f"  {answer['note']}"


def _value(one: dict[str, Any]) -> str:
    """What a recommender says of an item, such as `rating 4.25`."""
    return next((f"{key} {one[key]:.4g}" for key in ("rating", "score", "similarity") if key in one), "")


def _object_lines(name: str, predictions: list[Any]) -> Iterator[str]:
    for one in predictions:
        yield f"{name}: {len(one['objects'])} object(s)"
        for found in one["objects"]:
            left, top, right, bottom = (f"{side:.0f}" for side in found["box"])
            yield f"  {found['label']} ({found['probability']:.4f}) at {left},{top} to {right},{bottom}"


def step_as_object(step: Step) -> dict[str, Any]:
    """What a step of a measurement brought; latencies in seconds, None when there was no answer."""
    return {
        "connections": step.connections,
        "answers": len(step.latencies),
        "throughput": step.throughput,
        "p50": step.percentile(0.5),
        "p99": step.percentile(0.99),
        "errors": dict(step.errors),
    }


def step_line(step: Step) -> str:
    """A step of a measurement, for a person."""
    p50, p99 = (step.percentile(share) or 0.0 for share in (0.5, 0.99))
    errors = ", ".join(f"{count} x {what}" for what, count in step.errors.items()) or "no errors"
    return (
        f"{step.connections:>4} connections  {step.throughput:>9,.1f} answers/s  "
        f"p50 {p50 * 1000:8.2f} ms  p99 {p99 * 1000:8.2f} ms  {errors}"
    )
