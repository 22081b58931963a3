"""What SageMaker would answer to a request that cannot be: the errors that programs written for boto3 expect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from launcher.errors import UserError


def refusal(operation: str, sentence: str, code: str = "ValidationException") -> ClientError:
    """The ClientError of an operation, `CreateTrainingJob`, that says what is wrong."""
    return ClientError({"Error": {"Code": code, "Message": sentence}}, operation)


@contextmanager
def refusing(operation: str) -> Iterator[None]:
    """Turns a UserError of the block into the refusal of an operation."""
    try:
        yield
    except UserError as error:
        raise refusal(operation, str(error)) from error
