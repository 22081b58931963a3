"""The training loop: fast because the devices never wait for Python.

Images stay uint8 on the device. Sixteen batches are gathered at a time, each batch is one graph, and while the devices
work on one group Python prepares the next and only then counts the one before.
"""

import time
import warnings
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from gluon_job import threads
from gluon_job.checkpoint import Checkpoints
from gluon_job.cluster import Cluster, digest
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.order import Order
from gluon_job.progress import Epoch, Progress
from gluon_job.recovery import Recovery
from gluon_job.replicas import Replicas
from gluon_job.schedule import learning_rate
from gluon_job.task import Task

HYPERPARAMETERS: Dict[str, Hyperparameter] = {
    "optimizer": Hyperparameter("sgd", "how the weights move", kind=str, choices=["sgd", "adam", "rmsprop"]),
    "learning_rate": Hyperparameter(None, "the first one; by default the optimizer's usual", kind=float, above=0),
    "momentum": Hyperparameter(0.9, "of sgd", low=0, high=1),
    "weight_decay": Hyperparameter(0.0, "pull of every weight towards zero", low=0),
    "batch_size": Hyperparameter(100, "samples a step, of all hosts together", low=1),
    "batch_size_per_host": Hyperparameter(None, "samples a step of each host, instead", kind=int, low=1),
    "epochs": Hyperparameter(10, "passes over the training data", low=1),
    "seed": Hyperparameter(1, "of the first weights, the order of the samples and dropout", low=0, high=2**31 - 1),
    "threads": Hyperparameter(0, "CPU threads; 0 measures whether several are faster than one", low=0),
    "log_interval": Hyperparameter(100, "batches between two progress lines; 0 for none", low=0),
    "patience": Hyperparameter(0, "epochs without a better validation before stopping; 0 for never", low=0),
    "schedule": Hyperparameter("constant", "of the learning rate", choices=["constant", "step", "cosine"]),
    "step_epochs": Hyperparameter([], "epochs at which the schedule `step` lowers the rate", kind=[int], low=1),
    "step_factor": Hyperparameter(0.1, "what the schedule `step` multiplies the rate with", above=0, high=1),
    "warmup_epochs": Hyperparameter(0, "epochs in which the rate rises from zero", low=0),
}
_MEASURED = 3  # times, of which the fastest counts: the others had company

Data = Tuple[np.ndarray, np.ndarray]


def fit(
    net: Any,
    training: Data,
    validation: Optional[Data],
    hyperparameters: Mapping[str, Any],
    contexts: Sequence[Any],
    cluster: Optional[Cluster] = None,
    sharded: bool = False,
    checkpoints: Optional[Checkpoints] = None,
    task: Optional[Task] = None,
) -> List[Epoch]:
    """Trains a network in place and prints its progress.

    The same seed, data and number of threads give the same parameters, bit for bit, whether or not the training was
    interrupted and resumed; several hosts give those of one host with the same batches, but for rounding, and all of
    them the same.

    Args:
        net: a HybridBlock; float32 images (N, 1, height, width) from 0 to 1 in, logits (N, classes) out. Parameters
            without values get them from the seed.
        training, validation: images uint8 (N, 1, height, width) and labels int (N,).
        hyperparameters: a value for each of HYPERPARAMETERS.
        contexts: the devices that share every batch; a single CPU is divided by the hyperparameter `threads`.
        cluster: the hosts; this one alone by default. The first prints for all.
        sharded: whether this host has its own training samples, instead of all of them. Validation data are the same
            on every host.
        checkpoints: the training goes on from the last of the first host's, and that host writes new ones.
        task: what net, training and validation are, where they are not as said above.

    Returns:
        The epochs trained here.

    Raises:
        InputError: more samples in a batch than there are, patience without validation data, a loss not finite, a
            checkpoint of another job.
    """
    values, cluster, task = dict(hyperparameters), cluster or Cluster(), task or Task()
    if values.get("batch_size_per_host"):
        values["batch_size"] = values["batch_size_per_host"] * cluster.size
    samples = cluster.agree("samples", len(training[0]))
    total = sum(samples) if sharded else samples[0]
    _check(total, validation, values)
    order = Order(samples, cluster.index, sharded, values["batch_size"], values["seed"])
    initialize(net, training[0].shape[1:], values["seed"], contexts)
    recovery = Recovery(checkpoints, cluster, {**identity(net, values), "samples": total, **task.identity})
    values["threads"] = values["threads"] or recovery.threads
    replicas = _replicas(net, task, training, values, contexts, cluster)
    print_plan(net, values, order, total, f"{replicas.threads} thread(s)", cluster)
    position, history = recovery.resume(replicas), []
    while not position.is_end(values):
        progress = _train(replicas, task, order, position.epoch, values, cluster)
        replicas.average_statistics()
        epoch = progress.finish(task.score(replicas, validation) if validation is not None else {})
        if cluster.is_first:
            epoch.report()
        history.append(epoch)
        position = position.after(epoch, values["patience"])
        if position.is_best:
            replicas.store()
        recovery.note(position, replicas, values["patience"])
    print_digest(net, cluster)
    return history


