"""Programs that were written for SageMaker, run here as they are."""

from __future__ import annotations

import functools
from typing import Any, Callable

import boto3
from sagemaker.local.local_session import LocalSession
from sagemaker.session import Session

from launcher import home
from launcher.run import Run
from launcher.sdk_session import boto
from launcher.sdk_session.buckets import Buckets
from launcher.sdk_session.session import ProcessLocalSession

_sessions: list[ProcessLocalSession] = []  # made while the mode is on, which it is for a whole process
_modes: list[LocalMode] = []


class InPlaceOfSession(ProcessLocalSession):
    """What `sagemaker.Session()` makes in local mode: it takes what AWS takes, and keeps all that is written here."""

    _keeps_every_bucket = True
    _refuses_git = False  # a submission to AWS clones here too

    def __init__(
        self,
        boto_session: Any = None,
        sagemaker_client: Any = None,
        sagemaker_runtime_client: Any = None,
        sagemaker_featurestore_runtime_client: Any = None,
        default_bucket: str | None = None,
        settings: Any = None,
        sagemaker_metrics_client: Any = None,
        sagemaker_config: dict[str, Any] | None = None,
        default_bucket_prefix: str | None = None,
    ) -> None:
        """The arguments are those of sagemaker.Session; clients are not used, since nothing is asked of AWS."""
        super().__init__(
            boto_session or boto3.DEFAULT_SESSION,
            default_bucket,
            sagemaker_config=sagemaker_config,
            default_bucket_prefix=default_bucket_prefix,
        )
        if settings:
            self.settings = settings
        # Else the SDK refuses what AWS would take, as checkpoint_s3_uri, and takes what AWS would refuse, as file://.
        self.local_mode = False


class LocalMode:
    """While it is on, `sagemaker.Session()` and `sagemaker.LocalSession()` make sessions of this machine.

    Two constructors of the SDK are exchanged, and set back at the end: the classes stay the same objects, so it does
    not matter where and when a program imported them. boto3's default session is exchanged too, so that
    `boto3.client("s3")` finds what the program uploaded. Both hold for the whole process. A session that exists
    already stays what it is.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> LocalMode:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Switches it on, for the cells of a notebook; inside another one it changes nothing."""
        if not _modes:
            self._exchange(Session, InPlaceOfSession)
            self._exchange(LocalSession, ProcessLocalSession)
            self._exchange_default_session()
        _modes.append(self)

    def stop(self) -> None:
        """Switches it off, and ends every job and endpoint that was started meanwhile. Once is enough."""
        if self not in _modes:
            return
        _modes.remove(self)
        if _modes:
            _modes[0]._undo += self._undo
            return
        for undo in self._undo:
            undo()
        self._undo.clear()
        while _sessions:
            _sessions.pop().stop()

    @property
    def runs(self) -> list[Run]:
        """The runs of the training jobs that were started meanwhile, in order."""
        return [run for session in _sessions for run in session.sagemaker_client.runs]

    def _exchange(self, asked: type[Session], made: type[ProcessLocalSession]) -> None:
        original = asked.__init__

        @functools.wraps(original)
        def construct(self: Any, *arguments: Any, **words: Any) -> None:
            if type(self) is not asked:  # a class that was derived from it
                original(self, *arguments, **words)
                return
            self.__class__ = made
            made.__init__(self, *arguments, **words)
            _sessions.append(self)

        asked.__init__ = construct
        self._undo.append(lambda: setattr(asked, "__init__", original))

    def _exchange_default_session(self) -> None:
        original, session = boto3.DEFAULT_SESSION, boto.session()
        buckets = Buckets(home.buckets_directory(), every=True)
        buckets.attach(session)
        boto3.DEFAULT_SESSION = session
        self._undo += [buckets.detach, lambda: setattr(boto3, "DEFAULT_SESSION", original)]
