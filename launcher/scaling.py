"""How many samples a second a job would train on several hosts: a model, not a measurement.

A step of N hosts, with n samples on each, takes

    S + n (D d + C c) / p(T)      each host computes: d and c multiply-adds a sample in dense and convolutional layers
    + A + B b N                   if N > 1, the parameter server takes, adds and returns N gradients of b bytes
    + 2 b (N - 1) / W             and those of the other hosts go to the server's machine and back, at W bytes a second

The sum of compute, latency and bytes over bandwidth is Hockney's model (R. W. Hockney, "The communication challenge for
MPP", Parallel Computing 20, 1994); p(T) = T / (1 + K (T - 1)), for T threads, is Amdahl's law. An entry point sends its
gradients as one array, which MXNet divides among the N servers if it has more values than gluon_job.cluster says
(MXNET_KVSTORE_BIGARRAY_BOUND): on separate machines each of them then has an N-th of b.

S, D, C, K, A and B were fitted to measurements by `benchmarks/scaling.py`: scaling.json has them, their date and their
machine. Another machine's core may well be twice as fast or slow. What only hosts on separate machines have is W, which
is documented, and the network's round trip, which is an assumption.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FITTED = Path(__file__).with_name("scaling.json")
_DIVIDED = 200_000  # values; gluon_job.cluster has the same
_BYTES = 4  # of a float32
_ROUND_TRIP = 0.0002  # seconds, between machines of one zone; assumed
_WORTH_SHARING = 0.004  # seconds of a step, from which on an entry point uses more than one thread


@dataclass(frozen=True)
class Machine:
    """A host, or several hosts that share one machine.

    Attributes:
        name: SageMaker's name of the instance type, or `this machine`.
        cores: physical ones; AWS counts two vCPUs each.
        bandwidth: sustained, in bytes a second each way; None where all hosts share the machine.
    """

    name: str
    cores: int
    bandwidth: float | None


def _instance(name: str, vcpus: int, gigabits: float) -> Machine:
    return Machine(f"ml.{name}", vcpus // 2, gigabits * 1e9 / 8)


# vCPUs and baseline bandwidth (more for some minutes only), read in November 2026:
# https://docs.aws.amazon.com/ec2/latest/instancetypes/co.html and .../gp.html
INSTANCES = (
    _instance("m5.xlarge", 4, 1.25),
    _instance("c5.xlarge", 4, 1.25),
    _instance("c5.2xlarge", 8, 2.5),
    _instance("c5n.xlarge", 4, 5.0),
    _instance("c5n.2xlarge", 8, 10.0),
)


def this_machine() -> Machine:
    """The machine that simulates hosts."""
    return Machine("this machine", len(os.sched_getaffinity(0)), None)


@dataclass(frozen=True)
class Net:
    """What a net costs: the values it trains, and its multiply-adds a sample (forward) by the kind of layer."""

    parameters: int
    dense: int
    convolution: int


@dataclass(frozen=True)
class Fit:
    """The constants of the model, in seconds but for the last two.

    Attributes:
        step: S, what a step takes beside its samples.
        dense, convolution: D and C, a multiply-add with its part in the backward pass.
        latency: A, of a sum over several hosts.
        byte: B, a byte of one host's gradient, on the server's machine.
        serial: K, the share of a step that more threads do not shorten.
        measured: when and on what.
    """

    step: float
    dense: float
    convolution: float
    latency: float
    byte: float
    serial: float
    measured: str

    @classmethod
    def load(cls) -> Fit:
        """The fitted constants that come with glaunch."""
        content: dict[str, Any] = json.loads(FITTED.read_text("utf-8"))
        return cls(**content)

    def samples_per_second(self, net: Net, machine: Machine, hosts: int, batch_size: float, threads: int = 0) -> float:
        """Of all hosts together.

        Args:
            net: what they train.
            machine: each host, or the one that they share.
            hosts: how many.
            batch_size: the samples of a step, of all hosts together.
            threads: of each host; 0 for those that an entry point would choose.
        """
        seconds = self.compute(net, machine, hosts, batch_size / hosts, threads) + self.sum(net, machine, hosts)
        return batch_size / seconds

    def compute(self, net: Net, machine: Machine, hosts: int, samples: float, threads: int = 0) -> float:
        """The seconds in which each host computes its samples of a step."""
        seconds = samples * (self.dense * net.dense + self.convolution * net.convolution)
        shared = machine.bandwidth is None
        cores = max(1, machine.cores // hosts) if shared else machine.cores
        threads = threads or (cores if seconds > _WORTH_SHARING else 1)
        used = min(threads, cores)
        contention = max(1.0, hosts / machine.cores) if shared else 1.0
        return contention * (self.step + seconds * (1 + self.serial * (used - 1)) / used)

    def sum(self, net: Net, machine: Machine, hosts: int) -> float:
        """The seconds in which the hosts sum their gradients."""
        if hosts == 1:
            return 0.0
        size = net.parameters * _BYTES
        if machine.bandwidth is None:
            return self.latency + self.byte * size * hosts
        at_one_server = size / hosts if net.parameters >= _DIVIDED else size
        wire = 2 * at_one_server * (hosts - 1) / machine.bandwidth + 2 * _ROUND_TRIP
        return self.latency + self.byte * at_one_server * hosts + wire
