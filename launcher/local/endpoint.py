"""An endpoint of this machine: a model that is served, and the folder that is its record.

NAME/
  endpoint.json       how it serves
  status.json         its state, replaced at one stroke
  counters            what its workers count
  logs/keeper.log     when a worker was replaced, and why
  logs/worker-N.log   what the script printed
  logs/access-N.log   a line a request, with the time that the answer took
  ml/model/           the extracted model.tar.gz
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher import archive, home, naming, processes
from launcher.errors import JobFailed, UserError
from launcher.local import requirements, service
from launcher.local.client import Client
from launcher.local.service import CREATING, FAILED, IN_SERVICE, STOP_GRACE, Settings, Status

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # SageMaker's
_REPLACEMENT = 60.0  # seconds beside the limit of an invocation, in which a worker may be replaced
_POLL = 0.02  # seconds


class Endpoint:
    """One endpoint by its folder. Making the object reads nothing; `Endpoint.find` checks that there is one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.base = folder / "ml"
        self.model = self.base / "model"
        self.counters = folder / "counters"
        self._keeper: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls, artifact: Path, name: str = "model", settings: Settings | None = None, *, detach: bool = False
    ) -> Endpoint:
        """Serves a model, and returns when it answers.

        Args:
            artifact: a model.tar.gz.
            name: of the endpoint; one that is over is replaced.
            settings: how; the defaults if None.
            detach: whether it goes on when this process ends.

        Raises:
            UserError: the name is taken or no name, or there is no such archive, or it cannot be extracted.
            JobFailed: the model cannot be loaded; the record and the logs stay.
        """
        if not artifact.is_file():
            raise UserError(f"no model at {artifact}: give a model.tar.gz, or a run that completed")
        try:
            endpoint = cls(_new_folder(name, settings or Settings()))
            endpoint._fill(artifact)
        except OSError as error:
            raise JobFailed(f"cannot write the endpoint's folder: {error.strerror}: {error.filename}") from None
        endpoint._launch(detach)
        return endpoint

    @classmethod
    def find(cls, name: str | None = None) -> Endpoint:
        """The endpoint of that name, or the only one whose name begins so; the latest when no name is given.

        Raises:
            UserError: there is none, or there are several.
        """
        found = cls.all()
        if not found:
            raise UserError("no endpoints here: start one with `glaunch deploy RUN`")
        return naming.find("endpoint", found, name, "glaunch endpoints")

    @classmethod
    def all(cls) -> list[Endpoint]:
        """Every endpoint on this machine, the latest first."""
        paths = home.endpoints_directory().glob("[!.]*/endpoint.json")
        return [cls(path.parent) for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)]

    @property
    def settings(self) -> Settings:
        """How it serves; UserError when its record cannot be read."""
        return service.read(self.folder / "endpoint.json", Settings)

    @property
    def status(self) -> Status:
        """The state now. An endpoint whose keeper is gone has failed, whatever its record says.

        Raises:
            UserError: the folder was written by a newer glaunch, or its record is damaged or gone.
        """
        status = self.recorded_status()
        if not status.is_over and not (status.keeper and processes.is_alive(*status.keeper)):
            return replace(status, state=FAILED, workers=(), reason="the process that kept this endpoint was killed")
        return status

    @property
    def is_running(self) -> bool:
        """Whether a process keeps it."""
        try:
            return not self.status.is_over
        except UserError:
            return False

    def recorded_status(self) -> Status:
        """The state that was last written, by a process that may be gone. Raises UserError as `status` does."""
        return service.read(self.folder / "status.json", Status)

    def write_status(self, status: Status) -> None:
        """Replaces the record. Raises OSError when the disk is full or the folder gone."""
        service.write(self.folder / "status.json", status)

    @property
    def url(self) -> str:
        """Where it answers, with a slash at its end. Raises UserError when it does not."""
        status = self.status
        if status.state != IN_SERVICE:
            raise UserError(f"endpoint {self.name} is {status.state}" + (f": {status.reason}" if status.reason else ""))
        return status.url

    @property
    def client(self) -> Client:
        """What calls it. Raises UserError when it does not answer."""
        return Client(self.url, self.settings.limit + _REPLACEMENT)

    def predict(self, samples: Any) -> Any:
        """What the model makes of an array: see `Client.predict`."""
        with self.client as client:
            return client.predict(samples)

    def log(self, kind: str, number: int = 0) -> Path:
        """A log: `keeper`, or `worker` or `access` of a worker from 0; it may not exist yet."""
        return self.folder / "logs" / (f"{kind}.log" if kind == "keeper" else f"{kind}-{number + 1}.log")

    def sweep(self) -> None:
        """Kills what the script of a killed endpoint had started, which nobody else does."""
        if not self.is_running:
            processes.kill_marked(str(self.folder))

    def stop(self, deadline: float = STOP_GRACE + 5) -> None:
        """Ends it when it has answered what it was asked; no process of it is left.

        Args:
            deadline: seconds that this may take before its processes are killed.
        """
        status = self.status
        if status.keeper and not status.is_over and status.keeper[0] != os.getpid():
            processes.end(*status.keeper, deadline=deadline)
        if self._keeper:
            self._keeper.wait()
        processes.kill_marked(str(self.folder))

    def remove(self, deadline: float = STOP_GRACE + 5) -> None:
        """Ends it as `stop` does, and deletes its folder."""
        if self.folder.exists():
            try:
                self.stop(deadline)
            except UserError:  # no record that can be read
                processes.kill_marked(str(self.folder))
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def write_settings(self, settings: Settings) -> None:
        """Replaces how it serves. Raises OSError as `write_status`."""
        service.write(self.folder / "endpoint.json", settings)

    def _fill(self, artifact: Path) -> None:
        try:
            self.base.mkdir()
            archive.extract(artifact, self.model)
            wanted = self.model / "code" / "requirements.txt"
            if wanted.exists():
                python = requirements.install(wanted, self.log("keeper"))
                self.write_settings(replace(self.settings, python=python))
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def _launch(self, detach: bool) -> None:
        with self.log("keeper").open("ab") as log:
            self._keeper = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "launcher.local.keeper",
                    str(self.folder),
                    *([] if detach else [str(os.getpid())]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await_service(self._keeper)
        except JobFailed:
            raise
        except BaseException:
            self._keeper.terminate()
            self.remove()
            raise

    def _await_service(self, keeper: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + self.settings.load_limit + STOP_GRACE
        while keeper.poll() is None:
            status = self.recorded_status()
            if status.state == IN_SERVICE:
                return
            if time.monotonic() > until:
                self.stop()
                break
            time.sleep(_POLL)
        reason = self.recorded_status().reason or "its keeper did not start"
        raise JobFailed(f"{self.name} does not serve: {reason}\nlogs are in {self.folder / 'logs'}")


def _new_folder(name: str, settings: Settings) -> Path:
    """A folder with a record in it, under that name from its first moment."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for an endpoint: letters, digits and inner hyphens, 63 at most")
    folder = home.endpoints_directory() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    old = Endpoint(folder)
    if folder.exists():
        if old.is_running:
            raise UserError(f"endpoint {name} is running: give another --name, or `glaunch rm {name}` first")
        old.remove()
    aside = Endpoint(Path(tempfile.mkdtemp(prefix=".", dir=folder.parent)))
    (aside.folder / "logs").mkdir()
    aside.write_settings(settings)
    # Until the keeper has started, this process answers for the endpoint.
    aside.write_status(Status(CREATING, time.time(), processes.identity(os.getpid())))
    try:
        aside.folder.rename(folder)
    except OSError:
        shutil.rmtree(aside.folder)
        raise UserError(f"endpoint {name} is being started by someone else: give another --name") from None
    return folder
