"""A boto3 session that looks for credentials when a call needs them, and not before."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader

REGION = "us-east-1"  # where neither the environment nor the configuration names one


def session() -> boto3.Session:
    """A session with the user's configuration and a region.

    botocore looks for credentials whenever a client is made, and where it finds none it asks the network for those of
    an EC2 instance. This session is for clients that may never make a call.
    """
    made = _with_deferred_credentials()
    region = made.get_config_variable("region") or os.environ.get("AWS_REGION") or REGION
    return boto3.Session(botocore_session=made, region_name=region)


def spare_default_session() -> None:
    """Has boto3's default session, if none has been made, look for credentials in that way too.

    The SDK's estimators make a client of it that they hardly ever use.
    """
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session(botocore_session=_with_deferred_credentials())


def _with_deferred_credentials() -> botocore.session.Session:
    made = botocore.session.Session()
    made.register_component("data_loader", _loader(made.get_config_variable("data_path")))
    made.register_component("credential_provider", _Deferred(made.get_component("credential_provider")))
    return made


@functools.cache
def _loader(data_path: str | None) -> Any:
    """The descriptions of AWS's services, read once a process: they are most of what a client costs."""
    return create_loader(data_path)


class _Deferred:
    """In place of botocore's chain of providers."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def load_credentials(self) -> _Credentials:
        return _Credentials(self._chain)


class _Credentials:
    """Credentials that ask the chain of providers when they are used first."""

    method = "deferred"  # botocore reads it when it makes a client

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    @functools.cached_property
    def _found(self) -> Any:
        found = self._chain.load_credentials()
        if found is None:
            raise NoCredentialsError
        return found

    def get_frozen_credentials(self) -> Any:
        return self._found.get_frozen_credentials()

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        return lambda: getattr(self._found, property_name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)
