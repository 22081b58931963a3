"""What a job would do, without running it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import library, question, scaling, source
from launcher.job import TrainingJob
from launcher.local import channels

_MEASURED = ("mnist_mlp", "mnist_cnn")  # the entry points whose speed `launcher.scaling` knows
# Those that gluon_job.describe can describe.
_DESCRIBED = (*_MEASURED, "matrix_factorization", "image_classifier", "object_detector")
_DEADLINE = 120.0  # seconds, to import MXNet and read the data
_HOSTS_SHOWN = 4  # unless the job has several


@dataclass(frozen=True)
class ChannelContent:
    """A channel's source, and how many files and bytes it has; None of one that is in S3."""

    source: str
    distribution: str
    files: int | None
    bytes: int | None


@dataclass(frozen=True)
class Net:
    """What would be trained, where that can be told without running the script.

    Attributes:
        values: every hyperparameter, defaults too.
        samples: of the training data.
        size: of the net.
    """

    values: dict[str, Any]
    samples: int
    size: scaling.Net

    def batch_size(self, hosts: int) -> int:
        """The samples of a step, of all hosts together."""
        own = self.values["batch_size_per_host"]
        return int(own * hosts if own else self.values["batch_size"])

    def steps(self, hosts: int) -> int:
        """Of an epoch."""
        return -(-self.samples // self.batch_size(hosts))


@dataclass(frozen=True)
class Speed:
    """Samples a second on 1, 2, 3 ... hosts of a kind of machine, by the model of `launcher.scaling`."""

    machine: str
    samples_per_second: list[float]


@dataclass(frozen=True)
class Plan:
    """What a job would do.

    Attributes:
        job: it.
        runs_as: how its script is run.
        channels: by name.
        net: what would be trained; None for a script that would have to be run to know.
        speeds: empty where they are not known.
    """

    job: TrainingJob
    runs_as: str
    channels: dict[str, ChannelContent]
    net: Net | None
    speeds: list[Speed]


def plan(job: TrainingJob, on_aws: bool = False) -> Plan:
    """Looks at a job: its script, its data and, for an entry point of ours, its net.

    Args:
        job: it.
        on_aws: whether its data may be in S3; then nothing is known of them, nor of the net.

    Raises:
        UserError: what the job itself would fail of before its first step, as far as that can be told.
        JobFailed: the net could not be looked at, in time or at all.
    """
    runs_as = "a program" if source.kind(job.script) == source.OWN_MAIN else "train() and save() of the older kind"
    files, contents = {}, {}
    for name, channel in job.channels.items():
        if on_aws and isinstance(channel.source, str):
            contents[name] = ChannelContent(channel.source, channel.distribution, None, None)
            continue
        files[name] = channels.files(name, channel.path)
        size = sum(os.path.getsize(path) for path in files[name].values())
        contents[name] = ChannelContent(str(channel.source), channel.distribution, len(files[name]), size)
    built_in = library.built_in()
    if job.script not in (built_in.get(name) for name in _DESCRIBED) or len(files) < len(contents):
        return Plan(job, runs_as, contents, None, [])
    net = _net(job, files)
    is_measured = job.script in (built_in[name] for name in _MEASURED)
    return Plan(job, runs_as, contents, net, _speeds(net, job.hosts) if is_measured else [])


def _net(job: TrainingJob, files: dict[str, dict[str, str]]) -> Net:
    """Asks the entry point, in a process of its own: it imports MXNet."""
    with tempfile.TemporaryDirectory(prefix="glaunch-plan-") as directory:
        for name, found in files.items():
            channels.link(found, Path(directory) / name)
        request = {
            "script": job.script.stem,
            "hyperparameters": dict(job.hyperparameters),
            "channel_input_dirs": {name: str(Path(directory) / name) for name in files},
        }
        told = question.ask(
            "describe",
            failing="the net could not be built",
            deadline=_DEADLINE,
            request=request,
            environment=job.environment,
        )
    return Net(
        told["values"],
        told["samples"],
        scaling.Net(told["parameters"], told["dense"], told["convolution"]),
    )


def _speeds(net: Net, hosts: int) -> list[Speed]:
    fit = scaling.Fit.load()
    counts = range(1, (hosts if hosts > 1 else _HOSTS_SHOWN) + 1)
    return [
        Speed(
            machine.name,
            [
                fit.samples_per_second(net.size, machine, count, net.batch_size(count), net.values["threads"])
                for count in counts
            ],
        )
        for machine in (scaling.this_machine(), *scaling.INSTANCES)
    ]
