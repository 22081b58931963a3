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


def test_what_mxnet_can_spare_is_not_imported_and_can_be_later(entry_points, tmp_path):
    for name in ("scipy", "sklearn"):
        (tmp_path / f"{name}.py").write_text(f"print('imported', {name!r})\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); from gluon_job.compat import mx; import sklearn"
    isolated = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); " + code
    assert run(entry_points, isolated).stdout == "imported sklearn\n"
