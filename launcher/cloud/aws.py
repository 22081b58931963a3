"""Clients of AWS's services that do not wait for ever, and AWS's errors as a person can use them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from launcher import __version__
from launcher.errors import UserError

if TYPE_CHECKING:
    import boto3

    from launcher.config import Config

_T = TypeVar("_T")

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_REFUSED = {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure",
            "InvalidAccessKeyId", "InvalidSignatureException"}  # fmt: skip
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "403"}
_THROTTLED = {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "SlowDown",
              "RequestLimitExceeded"}  # fmt: skip
_MISSING = {"ResourceNotFound", "ResourceNotFoundException", "ObjectNotFoundException"}
_INVALID = {"ValidationException", "ValidationError"}  # said of much else, too
_NOT_THERE = ("could not find", "not found", "does not exist", "no scalable target", "no scaling policy")
_OVER = {"ValidationException", "ResourceNotFound"}
_ACCOUNT_OR_KEY = re.compile(r"(?<!\d)\d{12}(?!\d)|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b")


class Aws:
    """One person's access to AWS: credentials and region, as the configuration and the environment say.

    Attributes:
        region: where the stack is, `eu-west-1`.

    Raises:
        UserError: no such AWS profile, or no region.
    """

    def __init__(self, config: Config) -> None:
        self._session = _session(config)
        self._clients: dict[tuple[str, str, bool, int], Any] = {}
        region = self._session.region_name or os.environ.get("AWS_REGION")
        if not region:
            raise UserError("no AWS region: run `glaunch config set region eu-west-1`, or set AWS_REGION")
        self.region: str = region

    def client(self, service: str, region: str = "", hurried: bool = False, attempts: int = 5) -> Any:
        """A boto3 client, kept for the same words: 10 s to connect, 60 s for an answer, five attempts, growing pauses.

        Args:
            service: `sagemaker`.
            region: of a service that is in few regions only; else that of the stack.
            hurried: 3 s to connect, 5 s for an answer, one attempt: for what is only good to know.
            attempts: 1 for a call that must not be made twice, whose caller finds out what became of it.
        """
        from botocore.config import Config as Settings

        words = (service, region, hurried, attempts)
        if words in self._clients:
            return self._clients[words]
        settings = Settings(
            connect_timeout=3 if hurried else 10,
            read_timeout=5 if hurried else 60,
            retries={"mode": "standard", "total_max_attempts": 1 if hurried else attempts},
            user_agent_extra=f"glaunch/{__version__}",
        )
        with readable(f"a client of {service}"):
            made = self._session.client(service, region_name=region or self.region, config=settings)
        return self._clients.setdefault(words, made)


def _session(config: Config) -> boto3.Session:
    try:
        import boto3
    except ImportError:
        raise UserError("AWS needs more packages: pip install 'gluon-launcher[aws]'") from None
    with readable("the AWS profile"):
        return boto3.Session(profile_name=config.aws_profile or None, region_name=config.region or None)


@contextmanager
def readable(doing: str) -> Iterator[None]:
    """Turns what boto3 raises in the block into a UserError: what was done, what is wrong, what to do.

    Numbers of accounts and keys are blacked out.

    Args:
        doing: what fails if the block does: `the change set`.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise UserError(_answer(doing, error)) from None
    except BotoCoreError as error:
        raise UserError(_local(doing, error)) from None


def without_secrets(text: str) -> str:
    """The text with account numbers and access keys blacked out."""
    return _ACCOUNT_OR_KEY.sub(lambda found: "*" * len(found.group()), text)


def code(error: Any) -> str:
    """What AWS calls a ClientError: `AccessDenied`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def unless_missing(call: Callable[[], _T]) -> _T | None:
    """What a call gives; None where AWS says that there is no such thing. Raises what boto3 raises."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        message = str(error.response.get("Error", {}).get("Message", "")).lower()
        is_said = code(error) in _INVALID and any(words in message for words in _NOT_THERE)
        if code(error) in _MISSING or is_said:
            return None
        raise


def unless_over(stop: Callable[[], object]) -> None:
    """Stops a job, which may have ended, or been deleted, meanwhile. Raises what boto3 raises."""
    from botocore.exceptions import ClientError

    try:
        stop()
    except ClientError as error:
        if code(error) not in _OVER:
            raise


def is_passing(error: Exception) -> bool:
    """Whether a later call may well succeed: no connection, too many calls, a fault inside AWS."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code(error) in _THROTTLED or status >= 500
    return isinstance(error, _unreachable())


def is_expired(error: Exception) -> bool:
    """Whether the credentials have run out: the same call may succeed with new ones."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return code(error) in _EXPIRED
    return isinstance(error, _without_token())


def _without_token() -> tuple[type[Exception], ...]:
    from botocore import exceptions as boto

    return boto.SSOError, boto.LoginError, boto.TokenRetrievalError, boto.CredentialRetrievalError


def _unreachable() -> tuple[type[Exception], ...]:
    from botocore import exceptions as boto

    return boto.HTTPClientError, boto.ConnectionError  # no name, no route, no answer


def _answer(doing: str, error: Any) -> str:
    name, message = code(error), _message(error)
    if name in _EXPIRED:
        return _expired()
    if name in _REFUSED:
        return f"AWS does not know these credentials ({name}): check them with `aws sts get-caller-identity`"
    if name in _DENIED:
        return (
            f"{doing}: AWS denies {error.operation_name}: {message}. "
            "`glaunch infra policy` prints what is needed, with --admin for the stack itself"
        )
    if name in _THROTTLED:
        return f"{doing}: AWS is slowing this account down ({name}): try again in a minute"
    from launcher.cloud import causes

    hint = causes.hint(f"{name}: {message}")
    return f"{doing}: AWS refused {error.operation_name} ({name}): {message}" + (f". {hint}" if hint else "")


def _message(error: Any) -> str:
    """What AWS said. A page of HTML comes from something between AWS and here, and says nothing to anybody."""
    message = without_secrets(str(error.response.get("Error", {}).get("Message", ""))).rstrip(".")
    return "no reason given" if message.lstrip().startswith("<") else message


def _local(doing: str, error: Any) -> str:
    from botocore import exceptions as boto

    if isinstance(error, boto.ProfileNotFound):
        return f"{error}: run `aws configure --profile NAME`, or `glaunch config set aws_profile NAME`"
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return "no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
    if isinstance(error, _without_token()):
        return _expired()
    if isinstance(error, _unreachable()):
        return f"{doing}: AWS cannot be reached ({without_secrets(str(error))}): check the network and the region"
    return f"{doing}: {without_secrets(str(error))}"


def _expired() -> str:
    return "the AWS credentials have expired: run `aws sso login`, or get new ones, and try again"
