"""The cloud's modules load boto3 when they call AWS; where it is not installed, every verb says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

HEAVY = ("boto3", "botocore", "s3transfer", "sagemaker", "mxnet")
VERBS = [
    "run mnist_mlp --on aws",
    "plan mnist_mlp --on aws",
    "tune mnist_mlp --param learning_rate=log:0.1:0.2 --on aws",
    "transform model.tar.gz data --on aws",
    "deploy model.tar.gz --on aws",
    "predict digits data/one.csv --on aws",
    "update digits model.tar.gz --on aws",
    "endpoints --on aws",
    "rm digits --on aws",
    "ls --on aws",
    "sweep",
    "upload data",
    "fetch a-job",
    "infra up",
    "infra show",
    "infra down",
]


def python(program, *arguments, cwd=None):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_importing_a_module_loads_nothing_heavy():
    program = """
        import importlib, os, sys
        import launcher

        # What adapts the SDK's classes is loaded by who has loaded the SDK; the image and __main__ are programs.
        left_out = ("launcher.sdk_session", "launcher.local.image", "launcher.__main__")
        [top] = launcher.__path__
        for directory, _, files in os.walk(top, followlinks=True):
            package = ".".join(["launcher", *os.path.relpath(directory, top).split(os.sep)]).removesuffix("..")
            for file in sorted(files):
                name = f"{package}.{file.removesuffix('.py')}"
                if file.endswith(".py") and not name.startswith(left_out) and file != "__init__.py":
                    importlib.import_module(name)
                    found = sorted(set(sys.argv[1:]) & {*sys.modules})
                    assert not found, f"{name} loads {found}"
        assert {"launcher.cli", "launcher.cloud.deployment", "launcher.infra.stack"} <= {*sys.modules}
    """
    python(program, *HEAVY)


@pytest.fixture
def said(tmp_path):
    """What each of VERBS prints where boto3 is not installed, with its exit status before it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.csv").write_text("1\n")
    (tmp_path / "model.tar.gz").write_bytes(b"")
    program = """
        import contextlib, io, sys
        from launcher import cli

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("boto3", "botocore", "s3transfer", "sagemaker"):
                    raise ModuleNotFoundError(f"No module named {name!r}")

        sys.meta_path.insert(0, Missing())
        for verb in sys.argv[1:]:
            sys.argv[1:] = verb.split()
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors):
                try:
                    cli.main()
                except SystemExit as end:
                    print(end.code, " ".join(errors.getvalue().split()), flush=True)
    """
    return python(program, *VERBS, cwd=tmp_path).stdout.splitlines()


def test_without_boto3_every_verb_says_what_to_install(said, home):
    wanted = "2 glaunch: AWS needs more packages: pip install 'gluon-launcher[aws]'"
    assert dict(zip(VERBS, said)) == dict.fromkeys(VERBS, wanted)
    assert not (home / "runs").exists()
    assert not (home / "tunings").exists()
