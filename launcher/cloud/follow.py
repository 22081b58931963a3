"""A job on SageMaker on the terminal, as if it ran here, for as long as somebody looks. The job does not need that."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from launcher import progress
from launcher.cloud import remote
from launcher.cloud.aws import Aws, is_expired, is_passing
from launcher.cloud.mirror import Mirror
from launcher.errors import UserError
from launcher.log import LogReader
from launcher.run import Run, Status

if TYPE_CHECKING:
    from rich.console import Console

PAUSE = 5.0  # seconds between two looks
PAUSE_A_HOST = 0.5  # seconds: CloudWatch answers some calls a second, and each host has a stream
_LONGEST_PAUSE = 30.0  # seconds, while AWS cannot be asked
PATIENCE = 900.0  # seconds that AWS may be out of reach, or the credentials be expired
_LAST_LINES = 60.0  # seconds after its end in which a job's lines may still arrive


def follow(run: Run, aws: Aws, screen: Console) -> Status:
    """Shows a job until it is over: its phases, its hosts' lines, its measurements; the status.

    Throttling, a lost network and expired credentials are waited out for a while.

    Raises:
        UserError: AWS cannot be asked any more; the job goes on.
    """
    return Follower(run, aws, screen).watch()


def attend(run: Run, aws: Aws, screen: Console) -> Status:
    """As `follow`; Ctrl-C asks whether to detach, to stop the job or to go on. The status, InProgress when detached.

    Raises:
        UserError: as `follow`.
        KeyboardInterrupt: Ctrl-C where nobody can be asked; the job goes on.
    """
    follower = Follower(run, aws, screen)
    while True:
        try:
            return follower.watch()
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                _say(_goes_on(run))
                raise
        answer = ask(run.name)
        if answer == "detach":
            _say(_goes_on(run))
            return run.status
        if answer == "stop":
            _say(f"stopping {run.name}: its script has 120 s to save what it has")
            remote.stop(run)


class Follower:
    """Looks at a job now and then. `is_over` is asked often, and is slow where it looks."""

    def __init__(self, run: Run, aws: Aws, screen: Console) -> None:
        self._run, self._screen = run, screen
        self._mirror = Mirror(run, aws)
        self._readers = {host: LogReader(run.log(host)) for host in run.hosts}
        self._pause = max(PAUSE, PAUSE_A_HOST * len(self._readers))
        self._next = 0.0
        self._shown = 0  # phases
        self._ended = self._lost = 0.0  # when; 0 for not
        self._told = ""

    def watch(self) -> Status:
        """Shows the job until it is over; after an interruption, what has not been shown yet."""
        progress.watch(self._run, self.is_over, self._screen, self._readers)
        return self._run.status

    def is_over(self) -> bool:
        """Whether the job is, and all its lines are here. Raises UserError where AWS cannot be asked any more."""
        if time.monotonic() < self._next:
            return False
        try:
            status = self._mirror.update()
        except Exception as error:
            self._endure(error)
            return False
        if self._lost:
            self._note("AWS answers again")
        self._lost, self._told = 0.0, ""
        self._next = time.monotonic() + self._pause
        for phase in status.phases[self._shown :]:
            self._note(f"{phase['name']}: {phase['message']}" if phase["message"] else phase["name"])
        self._shown = max(self._shown, len(status.phases))
        return status.is_over and self._is_quiet()

    def _is_quiet(self) -> bool:
        """CloudWatch has the last lines a moment after the job's end."""
        is_first = not self._ended
        self._ended = self._ended or time.monotonic()
        late = time.monotonic() - self._ended > _LAST_LINES
        return late or (not is_first and not self._mirror.lines)

    def _endure(self, error: Exception) -> None:
        """Waits for what passes, or for what a person can put right meanwhile; tells it once. Raises UserError else."""
        now = time.monotonic()
        self._lost = self._lost or now
        reason = _reason(self._run, error)
        if not (is_passing(error) or is_expired(error)) or now - self._lost > PATIENCE:
            raise UserError(f"{reason}. {_goes_on(self._run)}")
        if reason != self._told:
            self._note(f"{reason}. The job goes on; trying again for {PATIENCE / 60:.0f} min")
            self._told = reason
        if is_expired(error):
            self._mirror = Mirror(self._run, remote.access(self._run))  # with new credentials, where there are any
        self._next = now + min(_LONGEST_PAUSE, self._pause + (now - self._lost) / 2)

    def _note(self, text: str) -> None:
        self._screen.out(f"[{time.strftime('%H:%M:%S')}] {text}", style="dim", highlight=False)


def _reason(run: Run, error: Exception) -> str:
    try:
        with remote.telling(run):
            raise error
    except UserError as told:
        return str(told)


def ask(name: str) -> str:
    """What a person wants who typed Ctrl-C while something on SageMaker was shown: detach, stop or watch."""
    try:
        answer: str = click.prompt(
            f"\n{name} runs on SageMaker: detach (it goes on), stop it, or watch on?",
            type=click.Choice(["detach", "stop", "watch"]),
            default="detach",
            err=True,
        )
    except click.Abort:  # a second Ctrl-C, or the end of the input
        return "detach"
    return answer


def _goes_on(run: Run) -> str:
    return f"The job goes on: `glaunch logs -f {run.name}` follows it, `glaunch stop {run.name}` ends it"


def _say(text: str) -> None:
    click.secho(text, fg="yellow", err=True)
