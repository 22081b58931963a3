"""`python -m launcher.sdk`: programs of the SageMaker SDK from the command line."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from launcher.run import COMPLETED, FAILED, Run

PROGRAM = """
    import sys
    import sagemaker
    from sagemaker.mxnet import MXNet

    estimator = MXNet("train.py", role="any", instance_count=1, instance_type="ml.c5.xlarge", framework_version="1.9.0",
                      py_version="py38", sagemaker_session=sagemaker.Session())
    estimator.fit(wait=False)
    print("submitted", sys.argv[1:], __name__)

    sys.exit()
"""
TRAIN = "import os, time\ntime.sleep(0.5)\nopen(os.path.join(os.environ['SM_MODEL_DIR'], 'w'), 'w').close()\n"


@pytest.fixture
def run(tmp_path):
    """`run(name, *words, status=0, **variables)`: the command in the directory of the scripts."""

    def run(*words, status=0, **variables):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            [sys.executable, "-m", "launcher.sdk", *words],
            cwd=tmp_path / "scripts",
            env={**environment, "SAGEMAKER_SUPPRESS_V2_WARNING": "1", "HOME": str(tmp_path), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done

    return run


def test_a_program_runs_here_and_its_jobs_are_waited_for(run, script):
    script(TRAIN, "train.py")
    script(PROGRAM, "submit.py")
    done = run("submit.py", "--flag", GLAUNCH_LOCAL="1")
    assert "submitted ['--flag'] __main__" in done.stdout
    assert "waiting for mxnet-training-" in done.stderr
    assert Run.find().status.state == COMPLETED


def test_a_notebook_runs_here_and_a_failed_job_is_told(run, script):
    script("raise ValueError('no such luck')\n", "train.py")
    cells = ["%matplotlib inline\n!ls\nimport sys", "%%bash\nls", *textwrap.dedent(PROGRAM).split("\n\n")]
    cells = [{"cell_type": "code", "source": source} for source in cells]
    script(json.dumps({"cells": [{"cell_type": "markdown", "source": ["text"]}, *cells]}), "submit.ipynb")
    done = run("submit.ipynb", GLAUNCH_LOCAL="1", status=1)
    assert "submitted [] __main__" in done.stdout
    assert "ValueError: no such luck" in done.stderr
    assert Run.find().status.state == FAILED


@pytest.mark.parametrize(
    ("words", "variables", "sentence"),
    [
        (["submit.py"], {}, "GLAUNCH_LOCAL says where its jobs run"),
        (["none.py"], {"GLAUNCH_LOCAL": "1"}, "no program none.py"),
        ([], {"GLAUNCH_LOCAL": "1"}, "which program?"),
        (["bad.ipynb"], {"GLAUNCH_LOCAL": "0"}, "bad.ipynb is no notebook"),
    ],
)
def test_a_wrong_use_is_told(run, script, words, variables, sentence):
    script("", "submit.py")
    script("[]", "bad.ipynb")
    assert sentence in run(*words, status=2, **variables).stderr


def test_a_program_runs_as_it_is_where_that_is_said(run, script):
    script("import sys\nprint('sagemaker' in sys.modules)\n", "submit.py")
    assert run("submit.py", GLAUNCH_LOCAL="0").stdout == "False\n"


def test_importing_the_package_imports_neither_the_sdk_nor_boto3():
    text = "import launcher, sys; print([name for name in ('boto3', 'sagemaker') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
