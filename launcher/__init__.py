"""glaunch: Gluon (Apache MXNet) training jobs on this machine as on Amazon SageMaker."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from launcher.api import deploy, follow, history, train, wait
    from launcher.sdk_session.mode import LocalMode

__version__ = "0.1.0"
__all__ = ["deploy", "follow", "history", "local_mode", "train", "wait"]


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


def __getattr__(name: str) -> Any:
    """The functions of `launcher.api`, which is imported when one is used: a job's own processes need none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("launcher.api"), name)