def print_plan(net: Any, values: Mapping[str, Any], order: Order, total: int, on: str, cluster: Cluster) -> None:
    """Says what a training is about to do, in the words that glaunch reads.

    Args:
        net: with its parameters.
        values: hyperparameters.
        order: of the samples of this host.
        total: samples of all hosts.
        on: what of each host works, `2 thread(s)`.
        cluster: the hosts.
    """
    if cluster.size > 1:
        print(f"Shard: {sum(map(len, order.epoch(0)[0]))} of {total} samples", flush=True)
    if cluster.is_first:
        hosts = f" on each of {cluster.size} hosts" if cluster.size > 1 else ""
        print(
            f"Training on {total} samples: {values['epochs']} epochs of {order.steps} batches, "
            f"{parameter_count(net)} parameters, {on}{hosts}.",
            flush=True,
        )


def print_digest(net: Any, cluster: Cluster) -> None:
    """Says the fingerprint of the parameters of each of several hosts, which are the same if all went well."""
    if cluster.size > 1:
        parameters = {name: parameter.list_data()[0] for name, parameter in net.collect_params().items()}
        print(f"Parameters: digest {digest(parameters)}", flush=True)


def _train(
    replicas: Replicas, task: Task, order: Order, number: int, values: Mapping[str, Any], cluster: Cluster
) -> Progress:
    """Trains an epoch."""
    mx.random.seed(order.noise_seed(number))
    batches, totals = order.epoch(number)
    progress = Progress(number, values, cluster, task.meter())
    samples = task.samples(number)
    if samples is not None:
        replicas.replace(*samples)
    shares = replicas.share(batches)
    begin, uncounted = 0, None
    while begin < len(batches):
        end = progress.group_end(begin, len(batches))
        steps = range(number * len(batches) + begin, number * len(batches) + end)
        outcome = replicas.train(
            shares, begin, totals[begin:end], [learning_rate(values, i, len(batches)) for i in steps]
        )
        # Counted one group late: the devices have the next group to work on while Python waits for this one.
        if uncounted:
            progress.count(*uncounted)
        begin, uncounted = end, (end, outcome)
    progress.count(*uncounted)
    return progress


def _replicas(
    net: Any, task: Task, training: Data, values: Mapping[str, Any], contexts: Sequence[Any], cluster: Cluster
) -> Replicas:
    # Uploaded after the net's first forward: the other way round OpenMP is left with a thread too many, spinning.
    images = mx.nd.array(training[0], ctx=contexts[0], dtype=task.dtype)

    graphs = task.graphs(net)
    size = -(-values["batch_size"] // cluster.size)

    def on(count: int, hosts: Cluster = cluster) -> Replicas:
        shared = contexts if len(contexts) > 1 or count == 1 else [mx.cpu(i) for i in range(count)]
        return Replicas(net, graphs, images, training[1], values, shared, hosts)

    def seconds(count: int) -> float:
        replicas, batches = on(count, Cluster()), [np.arange(min(size, len(training[0])))] * 2
        shares = replicas.share(batches)
        measured = []
        for _ in range(1 + _MEASURED):  # the first makes the plan
            mx.nd.waitall()
            started = time.perf_counter()
            replicas.train(shares, 0, list(map(len, batches)), [0.0, 0.0])
            mx.nd.waitall()
            measured.append((time.perf_counter() - started) / len(batches))
        return min(measured)

    if len(contexts) > 1 or contexts[0].device_type != "cpu":
        return on(1)
    if values["threads"]:
        return on(values["threads"])
    # Batch normalization would see the statistics of a share of the batch instead of the batch's.
    limit = 1 if graphs.has_statistics else min(threads.available(), size)
    return on(threads.choose(seconds, limit))


def initialize(net: Any, shape: Tuple[int, ...], seed: int, contexts: Sequence[Any]) -> None:
    """Gives the parameters without values theirs, from the seed, and all of them a place on each device.

    Args:
        shape: of a sample.

    Raises:
        InputError: the net does not take such a sample.
    """
    mx.random.seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the parameters that have values, and keep them
        net.initialize(mx.init.Xavier(magnitude=2.24), ctx=contexts)
    net.collect_params().reset_ctx(contexts)
    try:
        for ctx in contexts:
            net(mx.nd.zeros((2, *shape), ctx=ctx)).wait_to_read()
    except (mx.base.MXNetError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"the net cannot take images of {shape[-2]} x {shape[-1]}: {reason}") from None


def _check(samples: int, validation: Optional[Data], values: Mapping[str, Any]) -> None:
    if values["batch_size"] > samples:
        raise InputError(f"batch_size is {values['batch_size']}, but there are only {samples} training samples")
    if values["patience"] and validation is None:
        raise InputError("patience needs validation data, and this job has none")


def identity(net: Any, values: Mapping[str, Any]) -> Dict[str, Any]:
    """What a checkpoint must have been made with, as JSON values."""
    shapes = sorted([p.name, list(p.shape)] for p in net.collect_params().values())
    return {**{name: values[name] for name in ("optimizer", "batch_size", "seed")}, "parameters": shapes}


def parameter_count(net: Any) -> int:
    """The number of values that training moves."""
    return sum(p.data().size for p in net.collect_params().values() if p.grad_req != "null")
