"""Why a job failed, from what real scripts leave in their logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from launcher import diagnose, source
from launcher.job import TrainingJob
from launcher.run import FAILED

MAIN = "if __name__ == '__main__':\n    "


@pytest.fixture
def fail(recorded, tmp_path):
    """`fail(files, alone=False)`: a run whose script, src/train.py, ran as on a host and failed."""

    def run_it(files, *, alone=False, before=""):
        src = tmp_path / "src"
        for name, text in files.items():
            (src / name).parent.mkdir(parents=True, exist_ok=True)
            (src / name).write_text(textwrap.dedent(text))
        run = recorded(TrainingJob(src / "train.py", None if alone else src), log=before)
        code = run.host("algo-1") / "code"
        program = source.stage(run.job, code)
        with run.log("algo-1").open("a") as log:
            # The variables that the container has for its toolkit, so that modules are named as there.
            variables = {**os.environ, "PYTHONPATH": str(code), "SM_OUTPUT_DIR": str(run.host("algo-1") / "output")}
            done = subprocess.run([sys.executable, program], cwd=code, env=variables, stdout=log, stderr=log, check=False)
        run.write_status(diagnose_status(run, done.returncode))
        return run

    def diagnose_status(run, exit_status):
        reason = diagnose.failure(run.log("algo-1"), exit_status).splitlines()[0]
        return recorded_status(run, reason, exit_status)

    return run_it


def recorded_status(run, reason, exit_status):
    from dataclasses import replace

    return replace(run.status, state=FAILED, reason=reason, exit_statuses={"algo-1": exit_status})
