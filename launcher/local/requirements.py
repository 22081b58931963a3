"""A source directory's requirements.txt, installed over the user's environment and never into it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from launcher import processes
from launcher.errors import JobFailed, UserError
from launcher.home import cache_directory

DEADLINE = 600.0  # seconds
_CONSTRAINTS = "numpy<2\n"  # mxnet 1.9.1 is built against numpy 1
_LAYER = "over_parent.pth"


def install(requirements: Path, log: Path, *, deadline: float = DEADLINE) -> str:
    """The interpreter that runs scripts with what a requirements file asks for.

    It is that of a virtual environment in the cache, which sees all that this one sees: what is installed here
    already counts, what is missing is installed there, and another version there hides the one here. The
    environment is made once for a file's content (and that of the local files it names), this Python and its
    packages. Delete the cache to have it made with newer releases.

    Args:
        requirements: an existing file; relative paths in it are relative to its directory.
        log: pip's output is appended to it.
        deadline: seconds that pip may take.

    Returns:
        A path; this interpreter's own when the file asks for nothing.

    Raises:
        UserError: this environment has no pip.
        JobFailed: pip failed or took too long. As after any exception, a signal handler's too, nothing of the
            environment is left, and no process.
        OSError: a file cannot be read, or the cache not be written.
    """
    requirements = requirements.absolute()
    if not _without_comments(requirements.read_bytes()).strip():
        return sys.executable
    if importlib.util.find_spec("pip") is None:
        raise UserError(f"{requirements.name} needs pip: install it with `{sys.executable} -m ensurepip`")
    environment = cache_directory() / "environments" / _digest(requirements)
    python = environment / "bin" / "python"
    if not python.exists():
        environment.unlink(missing_ok=True)  # the link to one whose files, or whose Python, were removed
        _build(environment, requirements, log, deadline)
    return str(python)


def _build(environment: Path, requirements: Path, log: Path, deadline: float) -> None:
    """Makes the environment in a directory of its own, and gives it its name, a link, when it is complete.

    It is not made elsewhere and moved: its scripts contain its path.
    """
    import venv

    environment.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{environment.name}.", dir=environment.parent))
    try:
        venv.EnvBuilder(symlinks=True).create(building)
        (packages,) = building.glob("lib/python*/site-packages")
        # addsitedir also follows the parent's own .pth files, where editable installs are.
        lines = [f"import site; site.addsitedir({path!a})\n" for path in _parent_packages()]
        (packages / _LAYER).write_text("".join(lines), "utf-8")
        _pip_install(building, requirements, log, deadline)
        with contextlib.suppress(FileExistsError):  # another process was quicker with the same
            environment.symlink_to(building.name)
    finally:
        if not environment.is_symlink() or os.readlink(environment) != building.name:
            shutil.rmtree(building, ignore_errors=True)


def _pip_install(environment: Path, requirements: Path, log: Path, deadline: float) -> None:
    constraints = environment / "constraints.txt"
    constraints.write_text(_CONSTRAINTS, "utf-8")
    # The parent's pip, run by the environment's Python: it installs there and sees what both hold.
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--constraint", str(constraints), "--requirement", str(requirements)]
    with log.open("ab") as output, tempfile.TemporaryDirectory() as scratch:
        start = output.tell()
        pip = subprocess.Popen(
            command,
            cwd=requirements.parent,
            env={**os.environ, "PIP_USER": "0", "TMPDIR": scratch},  # a killed pip does not tidy up
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: processes.die_with_parent(signal.SIGKILL),  # noqa: PLW1509
        )
        try:
            pip.wait(deadline)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pip.pid, signal.SIGKILL)  # with the builds it started
            pip.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise JobFailed(
                f"pip took more than {deadline:g} s for {requirements.name} and was stopped; its output is in {log}"
            ) from None
    if pip.returncode:
        raise JobFailed(f"pip cannot install {requirements.name}: {_cause(log, start)}; its output is in {log}")


def _cause(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    errors = [line[len("ERROR:") :].strip() for line in lines if line.startswith("ERROR:")]
    telling = [error for error in errors if not error.startswith("ResolutionImpossible")]  # a link to pip's manual
    return telling[-1] if telling else "it said no more"


def _parent_packages() -> list[str]:
    return [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]


def _digest(requirements: Path) -> str:
    digest = hashlib.sha256(f"{sys.version}\0{sys.base_prefix}\0{_CONSTRAINTS}".encode())
    for directory in filter(os.path.isdir, _parent_packages()):
        installed = sorted(name for name in os.listdir(directory) if name.endswith((".dist-info", ".egg-info", ".pth")))
        digest.update(os.fsencode("\0".join([directory, *installed])))
    for piece in _content(requirements, set()):
        digest.update(hashlib.sha256(piece).digest())
    return digest.hexdigest()[:24]


def _content(path: Path, seen: set[Path]) -> Iterator[bytes]:
    """What decides on the result of an install: the file's bytes, and the local files and directories it names."""
    if path in seen:
        return
    seen.add(path)
    if path.is_dir():  # a project, perhaps an editable one, or a folder of wheels
        yield os.fsencode(path)
        for file in sorted(path.rglob("*")):
            status = file.lstat()
            yield os.fsencode(f"{file}\0{status.st_size}\0{status.st_mtime_ns}")
        return
    content = path.read_bytes()
    yield content
    if path.suffix == ".txt":
        for word in re.split(rb"[\s=\[\]]+", _without_comments(content)):
            named = os.path.join(path.parent, os.fsdecode(word.removeprefix(b"file://")))
            if word and os.path.exists(named):
                yield from _content(Path(named), seen)


def _without_comments(content: bytes) -> bytes:
    return re.sub(rb"(^|\s)#.*", b"", content, flags=re.MULTILINE)
