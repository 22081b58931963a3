"""The configuration files: readable by their owner alone, checked when read and when written, free of secrets."""

from __future__ import annotations

import json
import stat

import pytest

from launcher.config import Config, path_of, profiles
from launcher.errors import UserError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_kept_is_read_again_and_nobody_else_can(home):
    config = Config(region="eu-west-1", bucket="digits-bucket-1", role="digits-Role-1")
    path = config.save("work")
    assert path == home / "profiles" / "work.yaml"
    assert Config.load("work") == config
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert profiles() == ["work"]
    assert [file.name for file in path.parent.iterdir()] == ["work.yaml"]


def test_a_file_that_others_could_read_is_closed_when_it_is_written():
    path = Config().save("default")
    path.chmod(0o644)
    Config(region="eu-west-1").save("default")
    assert mode(path) == 0o600


def test_a_profile_without_a_file_has_the_defaults():
    assert Config.load("default") == Config(stack="glaunch")
    assert profiles() == []


def test_without_a_home_of_its_own_it_is_where_configuration_belongs(monkeypatch, tmp_path):
    monkeypatch.delenv("GLAUNCH_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert path_of("default") == tmp_path / "glaunch" / "profiles" / "default.yaml"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("region", "Ireland"),
        ("region", "eu-west-1 "),
        ("stack", "Digits"),
        ("stack", "-x"),
        ("stack", "x" * 33),
        ("bucket", "s3://mine"),
        ("role", "arn:aws:iam::123456789012:role/x"),
        ("aws_profile", "a b"),
    ],
)
def test_a_value_of_another_form_is_refused(key, value):
    with pytest.raises(UserError, match=f"^{key}: "):
        Config().with_value(key, value)


@pytest.mark.parametrize("secret", ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"])
def test_a_secret_is_refused_and_not_repeated(secret):
    with pytest.raises(UserError, match="secrets belong to the AWS tools") as found:
        Config().with_value("aws_profile", secret)
    assert secret not in str(found.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("region: [", "not YAML"),
        ("- region", "expected lines"),
        ("password: x", "no setting 'password'"),
        ("region: 5", "5 is not a region"),
        ("stack: ''", "it needs a name"),
    ],
)
def test_a_file_that_was_spoiled_by_hand_is_named_with_its_fault(text, told):
    path = Config().save("default")
    path.write_text(text)
    with pytest.raises(UserError, match=told) as found:
        Config.load("default")
    assert str(path) in str(found.value)


def test_a_directory_that_cannot_be_written_is_told(home):
    home.mkdir()
    (home / "profiles").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        Config().save("default")


def test_values_are_set_listed_got_and_unset(glaunch, home):
    glaunch("config", "set", "region", "eu-west-1")
    glaunch("config", "set", "stack", "digits", "--profile", "work")
    assert glaunch("config", "get", "region").stdout == "eu-west-1\n"
    assert glaunch("config", "get", "stack", GLAUNCH_PROFILE="work").stdout == "digits\n"
    listed = json.loads(glaunch("config", "ls", "--json").stdout)
    assert (listed["default"]["region"], listed["work"]["stack"]) == ("eu-west-1", "digits")
    assert "digits" in glaunch("config", "ls").stdout
    glaunch("config", "set", "stack", "", "--profile", "work")
    assert Config.load("work").stack == "glaunch"


def test_a_setting_that_does_not_exist_is_refused(glaunch, home):
    assert "there are aws_profile, region, stack" in glaunch("config", "set", "secret", "x", status=2).stderr
    assert "there are aws_profile, region, stack" in glaunch("config", "get", "secret", status=2).stderr
    assert not (home / "profiles").exists()
