"""Why a job failed: the user's own exception in the log, and a hint for the usual causes."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any, NamedTuple

from launcher.run import Run

_TAIL = 2**18  # bytes of the log that are looked at: a traceback is at the end
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$')
_START = "Traceback (most recent call last):"

_HINTS = (
    (r"InputError: ", ""),  # its message says what to do
    (
        r"ModuleNotFoundError|ImportError: No module named",
        (
            "the module is not there: a script travels alone unless `--source-dir DIR` sends a directory with it; "
            "packages go into DIR/requirements.txt"
        ),
    ),
    (
        r"Shape inconsistent|shape.*(mismatch|incompatible)|Incompatible attr|Check failed: .*shape",
        "two arrays have shapes that do not go together: print the shapes before the line above",
    ),
    (r"FileNotFoundError|No such file", "is the file in the channel? `glaunch show JOB` lists the channels"),
    (
        r"KeyError: .*(SM_|channel|training|train)",
        "is the channel or variable named so? `glaunch show JOB` lists the channels",
    ),
    (r"No space left on device|Errno 28", "the disk is full: `glaunch doctor` shows how much room there is"),
    (r"MemoryError|bad_alloc|Cannot allocate memory", "out of memory: a smaller batch_size, or fewer data at once"),
    (r"unrecognized arguments", "the script's argparse does not know a hyperparameter: compare the names"),
    (r"loss is not finite|not finite", "the training diverged: a smaller learning_rate"),
    (r"module 'numpy' has no attribute", "the script uses a name that this numpy no longer has"),
    (r"GPU is not enabled|Compile with USE_CUDA", "this MXNet has no GPU support: use mx.cpu() when num_gpus is 0"),
    (
        r"takes .* positional argument|unexpected keyword argument",
        "train(channel_input_dirs, hyperparameters, hosts, num_gpus, **kwargs) is the form of the contract",
    ),
)


class Frame(NamedTuple):
    """One line of a traceback."""

    file: str
    line: int
    function: str
    code: str


class Cause(NamedTuple):
    """Why a run failed.

    Attributes:
        reason: the exception with its message, or how the script ended.
        frame: the last line of the user's own code in the traceback, its file where the user has it.
        traceback: as printed, or "".
        hint: what to do about it, or "".
    """

    reason: str
    frame: Frame | None
    traceback: str
    hint: str


def explain(run: Run) -> Cause:
    """The cause of a failed run, from its record, failure file and log."""
    host = run.hosts[0]
    reason = run.status.reason
    trace = _last_traceback(_end_of(run.log(host)))
    if trace:
        reason = _reason(trace) or reason
    return Cause(reason, _users_frame(run, trace), trace, _hint(f"{reason}\n{trace}"))


def failure(log: Path, exit_status: int) -> str:
    """What goes into the failure file of a script that did not write one: the reason first, then the traceback."""
    trace = _last_traceback(_end_of(log))
    reason = _reason(trace) or f"the script {_ending(exit_status)}"
    return f"{reason}\n\n{trace}" if trace else f"{reason}\n"


def _ending(exit_status: int) -> str:
    if exit_status >= 0:
        return f"exited with status {exit_status}"
    name = signal.Signals(-exit_status).name
    kernel = ": usually the kernel, when memory ran out" if -exit_status == signal.SIGKILL else ""
    return f"was ended by {name}{kernel}"


def _end_of(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace")


def _last_traceback(text: str) -> str:
    """The last traceback of a text with the exception's message, or the line of an input error."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line == _START]
    if not starts:
        return next((line for line in reversed(lines) if line.startswith("InputError: ")), "")
    lines = lines[starts[-1] :]
    error = next((number for number, line in enumerate(lines[1:], 1) if line and not line.startswith(" ")), len(lines))
    end = error + 1
    if error < len(lines) and lines[error].endswith(_START):  # MXNet puts its own stack into the message
        end = next((number for number in range(end, len(lines)) if not lines[number].startswith(" ")), end) + 1
    return "\n".join(lines[:end])


def _reason(trace: str) -> str:
    return trace.splitlines()[-1].strip() if trace else ""


def _users_frame(run: Run, trace: str) -> Frame | None:
    """The last frame in the code that the user gave, rather than in gluon_job or a library."""
    code = str(run.host(run.hosts[0]) / "code") + "/"
    found = None
    lines = trace.splitlines()
    for number, line in enumerate(lines):
        match = _FRAME.match(line)
        if match is None:
            continue
        # Up to Python 3.8 the program itself has a relative name.
        inside = match["file"].startswith(code)
        name = match["file"][len(code) :] if inside else match["file"]
        own = inside or (name.endswith(".py") and not name.startswith("/"))
        if own and not name.startswith(("gluon_job/", "glaunch_main.py")):
            text = lines[number + 1].strip() if number + 1 < len(lines) else ""
            found = Frame(_original(run.job_content, name), int(match["line"]), match["function"], text)
    return found


def _original(job: dict[str, Any], name: str) -> str:
    """Where the user has a file of the job's code."""
    source_dir = job.get("source_dir")
    if source_dir:
        return str(Path(source_dir) / name)
    script = Path(job["entry_point"])
    return str(script) if script.name == name else name


def _hint(text: str) -> str:
    return next((hint for pattern, hint in _HINTS if re.search(pattern, text)), "")
