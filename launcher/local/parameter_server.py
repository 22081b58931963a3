"""MXNet's parameter server on the hosts of one machine: who plays which role, and the variables that tell them so.

One scheduler, a server and a worker a host, as AWS's MXNet container starts them
(https://github.com/aws/sagemaker-mxnet-training-toolkit). ps-lite finds its peers through DMLC_* variables
(https://mxnet.apache.org/versions/1.9.1/api/faq/distributed_training).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher.local.supervisor import Command, Ending

SERVE = [sys.executable, str(Path(__file__).parent / "image" / "parameter_server_role.py")]
_HEARTBEAT = {"PS_HEARTBEAT_INTERVAL": "1", "PS_HEARTBEAT_TIMEOUT": "6"}  # seconds


def variables(hosts: Sequence[str], host: str, role: str, port: int) -> dict[str, str]:
    """The variables of one role on one host.

    Args:
        hosts: the names of all, in order.
        host: whose role it is.
        role: `scheduler`, `server` or `worker`.
        port: the scheduler's.
    """
    return {
        "DMLC_ROLE": role,
        "DMLC_NUM_WORKER": str(len(hosts)),
        "DMLC_NUM_SERVER": str(len(hosts)),
        "DMLC_PS_ROOT_URI": address(0),  # an address: ps-lite's scheduler cannot bind to a name
        "DMLC_PS_ROOT_PORT": str(port),
        "DMLC_NODE_HOST": address(hosts.index(host)),
        **_HEARTBEAT,
    }


def address(index: int) -> str:
    """The loopback address of the host at an index: each has its own, as machines have."""
    return f"127.0.0.{index + 1}"


def free_port() -> int:
    """A port that nothing listens on now; another process may take it before the scheduler does."""
    with socket.socket() as probe:
        probe.bind((address(0), 0))
        return int(probe.getsockname()[1])


def surround(workers: Sequence[Command], logs: Path) -> list[Command]:
    """The commands of a job with a scheduler and servers before its workers, on a port that is free now.

    Args:
        workers: a command a host, named as the host, in the order of the hosts.
        logs: the directory of the run's logs.
    """
    hosts = [worker.name for worker in workers]
    port = free_port()

    def play(role: str, worker: Command) -> Command:
        environment = {**worker.environment, **variables(hosts, worker.name, role, port)}
        if role == "worker":
            return worker._replace(environment=environment)
        log = logs / f"{worker.name}.{role}.log"
        return Command(_name(role, worker.name), SERVE, environment, logs, log, is_worker=False)

    return [
        play("scheduler", workers[0]),
        *(play("server", worker) for worker in workers),
        *(play("worker", worker) for worker in workers),
    ]


def server_of(host: str) -> str:
    """The name of the command that is a host's server."""
    return _name("server", host)


def _name(role: str, host: str) -> str:
    return f"{role} of {host}"


def lost_its_port(ending: Ending, commands: Sequence[Command]) -> bool:
    """Whether a job failed because another process had taken the scheduler's port."""
    scheduler = commands[0]
    return ending.failed == scheduler.name and b"bind failed" in scheduler.log.read_bytes()
