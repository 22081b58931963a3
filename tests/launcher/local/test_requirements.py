"""A source directory's requirements.txt is installed over the user's environment, once, and never into it."""

from __future__ import annotations

import importlib.metadata
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher import processes
from launcher.errors import JobFailed
from launcher.local import requirements

Wheel = Callable[..., str]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def environments(home: Path) -> Path:
    return home / "cache" / "environments"


def _file(source: Path, *lines: str) -> Path:
    (source / "requirements.txt").write_text("".join(lines))
    return source / "requirements.txt"


def _python(python: str, code: str) -> str:
    return subprocess.run(
        [python, "-c", code], text=True, stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout.strip()


def test_a_missing_package_becomes_importable_beside_those_of_the_parent(source: Path, log: Path, wheel: Wheel) -> None:
    # Offline, this installs only because the parent's numpy is seen.
    python = requirements.install(_file(source, wheel(source, "tiny", requires="numpy>=1.20")), log)
    told = _python(python, "import tiny, numpy, sys; print(tiny.version, numpy.__version__, sys.executable)")
    assert told == f"1.0 {importlib.metadata.version('numpy')} {python}"
    assert "Requirement already satisfied: numpy" in log.read_text()
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("tiny")


def test_another_version_hides_the_parents_which_stays(source: Path, log: Path, wheel: Wheel) -> None:
    before = importlib.metadata.version("iniconfig")
    python = requirements.install(_file(source, wheel(source, "iniconfig", "999")), log)
    assert _python(python, "import iniconfig; print(iniconfig.version)") == "999"
    assert _python(sys.executable, "import importlib.metadata as m; print(m.version('iniconfig'))") == before


def test_the_commands_of_a_package_work(source: Path, log: Path, wheel: Wheel) -> None:
    python = requirements.install(_file(source, wheel(source, "tiny", script=True)), log)
    command = [str(Path(python).parent / "tiny")]
    assert subprocess.check_output(command, text=True, timeout=60) == "1.0\n"


def test_what_the_parent_has_already_is_not_installed_again(source: Path, log: Path) -> None:
    python = requirements.install(_file(source, "numpy>=1.20  # the usual\n"), log)
    assert _python(python, "import numpy; print(numpy.__file__)") == _python(
        sys.executable, "import numpy; print(numpy.__file__)"
    )


def test_the_second_time_pip_does_not_run(source: Path, log: Path, wheel: Wheel, tmp_path: Path) -> None:
    file = _file(source, wheel(source, "tiny"))
    first = requirements.install(file, log)
    assert requirements.install(file, tmp_path / "other log") == first
    assert not (tmp_path / "other log").exists()


def test_the_same_file_in_another_place_is_the_same_environment(
    source: Path, log: Path, wheel: Wheel, tmp_path: Path
) -> None:
    first = requirements.install(_file(source, wheel(source, "tiny")), log)
    copy = tmp_path / "copy"
    source.rename(copy)
    assert requirements.install(copy / "requirements.txt", tmp_path / "other log") == first
    assert not (tmp_path / "other log").exists()


def test_a_change_of_the_file_or_of_what_it_names_makes_another_environment(
    source: Path, log: Path, wheel: Wheel
) -> None:
    (source / "base.txt").write_text(wheel(source, "tiny"))
    file = _file(source, "-r base.txt\n")
    first = requirements.install(file, log)
    (source / "base.txt").write_text(wheel(source, "tiny", "2.0"))
    second = requirements.install(file, log)
    assert [_python(python, "import tiny; print(tiny.version)") for python in (first, second)] == ["1.0", "2.0"]


def test_an_environment_whose_files_were_removed_is_made_again(
    source: Path, log: Path, wheel: Wheel, environments: Path
) -> None:
    file = _file(source, wheel(source, "tiny"))
    requirements.install(file, log)
    for directory in environments.iterdir():
        if not directory.is_symlink():
            directory.rename(source / "gone")
    assert _python(requirements.install(file, log), "import tiny; print(tiny.version)") == "1.0"


@pytest.mark.parametrize("content", ["", "\n  \n", "# numpy\n   # nothing yet\n"])
def test_a_file_that_asks_for_nothing_costs_nothing(source: Path, log: Path, home: Path, content: str) -> None:
    assert requirements.install(_file(source, content), log) == sys.executable
    assert not home.exists()
    assert not log.exists()


def test_a_failure_tells_pips_reason_and_leaves_nothing(
    source: Path, log: Path, wheel: Wheel, environments: Path
) -> None:
    file = _file(source, wheel(source, "tiny"), "no-such-package-as-this==1.0\n")
    with pytest.raises(JobFailed, match=f"No matching distribution found for no-such-package-as-this.*{log}"):
        requirements.install(file, log)
    assert list(environments.iterdir()) == []


def test_a_numpy_that_mxnet_cannot_use_is_refused(source: Path, log: Path, wheel: Wheel, environments: Path) -> None:
    with pytest.raises(JobFailed, match="numpy"):
        requirements.install(_file(source, wheel(source, "numpy", "2.0.0")), log)
    assert "numpy<2" in log.read_text()
    assert list(environments.iterdir()) == []


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A package index to which one can connect, and that never answers: readable once somebody has."""
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        yield server


def _pips(environments: Path) -> list[int]:
    below = processes.descendants(os.getpid())
    return [pid for pid in below if str(environments) in Path(f"/proc/{pid}/cmdline").read_text()]


def test_pip_is_stopped_at_the_deadline(
    source: Path, log: Path, environments: Path, silent_index: socket.socket
) -> None:
    with pytest.raises(JobFailed, match=r"more than 1\.5 s"):
        requirements.install(_file(source, "tiny\n"), log, deadline=1.5)
    assert _pips(environments) == []
    assert list(environments.iterdir()) == []


class _StoppedError(Exception):
    pass


def test_pip_is_stopped_when_a_signal_handler_raises(
    source: Path, log: Path, environments: Path, silent_index: socket.socket
) -> None:
    seen: list[int] = []

    def stop(*_: object) -> None:
        seen.extend(_pips(environments))
        raise _StoppedError

    def signal_when_pip_waits() -> None:
        select.select([silent_index], [], [], 60)
        os.kill(os.getpid(), signal.SIGUSR1)

    previous = signal.signal(signal.SIGUSR1, stop)
    try:
        threading.Thread(target=signal_when_pip_waits).start()
        with pytest.raises(_StoppedError):
            requirements.install(_file(source, "tiny\n"), log, deadline=120)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert seen
    assert _pips(environments) == []
    assert list(environments.iterdir()) == []


def test_two_at_once_end_with_one_environment(source: Path, log: Path, wheel: Wheel, environments: Path) -> None:
    file = _file(source, wheel(source, "tiny"))
    code = "import sys; from pathlib import Path; from launcher.local import requirements\n"
    code += f"print(requirements.install(Path({str(file)!r}), Path({str(log)!r} + sys.argv[1])))"
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(index)], text=True, stdout=subprocess.PIPE)
        for index in range(2)
    ]
    answers = {process.communicate(timeout=120)[0].strip() for process in both}
    (python,) = answers
    assert _python(python, "import tiny; print(tiny.version)") == "1.0"
    assert len([path for path in environments.iterdir() if not path.is_symlink()]) == 1


def test_the_users_pip_settings_do_not_lead_out_of_the_environment(
    source: Path, log: Path, wheel: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    python = requirements.install(_file(source, wheel(source, "tiny")), log)
    assert _python(python, "import tiny; print(tiny.__file__)").startswith(str(Path(python).parents[1]))
