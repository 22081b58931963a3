"""What all tests share: a home of their own, and the interpreter of AWS's training image."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that may take longest come first: at the end one process would be alone with them."""

    def limit(item: pytest.Item) -> float:
        mark = item.get_closest_marker("timeout")
        return mark.args[0] if mark else 0

    items.sort(key=limit, reverse=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test's GLAUNCH_HOME: runs and cache never touch the user's."""
    monkeypatch.setenv("GLAUNCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def aws_python() -> str:
    """A Python 3.8 with AWS's training toolkit, MXNet 1.9.1 and numpy 1.21, made by tests/make_aws_env.

    Tests that need it are skipped where it is missing, and fail in CI.
    """
    places = [os.environ.get("GLAUNCH_AWS_PYTHON"), str(REPOSITORY / ".venv-aws" / "bin" / "python")]
    for place in places:
        if place and os.access(place, os.X_OK):
            return place
    reason = "no environment as in AWS's image (Python 3.8): run `make aws-env`, or set GLAUNCH_AWS_PYTHON"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def glaunch(tmp_path: Path, home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`glaunch(*words, status=0)`: the real command, in an empty directory; the exit status is checked."""
    directory = tmp_path / "work"
    directory.mkdir()

    def run(*words: object, status: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "launcher", *map(str, words)],
            cwd=directory,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """`script(text)`: a file with that Python source."""

    def write(text: str, name: str = "script.py") -> Path:
        path = tmp_path / "scripts" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    return write


@pytest.fixture
def wheel() -> Callable[..., str]:
    """`wheel(directory, name, version="1.0")`: a wheel of one module that knows its version, made without a network.

    It returns the line of a requirements.txt in that directory that asks for it.
    """
    return _wheel


def _wheel(directory: Path, name: str, version: str = "1.0", requires: str = "", script: bool = False) -> str:
    file = f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = {
        f"{name}.py": f"version = {version!r}\ndef main(): print(version)\n",
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n" if script else "",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(directory / file, "w") as wheel:
        for path, text in content.items():
            wheel.writestr(path, text)
    return f"./{file}\n"
