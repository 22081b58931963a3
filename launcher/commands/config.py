"""The verbs of the configuration: what is remembered of an AWS account."""

from __future__ import annotations

from dataclasses import asdict

import click

from launcher.commands.shared import json_option, profile_option, say


@click.group()
def config() -> None:
    """The names that are remembered of an AWS account: aws_profile, region, stack, bucket, role.

    One file a profile, for its owner alone; no secrets. GLAUNCH_PROFILE, or --profile, says which.
    """


@config.command("ls")
@json_option
def config_ls(as_json: bool) -> None:
    """List every profile with its values.

    \b
    glaunch config ls
    """
    from launcher.config import Config, path_of, profiles

    found = {name: {**asdict(Config.load(name)), "file": str(path_of(name))} for name in profiles()}
    lines = [f"{name:<16}{key:<13}{value}" for name, values in found.items() for key, value in values.items() if value]
    say(as_json, found, "\n".join(lines) or "no profiles yet: try `glaunch config set region eu-west-1`")


@config.command("get")
@click.argument("key")
@profile_option
@json_option
def config_get(key: str, profile: str, as_json: bool) -> None:
    """Print one value.

    \b
    glaunch config get bucket
    """
    from launcher.config import Config

    value = Config.load(profile).value(key)
    say(as_json, {"profile": profile, "key": key, "value": value}, value)


@config.command("set")
@click.argument("key")
@click.argument("value")
@profile_option
@json_option
def config_set(key: str, value: str, profile: str, as_json: bool) -> None:
    """Remember one value; an empty one goes back to the default.

    \b
    glaunch config set region eu-west-1
    glaunch config set stack digits --profile work
    """
    from launcher.config import Config

    path = Config.load(profile).with_value(key, value).save(profile)
    say(as_json, {"profile": profile, "key": key, "value": value, "file": str(path)}, f"kept in {path}")
