"""Why a job failed: the user's own exception in the log, and a hint for the usual causes."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any, NamedTuple

from launcher.run import Run

RESTART = "[glaunch] "  # begins the line of a log after which another attempt of the job follows
_IN_CONTAINER = "/opt/ml/code/"  # where a host on SageMaker has the job's code
_TAIL = 2**18  # bytes of the log that are looked at: a traceback is at the end
_LAST_WORDS = 2**9  # bytes of what a program without a traceback says before it ends
# A syntax error's place is in no function.
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
# The line before may not have been ended, as that of a progress bar. MXNet puts a traceback of its own into a message.
_START = "Traceback (most recent call last):"
_START_LINE = re.compile(rf"(?!\s*[|+]|[\w.]+: Traceback).*{re.escape(_START)}")
_ONE_LINE = re.compile(r"InputError: |[\w.-]+\.py: error: ")  # gluon_job's and argparse's own
_SIGNALS = {number.value: number.name for number in signal.Signals}

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
        r"Shape inconsistent|shape.*(mismatch|incompatible)|Incompatible attr|Check failed: .*shape|broadcast together",
        "two arrays have shapes that do not go together: print the shapes before the line above",
    ),
    (r"FileNotFoundError|No such file", "is the file in the channel? `glaunch show JOB` lists the channels"),
    (
        r"KeyError: .*(SM_|channel|training|train)",
        "is the channel or variable named so? `glaunch show JOB` lists the channels",
    ),
    (r"No space left on device|Errno 28", "the disk is full: `glaunch doctor` shows how much room there is"),
    (
        r"MemoryError|bad_alloc|Cannot allocate memory|memory ran out",
        "out of memory: a smaller batch_size, or fewer data at once",
    ),
    (r"unrecognized arguments", "the script's argparse does not know a hyperparameter: compare the names"),
    (r"loss is not finite|not finite", "the training diverged: a smaller learning_rate"),
    (r"module 'numpy' has no attribute", "the script uses a name that this numpy no longer has"),
    (r"GPU is not enabled|for GPU|USE_CUDA", "this MXNet has no GPU support: use mx.cpu() when num_gpus is 0"),
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
    status = run.status
    host = status.failed_host or run.hosts[0]
    exit_status = status.exit_statuses.get(host, 0)
    trace = _trace_of(run.log(host), exit_status)
    reason = _reason(trace) or status.reason
    said = trace or (_end_of(run.log(host), _LAST_WORDS) if exit_status else "")
    return Cause(reason, _users_frame(run, host, trace), trace, _hint(f"{reason}\n{said}"))


def failure(log: Path, exit_status: int) -> str:
    """What goes into the failure file of a script that did not write one: the reason first, then the traceback."""
    trace = _trace_of(log, exit_status)
    reason = _reason(trace) or f"the script {ending(exit_status)}"
    return f"{reason}\n\n{trace}" if trace else f"{reason}\n"


def role_failure(name: str, log: Path, exit_status: int) -> str:
    """As `failure`, for a process that serves the scripts: how it ended, then the last that it said."""
    return f"the {name} {ending(exit_status)}\n\n{_end_of(log, _LAST_WORDS)}".rstrip() + "\n"


def ending(exit_status: int) -> str:
    """How a process ended, as the end of a sentence that begins with its name."""
    if exit_status >= 0:
        return f"exited with status {exit_status}"
    name = _SIGNALS.get(-exit_status, f"signal {-exit_status}")
    why = ": usually the kernel, when memory ran out" if -exit_status == signal.SIGKILL else ""
    return f"was ended by {name}{why}"


def _trace_of(log: Path, exit_status: int) -> str:
    """The traceback that ended a script. One in the log of a script that ended well, or by a signal, was overcome."""
    return _last_error(_end_of(log, _TAIL).rpartition(f"\n{RESTART}attempt ")[2]) if exit_status > 0 else ""


def _end_of(log: Path, size: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - size))
        return file.read().decode("utf-8", "replace")


def _last_error(text: str) -> str:
    """The last traceback of a text with the exception's message, or the line of an error that has none."""
    lines = text.splitlines()
    starts = [number for number in range(len(lines)) if _begins_error(lines, number)]
    if not starts:
        return ""
    lines = lines[starts[-1] :]
    if not _START_LINE.fullmatch(lines[0]):
        return lines[0]
    error = next((number for number, line in enumerate(lines[1:], 1) if line and not line.startswith(" ")), len(lines))
    end = error + 1
    if error < len(lines) and lines[error].endswith(_START):  # MXNet puts its own stack into the message
        end = next((number for number in range(end, len(lines)) if not lines[number].startswith(" ")), end) + 1
    return "\n".join([_START, *lines[1:end]])


def begins_error(line: str) -> bool:
    """Whether a line of a log begins a traceback, or is the whole of an error that has none."""
    return bool(_START_LINE.fullmatch(line) or _ONE_LINE.match(line))


def _begins_error(lines: list[str], number: int) -> bool:
    line, before = lines[number], lines[number - 1] if number else ""
    if _START_LINE.fullmatch(line):
        return not before.startswith("Exception ignored ")  # of an object's end, often after the one that counts
    return bool(_ONE_LINE.match(line)) and not before.startswith("  ")  # there it ends a traceback


def _reason(trace: str) -> str:
    """The exception with its message, or "" of a traceback that breaks off before."""
    last = trace.splitlines()[-1] if trace else ""
    return "" if last.startswith((" ", _START)) else last.rstrip()


def _users_frame(run: Run, host: str, trace: str) -> Frame | None:
    """The last frame in the code that the user gave, rather than in gluon_job or a library."""
    code = run.host(host) / "code"
    # Python names the program as its directory is really called.
    codes = (f"{code}/", f"{code.resolve()}/", _IN_CONTAINER)
    found = None
    lines = trace.splitlines()
    for number, line in enumerate(lines):
        match = _FRAME.match(line)
        if match is None:
            continue
        # Up to Python 3.8 the program itself has a relative name.
        name = next((match["file"][len(one) :] for one in codes if match["file"].startswith(one)), match["file"])
        own = name.endswith(".py") and not name.startswith("/")
        if own and not name.startswith(("gluon_job/", "glaunch_main.py")):
            text = lines[number + 1].strip() if number + 1 < len(lines) else ""
            found = Frame(_original(run.job_content, name), int(match["line"]), match["function"] or "<module>", text)
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
