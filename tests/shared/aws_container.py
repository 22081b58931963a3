"""AWS's own container code, `sagemaker-mxnet-training`, without Docker: a directory as /opt/ml, and what runs in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest


def two_hosts() -> list[str]:
    """Names that resolve, as the names of SageMaker's hosts do: both mean this machine."""
    name = socket.gethostname()
    try:
        socket.gethostbyname(name)
    except OSError:
        pytest.skip(f"this machine's own name, {name}, does not resolve: there is no second host's name to try")
    return ["localhost", name]


def write_config(
    base: Path, host: str, hosts: list[str], hyperparameters: Mapping[str, str], channels: Iterable[str]
) -> None:
    """What SageMaker says of a job to a host, as the files of /opt/ml/input/config.

    Args:
        base: the host's /opt/ml.
        host: its name.
        hosts: all of them.
        hyperparameters: as in CreateTrainingJob, each as JSON.
        channels: their names.
    """
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    config = {
        "hyperparameters": dict(hyperparameters),
        "resourceconfig": {"current_host": host, "hosts": hosts, "network_interface_name": "lo"},
        "inputdataconfig": dict.fromkeys(channels, channel),
    }
    for name, content in config.items():
        (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def run_containers(python: str, bases: list[Path], **more: str) -> list[str]:
    """What the containers' main processes print, when all have ended well; a container's end is that of the others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SM_", "DMLC_"))}
    # The image starts `python`, and has an interface of its own: here it is the loopback's.
    path = os.path.dirname(python) + os.pathsep + os.environ["PATH"]
    variables = {**inherited, "PATH": path, "DMLC_NODE_HOST": "127.0.0.1", **more}
    mains = []
    try:
        for base in bases:
            with (base / "log").open("wb") as log:
                mains.append(
                    subprocess.Popen(
                        [python, "-c", "from sagemaker_mxnet_container import training; training.main()"],
                        env={**variables, "SAGEMAKER_BASE_DIR": str(base)},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        statuses = [main.wait(timeout=120) for main in mains]
    finally:
        for main in mains:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(main.pid, signal.SIGKILL)
            main.wait()
    logs = [(base / "log").read_text() for base in bases]
    assert statuses == [0] * len(bases), "\n".join(logs)
    return logs


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
