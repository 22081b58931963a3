"""What glaunch remembers of an AWS account: names, one file a profile, and no secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from launcher import home
from launcher.errors import UserError
from launcher.files import atomic

_PROFILE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECRET = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}|(?=.*\d)[A-Za-z0-9+/]{40}")  # an access key, its secret
_FORMS = {
    "aws_profile": (re.compile(r"[^\s/\\\[\]]{1,128}"), "a profile of ~/.aws/config"),
    "region": (re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d"), "a region, as eu-west-1"),
    "stack": (re.compile(r"[a-z][a-z0-9-]{0,31}"), "small letters, digits and '-', at most 32, a letter first"),
    "bucket": (re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"), "the name of a bucket, without s3://"),
    "role": (re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}"), "the name of a role, which is the end of its ARN"),
}


@dataclass(frozen=True)
class Config:
    """The names of one profile; an empty one is not set.

    Attributes:
        aws_profile: of ~/.aws/config; not set, it is what the AWS tools choose (AWS_PROFILE and so on).
        region: not set, it is that of the AWS profile or the environment.
        stack: of the CloudFormation stack, and the value of the tag `glaunch` on everything that is made.
        bucket: for code, data and models; `glaunch infra up` sets it.
        role: that jobs run as; `glaunch infra up` sets it.

    Raises:
        UserError: a value of another form, or one that looks like a secret.
    """

    aws_profile: str = ""
    region: str = ""
    stack: str = "glaunch"
    bucket: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        for key, value in asdict(self).items():
            form, described = _FORMS[key]
            if isinstance(value, str) and _SECRET.fullmatch(value):
                raise UserError(f"{key}: that looks like a key: secrets belong to the AWS tools, see `aws configure`")
            if not isinstance(value, str) or (value and not form.fullmatch(value)):
                raise UserError(f"{key}: {value!r} is not {described}")
        if not self.stack:
            raise UserError(f"stack: it needs a name: {_FORMS['stack'][1]}")

    @classmethod
    def load(cls, profile: str) -> Config:
        """What is remembered under that profile; the defaults where there is no file yet.

        Raises:
            UserError: the file cannot be read, is no mapping, or has another key or a value of another form.
        """
        path = path_of(profile)
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from None
        try:
            return replace(cls(), **_parse(text))
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def save(self, profile: str) -> Path:
        """Writes the file, for its owner alone (0600), whole or not at all.

        Raises:
            UserError: the directory cannot be written.
        """
        import yaml

        path = path_of(profile)
        content = {key: value for key, value in asdict(self).items() if value}
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic(path) as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(yaml.safe_dump(content, sort_keys=False).encode())
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None
        return path

    def with_value(self, key: str, value: str) -> Config:
        """The same with another value for a key; an empty one goes back to the default.

        Raises:
            UserError: no such key, or a value of another form.
        """
        _check_keys([key])
        default = {field.name: str(field.default) for field in fields(self)}[key]
        return replace(self, **{key: value or default})

    def value(self, key: str) -> str:
        """The value of a key; UserError where there is no such key."""
        _check_keys([key])
        return str(getattr(self, key))


def path_of(profile: str) -> Path:
    """Where a profile's file is, or would be. Raises UserError: that is no name."""
    if not _PROFILE.fullmatch(profile):
        raise UserError(f"profile {profile!r}: letters, digits, '-' and '_' only, at most 64")
    return home.profiles_directory() / f"{profile}.yaml"


def profiles() -> list[str]:
    """The profiles that have a file, in order."""
    return sorted(path.stem for path in home.profiles_directory().glob("*.yaml") if _PROFILE.fullmatch(path.stem))


def _parse(text: str) -> dict[str, str]:
    import yaml

    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UserError(f"not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"expected lines of `key: value`, with the keys {', '.join(_FORMS)}")
    _check_keys(content)
    return content


def _check_keys(keys: Iterable[object]) -> None:
    for key in keys:
        if key not in _FORMS:
            raise UserError(f"no setting {key!r}: there are {', '.join(_FORMS)}")
