"""The verbs of what is kept in an AWS account: the stack, and the names that are remembered of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from launcher.commands.shared import console, json_option, profile_option, say
from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.infra.stack import Change, Stack
    from launcher.infra.state import State


@click.group()
def infra() -> None:
    """What jobs need in an AWS account: a bucket and a role, in one CloudFormation stack."""


@infra.command()
@profile_option
@click.option(
    "--run-days", type=click.IntRange(1, 3650), help="Delete runs in the bucket after that long; 90 at first."
)
@click.option("--log-days", type=int, help="Keep the lines of training jobs that long; 30 at first.")
@click.option(
    "--budget", type=click.IntRange(0), metavar="USD", help="A mail when SageMaker costs that a month; 0: none."
)
@click.option("--budget-email", metavar="ADDRESS", help="Whom to tell.")
@click.option("--yes", is_flag=True, help="Make the changes without asking.")
@json_option
def up(profile: str, yes: bool, as_json: bool, **words: Any) -> None:
    """Make the stack, or bring it up to date.

    Shows what would change, and asks, before anything does. What fails is rolled back. The names of the bucket and the
    role are kept in the profile's configuration.

    \b
    glaunch infra up
    glaunch infra up --budget 50 --budget-email me@example.org
    """
    from launcher.config import Config

    config = Config.load(profile)
    aws, stack = _open(config)
    from launcher.infra.parameters import RETENTIONS, parameters

    if words["log_days"] not in (None, *RETENTIONS):
        raise UserError(f"--log-days {words['log_days']}: CloudWatch knows {', '.join(map(str, RETENTIONS))}")
    state = stack.state()
    proposal = stack.propose(state, parameters(aws, state, **words))
    changes = proposal.changes if proposal else ()
    if proposal:
        try:
            _confirm_changes(stack, changes, yes, quiet=as_json)
        except BaseException:
            stack.discard(proposal)
            raise
        with _noting(stack):
            state = stack.execute(proposal)
    assert state is not None
    kept = replace(config, region=aws.region, bucket=state.resources["Bucket"], role=state.resources["Role"])
    path = kept.save(profile)
    content = {
        "changes": [asdict(change) for change in changes],
        **_as_object(stack, state),
        "configuration": str(path),
    }
    done = "is ready" if proposal else "is up to date"
    say(as_json, content, f"the stack {stack.name} in {stack.region} {done}\n{_names(state)}\nkept in {path}")


@infra.command()
@profile_option
@json_option
def show(profile: str, as_json: bool) -> None:
    """Show the stack: its state, what is in it, its parameters.

    \b
    glaunch infra show
    """
    from launcher.config import Config

    _, stack = _open(Config.load(profile))
    state = stack.state()
    if state is None:
        text = f"no stack {stack.name} in {stack.region}: `glaunch infra up` makes it"
        say(as_json, {"stack": stack.name, "region": stack.region, "status": None}, text)
        return
    lines = [f"{stack.name} in {stack.region}  {state.status}" + ("" if state.is_ours else "  (not made by glaunch)")]
    lines += [_names(state), *(f"{key:<18}{value}" for key, value in state.parameters.items() if value)]
    say(as_json, _as_object(stack, state), "\n".join(lines))


@infra.command()
@profile_option
@click.option("--yes", is_flag=True, help="Delete the stack without asking.")
@click.option("--empty", is_flag=True, help="Delete what is in the bucket, too, without asking.")
@json_option
def down(profile: str, yes: bool, empty: bool, as_json: bool) -> None:
    """Delete the stack.

    Its bucket goes with everything in it, after a second question. The log group of the account's training jobs stays.

    \b
    glaunch infra down
    glaunch infra down --yes --empty
    """
    from launcher.config import Config

    config = Config.load(profile)
    aws, stack = _open(config)
    from launcher.infra import bucket as buckets

    state = stack.state()
    deleted = buckets.Content()
    if state is not None:
        stack.check(state)
        _require_idle(aws, config.stack)
        name = state.resources.get("Bucket")
        deleted = buckets.content(aws, name) if name else deleted
        _confirm_deletion(stack, state, deleted, yes, empty)
        if name and deleted.objects:
            buckets.empty(aws, name)
        with _noting(stack):
            stack.delete(state)
    if config.bucket or config.role:
        replace(config, bucket="", role="").save(profile)
    content = {"stack": stack.name, "region": stack.region, "deleted": state is not None, "objects": deleted.objects}
    gone = "is deleted" if state else "is not there"
    say(as_json, content, f"the stack {stack.name} in {stack.region} {gone}")


@infra.command()
@profile_option
@click.option("--admin", is_flag=True, help="For who brings the stack up and down.")
@json_option
def policy(profile: str, admin: bool, as_json: bool) -> None:  # noqa: ARG001 - a policy is JSON anyway
    """Print the IAM policy that a person needs who calls glaunch.

    Nothing is asked of AWS for it.

    \b
    glaunch infra policy > glaunch-policy.json
    glaunch infra policy --admin
    """
    from launcher import tables
    from launcher.config import Config
    from launcher.infra import policy as policies

    config = Config.load(profile)
    tables.print_json(policies.policy(policies.ADMINISTRATOR if admin else policies.CALLER, config))


def _require_idle(aws: Any, stack: str) -> None:
    """Raises UserError while jobs and endpoints use what would be deleted, and cost money."""
    from launcher.cloud import sweep

    sweep.require_idle(aws, stack)


def _open(config: Any) -> tuple[Any, Stack]:
    from launcher.cloud.aws import Aws

    aws = Aws(config)  # tells whether boto3 is here, which the rest imports
    from launcher.infra.stack import Stack

    return aws, Stack(aws, config.stack)


def _confirm_changes(stack: Stack, changes: tuple[Change, ...], yes: bool, quiet: bool) -> None:
    screen = console(stderr=quiet)
    screen.print(f"the stack {stack.name} in {stack.region} would change:", highlight=False)
    marks = {"Add": "[green]+[/green]", "Remove": "[red]-[/red]"}
    for one in changes:
        replaced = " [red](replaced)[/red]" if one.replaced else ""
        screen.print(
            f"  {marks.get(one.action, '[yellow]~[/yellow]')} {one.resource:<18}{one.kind}{replaced}", highlight=False
        )
    if not changes:  # of parameters or tags alone
        screen.print("  its parameters only")
    _ask("Make these changes?", yes, "--yes")


def _confirm_deletion(stack: Stack, state: State, content: Any, yes: bool, empty: bool) -> None:
    _ask(f"Delete the stack {stack.name} in {stack.region}, its bucket and its role?", yes, "--yes")
    if content.objects:
        number = f"{content.objects:,}" if content.is_all else f"more than {content.objects:,}"
        held = f"{number} objects ({content.bytes / 2**20:,.1f} MiB)"
        _ask(f"Delete {held} in the bucket {state.resources['Bucket']}, for good?", empty, "--empty")


def _ask(question: str, answered: bool, option: str) -> None:
    if answered:
        return
    if not sys.stdin.isatty():
        raise UserError(f"{question} Nobody can be asked here: {option} says yes. Nothing was changed")
    click.confirm(question, abort=True, err=True)


@contextmanager
def _noting(stack: Stack) -> Iterator[None]:
    """Tells, on Ctrl-C, that AWS goes on."""
    try:
        yield
    except KeyboardInterrupt:
        click.secho(f"AWS goes on with the stack {stack.name}: see `glaunch infra show`", fg="yellow", err=True)
        raise


def _names(state: State) -> str:
    return "\n".join(f"{key:<18}{value}" for key, value in state.resources.items())


def _as_object(stack: Stack, state: State) -> dict[str, Any]:
    return {
        "stack": stack.name,
        "region": stack.region,
        "status": state.status,
        "is_ours": state.is_ours,
        "resources": dict(state.resources),
        "parameters": dict(state.parameters),
    }
