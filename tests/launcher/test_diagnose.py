"""Why a job failed, from what real scripts leave in their logs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from launcher import diagnose, source
from launcher.diagnose import Frame
from launcher.job import TrainingJob
from launcher.run import FAILED


@pytest.fixture
def src(tmp_path):
    return tmp_path / "src"


@pytest.fixture
def fail(recorded, src):
    """`fail(text, alone=True, **helpers)`: a run that failed because its script, src/train.py, did when it ran."""

    def run_it(text, *, alone=True, before="", **helpers):
        src.mkdir()
        for name, content in {"train": text, **helpers}.items():
            (src / f"{name}.py").write_text(textwrap.dedent(content))
        run = recorded(TrainingJob(src / "train.py", None if alone else src), log=before)
        base = run.host("algo-1")
        program = source.stage(run.job, base / "code")
        variables = {**os.environ, "PYTHONPATH": str(base / "code"), "SM_OUTPUT_DIR": str(base / "output")}
        command = [sys.executable, program, "--epochs", "3"]
        with run.log("algo-1").open("ab") as log:
            done = subprocess.run(
                command, cwd=base / "code", env=variables, stdout=log, stderr=log, timeout=60, check=False
            )
        assert done.returncode != 0
        reason = diagnose.failure(run.log("algo-1"), done.returncode).splitlines()[0]
        run.write_status(replace(run.status, state=FAILED, reason=reason, exit_statuses={"algo-1": done.returncode}))
        return run

    return run_it


def test_the_exception_is_told_with_the_users_file_and_line(fail, src):
    run = fail("""
        import json

        def load(text):
            return json.loads(text)

        if __name__ == "__main__":
            print("begun")
            load("{")
    """)
    cause = diagnose.explain(run)
    assert cause.reason.startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert cause.frame == Frame(str(src / "train.py"), 5, "load", "return json.loads(text)")
    assert cause.traceback.startswith("Traceback (most recent call last):\n  File")
    assert cause.traceback.endswith("\n" + cause.reason)
    assert "begun" not in cause.traceback
    assert run.status.reason == cause.reason


def test_a_helper_is_found_in_the_source_directory(fail, src):
    cause = diagnose.explain(fail("import net\nnet.build()\n", alone=False, net="def build():\n    return 1 / 0\n"))
    assert cause.reason == "ZeroDivisionError: division by zero"
    assert cause.frame == Frame(str(src / "net.py"), 2, "build", "return 1 / 0")


def test_a_script_of_the_older_kind_is_told_by_its_own_line(fail, src):
    cause = diagnose.explain(fail("def train(hyperparameters, **kwargs):\n    return hyperparameters['epochs']\n"))
    assert cause.reason == "KeyError: 'epochs'"
    assert cause.frame == Frame(str(src / "train.py"), 2, "train", "return hyperparameters['epochs']")


@pytest.mark.parametrize("where", ["train", "net"])
def test_the_line_is_found_when_runs_are_kept_behind_a_link(fail, src, home, where):
    (home.parent / "disk").mkdir()
    home.symlink_to("disk")
    cause = diagnose.explain(fail(**{"text": "import net\nprint(1)\n", where: "raise OSError\n"}, alone=False))
    assert cause.frame == Frame(str(src / f"{where}.py"), 1, "<module>", "raise OSError")


def test_of_chained_exceptions_the_last_is_told(fail):
    cause = diagnose.explain(
        fail("""
        try:
            {}["training"]
        except KeyError as error:
            raise RuntimeError("no data") from error
        finally:
            print("over")
    """)
    )
    assert cause.reason == "RuntimeError: no data"
    assert cause.frame.line == 5
    assert "KeyError" not in cause.traceback


def test_a_message_of_several_lines_is_told_by_its_first(fail):
    assert diagnose.explain(fail("raise ValueError('first\\nsecond')\n")).reason == "ValueError: first"


def test_a_syntax_error_in_a_helper_is_told_with_the_line_that_is_wrong(fail, src):
    cause = diagnose.explain(fail("import net\nnet.build()\n", alone=False, net="def build():\n    return (1\n"))
    assert cause.reason.startswith("SyntaxError: ")
    assert (cause.frame.file, cause.frame.line, cause.frame.code) == (str(src / "net.py"), 2, "return (1")


def test_an_input_error_is_told_without_a_traceback(fail):
    cause = diagnose.explain(
        fail("""
        from gluon_job.errors import InputError

        def train(**kwargs):
            raise InputError("batch_size is 9, but there are only 8 training samples")
    """)
    )
    assert cause.reason == "InputError: batch_size is 9, but there are only 8 training samples"
    assert cause.frame is None
    assert cause.hint == ""


def test_a_traceback_that_was_overcome_is_not_why(fail):
    text = "import traceback\ntry:\n    {}['a']\nexcept KeyError:\n    traceback.print_exc()\n"
    cause = diagnose.explain(fail(text + "print('InputError: epochs is 0')\nraise SystemExit(1)\n"))
    assert cause.reason == "InputError: epochs is 0"


def test_what_an_object_raises_at_its_end_is_not_why(fail):
    cause = diagnose.explain(
        fail("""
        class Net:
            def __del__(self):
                raise TypeError("too late")

        net = Net()
        print("begun")
        raise ValueError("in time")
    """)
    )
    assert cause.reason == "ValueError: in time"
    assert cause.frame.code == 'raise ValueError("in time")'


def test_a_traceback_that_follows_a_progress_bar_on_its_line_is_found(fail):
    cause = diagnose.explain(fail("print('\\r 33%|###   | 1/3 [00:00]', end='', flush=True)\nraise ValueError('x')\n"))
    assert cause.reason == "ValueError: x"
    assert cause.frame.line == 2
    assert cause.traceback.startswith("Traceback (most recent call last):\n")


def test_a_traceback_at_the_end_of_a_long_log_is_found(fail):
    assert (
        diagnose.explain(fail("raise KeyError('a')\n", before="x" * 10_000 + "\n" * 500_000)).reason == "KeyError: 'a'"
    )


@pytest.mark.parametrize("rest", ["", '  File "script.py", line 8, in <module>\n', "\n\n"])
def test_a_traceback_that_breaks_off_is_no_obstacle(recorded, rest):
    log = f"Traceback (most recent call last):\n{rest}"
    cause = diagnose.explain(recorded(log=log, state=FAILED, reason="it failed", exit_statuses={"algo-1": 1}))
    assert cause.traceback.rstrip() == log.rstrip()
    assert cause.reason == "it failed"


def test_an_exit_status_without_a_traceback_is_told(fail):
    cause = diagnose.explain(fail("import sys\nprint('bye')\nsys.exit(3)\n"))
    assert cause == ("the script exited with status 3", None, "", "")


def test_arguments_that_argparse_refuses_are_told(fail):
    cause = diagnose.explain(fail("import argparse\nargparse.ArgumentParser().parse_args()\n"))
    assert cause.reason == "train.py: error: unrecognized arguments: --epochs 3"
    assert "argparse does not know a hyperparameter" in cause.hint


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT])
def test_a_signal_is_told_by_its_name(fail, number):
    cause = diagnose.explain(fail(f"import os\nos.kill(os.getpid(), {number})\n"))
    assert cause.reason == f"the script was ended by {number.name}"


def test_a_kill_is_told_as_what_it_usually_is_whatever_was_overcome_before(fail):
    text = "import os, signal, traceback\ntry:\n    {}['a']\nexcept KeyError:\n    traceback.print_exc()\n"
    cause = diagnose.explain(fail(text + "os.kill(os.getpid(), signal.SIGKILL)\n"))
    assert cause.reason == "the script was ended by SIGKILL: usually the kernel, when memory ran out"
    assert "smaller batch_size" in cause.hint
    assert cause.frame is None


def test_a_signal_without_a_name_is_told_by_its_number(tmp_path):
    assert diagnose.failure(tmp_path / "log", -40) == "the script was ended by signal 40\n"


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_or_missing_log_is_no_obstacle(tmp_path, content):
    assert diagnose.failure(tmp_path / "missing", 3) == "the script exited with status 3\n"
    (tmp_path / "log").write_text(content)
    assert diagnose.failure(tmp_path / "log", 3) == "the script exited with status 3\n"


def test_the_failure_file_has_the_reason_first_and_then_the_traceback(fail):
    run = fail("raise KeyError('a')\n")
    reason, empty, begin, *_ = diagnose.failure(run.log("algo-1"), 1).splitlines()
    assert (reason, empty, begin) == ("KeyError: 'a'", "", "Traceback (most recent call last):")


@pytest.mark.parametrize("exit_statuses", [{}, {"algo-1": 0}])
def test_a_run_that_failed_for_another_reason_is_told_by_its_record(recorded, exit_statuses):
    log = "Traceback (most recent call last):\n  File \"train.py\", line 1, in <module>\nKeyError: 'overcome'\n"
    cause = diagnose.explain(recorded(log=log, state=FAILED, reason="it saved no model", exit_statuses=exit_statuses))
    assert cause == ("it saved no model", None, "", "")


NESTED = """Epoch 1
Traceback (most recent call last):
  File "script.py", line 8, in <module>
    train()
  File "{code}/script.py", line 4, in forward
    return nd.dot(x, nd.ones((5, 2)))
  File "<string>", line 94, in dot
  File "/usr/lib/python3/site-packages/mxnet/base.py", line 246, in check_call
    raise get_last_ffi_error()
