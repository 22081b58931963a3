"""The verbs about this machine and its shell."""

from __future__ import annotations

import click

from launcher.commands.shared import console, json_option


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check this machine, and say what to do.

    Python, MXNet and numpy, processors and threads, disk, sample digits.

    \b
    glaunch doctor
    """
    from launcher import doctor, tables

    checks = doctor.examine()
    if as_json:
        tables.print_json([check._asdict() for check in checks])
    else:
        tables.print_checks(checks, console())
    return 1 if any(check.state == "bad" for check in checks) else 0


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion for a shell.

    \b
    glaunch completion bash > ~/.local/share/bash-completion/completions/glaunch
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "glaunch", "_GLAUNCH_COMPLETE").source())
