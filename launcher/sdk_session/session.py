"""The session to give to the SDK's estimators, models, predictors and transformers."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sagemaker.local.local_session import LocalSession
from sagemaker.logs import ColorWrap

from launcher import home, log
from launcher.errors import UserError
from launcher.run import Run
from launcher.sdk_session import boto
from launcher.sdk_session.buckets import DEFAULT, Buckets
from launcher.sdk_session.client import ProcessSagemakerClient
from launcher.sdk_session.runtime import ProcessRuntimeClient

ACCOUNT = "000000000000"
_POLL = 0.05  # seconds
_TELEMETRY = "sagemaker.telemetry.telemetry_logging"
_NO_GIT = (
    "git_config: a job here is made of files of this machine, and the SDK would show your token in git's command line: "
    "clone the repository yourself and give its directory as source_dir"
)


class ProcessLocalSession(LocalSession):  # type: ignore[misc]  # the SDK has no types
    """A LocalSession whose jobs and endpoints are processes of this machine: no Docker, no AWS account.

    The arguments are LocalSession's. Without a `default_bucket` there is one in a folder of this machine
    (`launcher.home.buckets_directory`), where the SDK keeps code and models: where all inputs and outputs are
    `file://` too, nothing calls AWS, and no credentials are looked for. `s3://` of other buckets goes to S3.

    As a context manager it stops what it started.

    Attributes:
        buckets: what is kept here of S3.
        local_code: whether the configuration says `local: {local_code: True}`; a model's URI is then `file://`.
    """

    _keeps_every_bucket = False
    _refuses_git = True

    def __bool__(self) -> bool:
        """False for the SDK's wrapper that counts calls for AWS `if sagemaker_session`: it then only passes them on.

        Otherwise it sends the counts, or checks the whole configuration that opts out, and it swallows Ctrl-C in `fit`.
        Constructors that take a `git_config` ask too, and before the SDK clones: see `_constructor_word`.

        Raises:
            UserError: there is a git_config.
        """
        if self._refuses_git and _constructor_word("git_config"):
            raise UserError(_NO_GIT)
        return sys._getframe(1).f_globals.get("__name__") != _TELEMETRY

    def __enter__(self) -> ProcessLocalSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends every job, endpoint and transform that this session started; no process of them is left."""
        self.sagemaker_client.stop_all()
        self.buckets.detach()

    def _initialize(self, boto_session: Any = None, *_: Any, **settings: Any) -> None:
        """Called by the SDK's constructor."""
        settings.pop("sagemaker_client", None)
        settings.pop("sagemaker_runtime_client", None)
        if boto_session is None or boto_session.region_name is None:
            boto_session = boto.session()
        boto.spare_default_session()
        self.local_code = False
        self.buckets = Buckets(home.buckets_directory(), every=self._keeps_every_bucket)
        self.buckets.attach(boto_session)
        super()._initialize(boto_session, None, None, **settings)
        self.local_code = self.local_code and not self._disable_local_code
        self.sagemaker_client = ProcessSagemakerClient(self)
        self.sagemaker_runtime_client = ProcessRuntimeClient(self)

    @property
    def config(self) -> dict[str, Any] | None:
        """The configuration of local mode, without `local_code`: see that attribute.

        With `local_code` the SDK gives up what travels with a script (`dependencies`), to save the way through S3. That
        way is none here, so the SDK is not told.
        """
        return self._config  # type: ignore[no-any-return]

    @config.setter
    def config(self, value: dict[str, Any] | None) -> None:
        value = copy.deepcopy(value)
        LocalSession.config.fset(self, value)
        self.local_code = bool((value or {}).get("local", {}).pop("local_code", False))

    def default_bucket(self) -> str:
        """The bucket that the session or the SDK's configuration names, else one that is a folder of this machine."""
        if not self._default_bucket_name_override:
            return DEFAULT
        if self._keeps_every_bucket:
            return str(self._default_bucket_name_override)
        return str(super().default_bucket())

    def account_id(self) -> str:
        """Of no account: no call is made."""
        return ACCOUNT

    def get_caller_identity_arn(self) -> str:
        """Of a role of no account: `sagemaker.get_execution_role()` works without one."""
        return self.expand_role("local")

    def expand_role(self, role: str) -> str:
        """An ARN as it is, and that of no account for a name, which IAM is not asked about."""
        return role if "/" in role else f"arn:aws:iam::{ACCOUNT}:role/{role}"

    def logs_for_job(
        self,
        job_name: str,
        wait: bool = False,
        poll: float = _POLL,
        log_type: str = "All",
        timeout: float | None = None,
    ) -> None:
        """Prints what the hosts of a training job print.

        Args:
            job_name: of a job of any session.
            wait: whether to go on until the job is over, and to raise if it failed; Ctrl-C then stops the job.
            poll: seconds between two looks; the SDK's is not used.
            log_type: `None` or `Rules` prints nothing.
            timeout: seconds after which this returns; the job goes on.

        Raises:
            UnexpectedStatusException: it was waited for, and failed.
        """
        run = self._run(job_name)
        until = None if timeout is None else time.monotonic() + timeout
        late = False

        def is_over() -> bool:
            nonlocal late
            late = until is not None and time.monotonic() > until
            return not wait or late or run.status.is_over

        if log_type in ("All", "Training"):
            with _stopping(run, wait):
                _print(run, is_over)
        if wait and not late:
            self.wait_for_job(job_name)

    def wait_for_job(self, job: str, poll: float = _POLL) -> dict[str, Any]:
        """Waits for a training job, which Ctrl-C stops; its description. Raises as `logs_for_job`."""
        run = self._run(job)
        with _stopping(run, True):
            while not run.status.is_over:
                time.sleep(_POLL)
        described: dict[str, Any] = super().wait_for_job(job, poll=0)
        return described

    def wait_for_endpoint(self, endpoint: str, poll: float = _POLL, live_logging: bool = False) -> dict[str, Any]:
        """As the SDK's, with looks so close that a deployment takes no longer for them."""
        while self.sagemaker_client.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "Creating":
            time.sleep(_POLL)
        described: dict[str, Any] = super().wait_for_endpoint(endpoint, poll=0)
        return described

    def wait_for_transform_job(self, job: str, poll: float = _POLL) -> dict[str, Any]:
        """As the SDK's; Ctrl-C stops the job."""
        try:
            while self.describe_transform_job(job)["TransformJobStatus"] == "InProgress":
                time.sleep(_POLL)
        except BaseException:
            self.sagemaker_client.stop_transform_job(job)
            raise
        described: dict[str, Any] = super().wait_for_transform_job(job, poll=0)
        return described

    def logs_for_transform_job(self, job_name: str, wait: bool = False, poll: float = _POLL) -> None:
        """A transform prints nothing; it is waited for where that is asked for."""
        if wait:
            self.wait_for_transform_job(job_name)

    def _run(self, job_name: str) -> Run:
        self.describe_training_job(job_name)  # refuses the name of none
        return Run(home.runs_directory() / job_name)


def _constructor_word(name: str) -> Any:
    """What an estimator's or model's constructor, up to four calls away, was given by that name; None without one."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(4):
        if frame is None:
            break
        if frame.f_code.co_name == "__init__" and frame.f_locals.get(name):
            return frame.f_locals[name]
        frame = frame.f_back
    return None


@contextmanager
def _stopping(run: Run, waiting: bool) -> Iterator[None]:
    """Stops a job that is waited for when the waiting is interrupted."""
    try:
        yield
    except BaseException:
        if waiting:
            run.stop()
        raise


def _print(run: Run, is_over: Any) -> None:
    hosts, show = run.hosts, ColorWrap()
    for host, line in log.follow({host: run.log(host) for host in hosts}, is_over):
        show(hosts.index(host), line if len(hosts) == 1 else f"{host} | {line}")
        sys.stdout.flush()
