"""The verb that finds what costs money, and ends it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.shared import console, json_option, profile_option, say
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws
    from launcher.cloud.sweep import Item


@click.command()
@click.option("--expired", is_flag=True, help="Only endpoints whose --expires is over.")
@click.option("--older-than", metavar="2h", help="Only what was made so long ago.")
@click.option("--yes", is_flag=True, help="End all that is listed without asking.")
@profile_option
@json_option
def sweep(expired: bool, older_than: str | None, yes: bool, profile: str, as_json: bool) -> int:
    """List all that costs money at AWS, and end it.

    Jobs in progress, machines kept warm, endpoints and running notebooks, and what endpoints left, with age and price
    so far: all that has the tag of the stack, and nothing else. It asks before it ends anything; with --json and
    without --yes it only lists.

    \b
    glaunch sweep
    glaunch sweep --older-than 8h
    glaunch sweep --expired --yes
    """
    from launcher import span
    from launcher.config import Config

    limit = span.seconds(older_than) if older_than else None
    config = Config.load(profile)
    from launcher.cloud.aws import Aws

    aws = Aws(config)
    from launcher import cloud_tables
    from launcher.cloud import sweep as sweeping

    found = [one for one in sweeping.listing(aws, config.stack) if _is_meant(one, expired, limit)]
    if as_json and not yes:
        say(True, [cloud_tables.item_as_object(one) for one in found], "")
        return 0
    if not found:
        say(as_json, [], f"nothing of the stack {config.stack} in {aws.region} costs money" + _of(expired, older_than))
        return 0
    if not as_json:
        cloud_tables.print_items(found, console())
    _ask(len(found), yes)
    errors = _end(aws, config.stack, found, quiet=as_json)
    if as_json:
        ended = [{**cloud_tables.item_as_object(one), "error": errors.get(one)} for one in found]
        say(True, ended, "")
    return JobFailed.exit_status if errors else 0


def _is_meant(item: Item, expired: bool, limit: float | None) -> bool:
    if expired and not item.is_expired:
        return False
    return limit is None or (item.age is not None and item.age >= limit)


def _of(expired: bool, older_than: str | None) -> str:
    words = (["and is expired"] if expired else []) + ([f"and is older than {older_than}"] if older_than else [])
    return "".join(f" {word}" for word in words)


def _ask(count: int, yes: bool) -> None:
    if yes:
        return
    question = f"End {'all ' if count > 1 else ''}{count} of these?"
    if not sys.stdin.isatty():
        raise UserError(f"{question} Nobody can be asked here: --yes says yes. Nothing was ended")
    click.confirm(question, abort=True, err=True)


def _end(aws: Aws, stack: str, items: list[Item], quiet: bool) -> dict[Any, str]:
    """Ends each, whatever becomes of the others; the errors."""
    from launcher.cloud import sweep as sweeping

    errors = {}
    for one in items:
        try:
            sweeping.remove(aws, one, stack)
        except UserError as error:
            errors[one] = str(error)
            click.secho(f"the {one.kind} {one.name} is still there: {error}", fg="red", err=True)
        else:
            if not quiet:
                done = "removed" if one.kind in (sweeping.ENDPOINT, sweeping.LEFTOVER) else "stopping"
                click.echo(f"{done} the {one.kind} {one.name}")
    return errors