mxnet.base.MXNetError: Traceback (most recent call last):
  File "../src/operator/tensor/./dot-inl.h", line 1241
MXNetError: Check failed: L[!Ta].Size() == R[Tb].Size() (4 vs. 5) : dot shape error: [3,4] X [5,2]
terminated
"""


def test_mxnets_own_traceback_is_seen_through(recorded):
    run = recorded(state=FAILED, exit_statuses={"algo-1": 1})
    run.log("algo-1").write_text(NESTED.format(code=run.host("algo-1") / "code"))
    cause = diagnose.explain(run)
    assert cause.reason == (
        "MXNetError: Check failed: L[!Ta].Size() == R[Tb].Size() (4 vs. 5) : dot shape error: [3,4] X [5,2]"
    )
    assert cause.frame == Frame(run.job_content["entry_point"], 4, "forward", "return nd.dot(x, nd.ones((5, 2)))")
    assert cause.traceback.endswith(cause.reason)
    assert "shapes that do not go together" in cause.hint


def test_the_program_of_an_older_python_is_found_by_its_relative_name(recorded):
    log = "Traceback (most recent call last):\n  File \"script.py\", line 8, in <module>\n    train()\nKeyError: 'a'\n"
    run = recorded(log=log, state=FAILED, exit_statuses={"algo-1": 1})
    assert diagnose.explain(run).frame == Frame(run.job_content["entry_point"], 8, "<module>", "train()")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("ModuleNotFoundError: No module named 'net'", "--source-dir DIR"),
        (
            "MXNetError: Error in operator dense0_fwd: Shape inconsistent, Provided = [3,4], inferred shape=(3,7)",
            "shapes",
        ),
        ("ValueError: operands could not be broadcast together with shapes (3,4) (7,9)", "shapes"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/train.csv'", "lists the channels"),
        ("KeyError: 'SM_CHANNEL_TRAIN'", "lists the channels"),
        ("KeyError: 'training'", "lists the channels"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("MemoryError", "smaller batch_size"),
        ("numpy.core._exceptions.MemoryError: Unable to allocate 7 GiB", "smaller batch_size"),
        ("ValueError: the loss is not finite", "smaller learning_rate"),
        ("AttributeError: module 'numpy' has no attribute 'bool8'", "this numpy no longer has"),
        ("MXNetError: Operator _ones is not implemented for GPU.", "use mx.cpu()"),
        ("TypeError: train() got an unexpected keyword argument 'hosts'", "the form of the contract"),
        ("TypeError: train() takes 1 positional argument but 4 were given", "the form of the contract"),
        ("RuntimeError: something else", "^$"),
    ],
)
def test_a_usual_cause_comes_with_what_to_do(recorded, error, hint):
    log = f'Traceback (most recent call last):\n  File "script.py", line 8, in <module>\n    train()\n{error}\n'
    cause = diagnose.explain(recorded(log=log, state=FAILED, exit_statuses={"algo-1": 1}))
    assert cause.reason == error
    assert re.search(hint, cause.hint)


def test_a_hint_may_come_from_the_last_words_of_a_program_without_a_traceback(recorded):
    log = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    run = recorded(log=log, state=FAILED, reason="the script was ended by SIGABRT", exit_statuses={"algo-1": -6})
    assert "smaller batch_size" in diagnose.explain(run).hint
