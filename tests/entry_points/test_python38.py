"""The entry points on the Python, numpy and MXNet of AWS's training image."""

import os
import subprocess

import pytest

import mnist_cnn
import mnist_mlp

JOBS = {
    "mnist_mlp": {"hidden": [32, 16], "optimizer": "adam", "learning_rate": 0.01, "batch_size": 10, "epochs": 8},
    "mnist_cnn": {"architecture": "single_dropout", "batch_size": 10, "epochs": 8},
}


def run(command, **options):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        **options,
    )


def test_the_interpreter_is_that_of_the_image(aws_python):
    program = "import sys, importlib.metadata as m; print(sys.version_info[:2], m.version('mxnet'), m.version('numpy'))"
    ended = run([aws_python, "-c", program])
    assert ended.stdout.startswith("(3, 8) 1.9.1 1.21."), ended.stderr


def test_every_file_compiles(aws_python, entry_points):
    program = "import sys; [compile(open(path, encoding='utf-8').read(), path, 'exec') for path in sys.argv[1:]]"
    files = sorted(map(str, entry_points.rglob("*.py")))
    assert len(files) > 10
    ended = run([aws_python, "-W", "error", "-c", program, *files])
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("script", [mnist_mlp, mnist_cnn], ids=lambda script: script.__name__)
def test_a_model_trained_there_answers_here(script, run_job, aws_python, mnist, tmp_path):
    job = run_job(tmp_path, script.__file__, JOBS[script.__name__], {"training": mnist}, python=aws_python)
    assert job.status == 0, job.err
    assert not job.err
    assert len(job.accuracies("Training")) == len(job.accuracies("Validation")) == 8
    assert job.accuracies("Validation")[-1] >= 0.9
    assert job.served_accuracy(script) == pytest.approx(job.accuracies("Validation")[-1], abs=1e-6)


# What has its own tests of that Python, or is as good on any: it starts processes, or trains again and again.
LEFT_OUT = ("compat", "examine", "recovery", "threads", "watchdog")


def test_what_the_scripts_share_passes_its_tests_there(aws_python, request):
    # Not this project's configuration: it asks for plugins of the newer interpreter's environment.
    options = ["-q", "-c", os.devnull, "--rootdir", ".", "--import-mode=importlib", "-p", "no:cacheprovider"]
    options += [f"--ignore=tests/entry_points/gluon_job/test_{name}.py" for name in LEFT_OUT]
    ended = run([aws_python, "-m", "pytest", *options, "tests/entry_points/gluon_job"], cwd=request.config.rootpath)
    assert ended.returncode == 0, ended.stdout + ended.stderr
