"""glaunch: Gluon (Apache MXNet) training jobs on this machine as on Amazon SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launcher.sdk_session.mode import LocalMode

__version__ = "0.1.0"


def local_mode() -> LocalMode:
    """A context manager in which a program that uses the SageMaker SDK runs on this machine, unchanged.

    `sagemaker.Session()` is a session of this machine meanwhile, whatever `instance_type` says, and nothing is written
    to AWS. In a notebook, whose cells are no block, use its methods `start` and `stop`.

    Raises:
        UserError: the SDK is not installed.
    """
    from launcher.errors import UserError

    try:
        from launcher.sdk_session.mode import LocalMode
    except ImportError as error:
        raise UserError(f"the SageMaker SDK is needed ({error}): pip install 'gluon-launcher[aws]'") from None
    return LocalMode()
