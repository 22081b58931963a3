"""The training loop of pictures: batches are made by threads while the devices work on the one before."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from gluon_job import threads
from gluon_job.checkpoint import Checkpoints
from gluon_job.cluster import Cluster
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.fit import HYPERPARAMETERS as FIT_HYPERPARAMETERS
from gluon_job.fit import identity, initialize, print_digest, print_plan
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.order import Order
from gluon_job.progress import Epoch
from gluon_job.recovery import Recovery
from gluon_job.schedule import learning_rate
from gluon_job.vision.learner import LOSS_SCALE, Arrays, Learner, in_half_precision, with_frozen_statistics

HYPERPARAMETERS: Dict[str, Hyperparameter] = {
    **FIT_HYPERPARAMETERS,
    "batch_size": FIT_HYPERPARAMETERS["batch_size"]._replace(default=32),
    "learning_rate": Hyperparameter(0.01, "the highest one", above=0),
    "weight_decay": FIT_HYPERPARAMETERS["weight_decay"]._replace(default=0.0001),
    "schedule": FIT_HYPERPARAMETERS["schedule"]._replace(default="cosine"),
    "warmup_epochs": FIT_HYPERPARAMETERS["warmup_epochs"]._replace(default=1),
    "threads": Hyperparameter(0, "CPU contexts that share a batch; 0 is one for each core", low=0),
    "log_interval": FIT_HYPERPARAMETERS["log_interval"]._replace(default=20),
    "mixed_precision": Hyperparameter(False, "train in float16 where the device is a GPU; elsewhere it stays float32"),
    "freeze": Hyperparameter(False, "train the output layers alone, those that depend on the classes"),
    "validation_split": Hyperparameter(0.1, "share held back where the data has no validation part", low=0, high=0.5),
}
_AHEAD = 2  # batches that are made before they are needed
_MOST_READERS = 8


class PictureTask(NamedTuple):
    """What is learned.

    Attributes:
        samples: to train on, of this host.
        input_shape: of a sample, as the net takes it.
        batch: makes the arrays of some samples, given their indices and a generator for each; called from a thread.
        logits: the symbol of the net's outputs in training, to be given to `loss`.
        loss: the symbol of `Learner` that it makes of those.
        measures: what the outputs of `loss` are called: `loss`, and `accuracy` for 1 where a sample is right, else 0.
        score: measures the net on the validation data, given the learner; the first measure is the one that counts.
            None where there are no such data.
    """

    samples: int
    input_shape: Sequence[int]
    batch: Callable[[np.ndarray, List[np.random.RandomState], Any], Arrays]
    logits: Any
    loss: Callable[[Any, float], Any]
    measures: Sequence[str]
    score: Optional[Callable[[Learner], Dict[str, float]]]


def fit(
    net: Any,
    task: Callable[[Any], PictureTask],
    values: Dict[str, Any],
    contexts: Sequence[Any],
    cluster: Cluster,
    sharded: bool = False,
    checkpoints: Optional[Checkpoints] = None,
) -> List[Epoch]:
    """Trains a network in place and prints its progress; the same seed, data and devices give the same parameters.

    Args:
        net: a HybridBlock, `Normalized`.
        task: makes the task of the initialized net.
        values: a value for each of HYPERPARAMETERS.
        contexts: the devices that share every batch; a CPU is divided by the hyperparameter `threads`.
        cluster, sharded, checkpoints: as of `gluon_job.fit.fit`.

    Returns:
        The epochs trained here.

    Raises:
        InputError: more samples in a batch than there are, patience without validation data, a loss not finite, a
            checkpoint of another job.
    """
    if values["batch_size_per_host"]:
        values = {**values, "batch_size": values["batch_size_per_host"] * cluster.size}
    made = task(net)
    samples = cluster.agree("samples", made.samples)
    total = sum(samples) if sharded else samples[0]
    _check(total, made, values)
    order = Order(samples, cluster.index, sharded, values["batch_size"], values["seed"])
    initialize(net, tuple(made.input_shape), values["seed"], [mx.cpu()])
    recovery = Recovery(checkpoints, cluster, {**identity(net, values), "samples": total})
    if contexts[0].device_type == "cpu":
        contexts = [mx.cpu(i) for i in range(values["threads"] or recovery.threads or threads.available())]
    half = values["mixed_precision"] and contexts[0].device_type == "gpu"
    scale = LOSS_SCALE if half else 1.0
    logits = with_frozen_statistics(made.logits, net) if values["freeze"] else made.logits
    loss = made.loss(in_half_precision(logits) if half else logits, scale)
    learner = Learner(net, loss, scale, values, contexts, cluster)
    print_plan(net, values, order, total, f"{learner.contexts} device(s)", cluster)
    position, history = recovery.resume(learner), []
    with ThreadPoolExecutor(1) as maker, ThreadPoolExecutor(min(_MOST_READERS, threads.available())) as readers:
        while not position.is_end(values):
            mx.random.seed(order.noise_seed(position.epoch))
            batches = _made(made, order, position.epoch, values["seed"], maker, readers)
            epoch = _train(learner, made, batches, order, position.epoch, values, cluster)
            history.append(epoch)
            if cluster.is_first:
                epoch.report()
            position = position.after(epoch, values["patience"])
            if position.is_best:
                learner.store()
            recovery.note(position, learner, values["patience"])
    print_digest(net, cluster)
    return history


def _made(task: PictureTask, order: Order, epoch: int, seed: int, maker: Any, readers: Any) -> Iterator[Arrays]:
    """The batches of an epoch, some made in advance."""

    def make(indices: np.ndarray) -> Arrays:
        randoms = [np.random.RandomState([seed, epoch, i]) for i in indices]
        return task.batch(indices, randoms, readers.map)

    waiting = deque()  # type: Any
    for indices in order.epoch(epoch)[0]:
        waiting.append(maker.submit(make, indices))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _train(
    learner: Learner,
    task: PictureTask,
    batches: Iterator[Arrays],
    order: Order,
    number: int,
    values: Mapping[str, Any],
    cluster: Cluster,
) -> Epoch:
    tally = _Tally(number, task.measures, values, cluster)
    before = None
    for i, (batch, total) in enumerate(zip(batches, order.epoch(number)[1])):
        rate = learning_rate(values, number * order.steps + i, order.steps)
        outputs = learner.train(batch, total, rate)
        # Counted a batch late: the devices have the next to work on while Python waits for this one.
        if before is not None:
            tally.count(i, before)
        before = outputs
    tally.count(order.steps, before)
    learner.average_statistics()
    training, speed = tally.finish()
    validation = task.score(learner) if task.score else {}
    return Epoch(number, training, validation, speed, next(iter(validation.values()), None))


class _Tally:
    """Counts the samples of an epoch; the first host prints a line now and then."""

    def __init__(self, epoch: int, measures: Sequence[str], values: Mapping[str, Any], cluster: Cluster) -> None:
        self._epoch, self._measures, self._values, self._cluster = epoch, list(measures), values, cluster
        self._sums, self._samples, self._started = np.zeros(len(measures)), 0, time.perf_counter()

    def count(self, batches: int, outputs: Any) -> None:
        """Waits for a batch, after which so many of the epoch are done. InputError: its loss is not finite."""
        for found, size in outputs:
            self._samples += size
            self._sums += [float(array.asnumpy()[:size].sum(dtype=np.float64)) for array in found]
        if not np.isfinite(self._sums).all():
            raise InputError(
                f"the loss is not finite after epoch {self._epoch}, batch {batches}, with learning_rate "
                f"{self._values['learning_rate']:g}: try a smaller learning_rate"
            )
        interval = self._values["log_interval"]
        if interval and batches % interval == 0 and self._cluster.is_first and self._samples:
            # The first of `accuracy` and `loss`, and the speed.
            name, total = min(zip(self._measures, self._sums))
            print(
                f"[Epoch {self._epoch} Batch {batches}] Training: {name}={total / self._samples:.6f}, "
                f"{self._samples / (time.perf_counter() - self._started):.1f} samples/s",
                flush=True,
            )

    def finish(self) -> Any:
        """The means of all hosts together, by name, and their samples a second."""
        samples, *sums = self._cluster.sum("epoch", [self._samples, *self._sums])
        seconds = time.perf_counter() - self._started
        means = {name: float(total / samples) for name, total in zip(self._measures, sums)}
        return means, samples / seconds


def _check(samples: int, task: PictureTask, values: Mapping[str, Any]) -> None:
    if values["batch_size"] > samples:
        raise InputError(f"batch_size is {values['batch_size']}, but there are only {samples} training samples")
    if values["patience"] and task.score is None:
        raise InputError("patience needs validation data, and this job has none")
