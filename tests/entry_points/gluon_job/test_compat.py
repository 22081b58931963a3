import os
import subprocess
import sys


def run(entry_points, code):
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        env={**os.environ, "PYTHONPATH": str(entry_points)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_mxnet_is_imported_without_a_word(entry_points):
    ended = run(entry_points, "from gluon_job.compat import mx; print(mx.nd.ones(2).sum().asscalar())")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2.0\n", "")


def test_numpy_keeps_a_bool_of_its_own(entry_points):
    code = "import numpy; numpy.bool = 'mine'; import gluon_job.compat; print(numpy.bool)"
    assert run(entry_points, code).stdout == "mine\n"


def test_warnings_after_the_import_are_heard(entry_points):
    code = "import warnings; from gluon_job.compat import mx; warnings.warn('old', DeprecationWarning)"
    assert "DeprecationWarning: old" in run(entry_points, code).stderr
