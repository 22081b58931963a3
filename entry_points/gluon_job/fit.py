"""The training loop: fast because the device never waits for Python.

Images stay uint8 on the device. Sixteen batches are gathered at a time, each batch is one graph, and while the device
works on one group Python prepares the next and reads the losses of the previous one.
"""

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from gluon_job import threads
from gluon_job.compat import mx
from gluon_job.errors import InputError
from gluon_job.hyperparameters import Hyperparameter
from gluon_job.schedule import learning_rate
from gluon_job.step import Prediction, TrainingStep

HYPERPARAMETERS = {
    "optimizer": Hyperparameter("sgd", "how the weights move", kind=str, choices=["sgd", "adam", "rmsprop"]),
    "learning_rate": Hyperparameter(None, "the first one; by default the optimizer's usual", kind=float, above=0),
    "momentum": Hyperparameter(0.9, "of sgd", low=0, high=1),
    "weight_decay": Hyperparameter(0.0, "pull of every weight towards zero", low=0),
    "batch_size": Hyperparameter(100, "samples a step", low=1),
    "epochs": Hyperparameter(10, "passes over the training data", low=1),
    "seed": Hyperparameter(1, "of the first weights, the order of the samples and dropout", low=0, high=2**31 - 1),
    "log_interval": Hyperparameter(100, "batches between two progress lines; 0 for none", low=0),
    "patience": Hyperparameter(0, "epochs without a better validation before stopping; 0 for never", low=0),
    "schedule": Hyperparameter("constant", "of the learning rate", choices=["constant", "step", "cosine"]),
    "step_epochs": Hyperparameter([], "epochs at which the schedule `step` lowers the rate", kind=[int], low=1),
    "step_factor": Hyperparameter(0.1, "what the schedule `step` multiplies the rate with", above=0, high=1),
    "warmup_epochs": Hyperparameter(0, "epochs in which the rate rises from zero", low=0),
}
GROUP = 16  # batches gathered at a time
SCORED = 1000  # images scored at a time
_SECONDS_BETWEEN_LINES = 2.0
_SECONDS_A_GROUP = 0.5


class Epoch(NamedTuple):
    """What an epoch came to: accuracies from 0 to 1, the mean cross-entropy, training samples a second."""

    epoch: int
    accuracy: float
    loss: float
    validation_accuracy: Optional[float]
    samples_per_second: float


def fit(
    net: Any,
    training: Tuple[np.ndarray, np.ndarray],
    validation: Optional[Tuple[np.ndarray, np.ndarray]],
    hyperparameters: Mapping[str, Any],
    contexts: Sequence[Any],
) -> List[Epoch]:
    """Trains a network in place and prints its progress.

    The same seed, data, contexts and number of threads give the same parameters, bit for bit.

    Args:
        net: a HybridBlock; float32 images (N, 1, height, width) from 0 to 1 in, logits (N, classes) out. Parameters
            without values get them from the seed.
        training, validation: images uint8 (N, 1, height, width) and labels int (N,).
        hyperparameters: a value for each of HYPERPARAMETERS.
        contexts: the devices that share every batch.

    Raises:
        InputError: more samples in a batch than there are, patience without validation data, a loss not finite.
    """
    return _Fit(net, training, validation, hyperparameters, contexts).run()


class _Fit:
    def __init__(self, net, training, validation, values, contexts):
        self._net, self._values, self._contexts = net, values, list(contexts)
        self._images, self._labels = training
        self._validation = validation
        if values["batch_size"] > len(self._images):
            raise InputError(
                f"batch_size is {values['batch_size']}, but there are only {len(self._images)} training samples"
            )
        if values["patience"] and validation is None:
            raise InputError("patience needs validation data, and this job has none")
        self._batches = -(-len(self._images) // values["batch_size"])
        self._initialize()
        self._step, self._prediction = TrainingStep(net), Prediction(net)
        self._trainer = _trainer(net, values)
        # Uploaded after the net's first forward: the other way round a spinning OpenMP thread is left behind.
        self._on_device = [mx.nd.array(self._images, ctx=ctx, dtype=np.uint8) for ctx in self._contexts]

    def run(self) -> List[Epoch]:
        values = self._values
        parameters = sum(int(np.prod(p.shape)) for p in self._net.collect_params().values() if p.grad_req != "null")
        print(
            f"Training on {len(self._images)} samples: {values['epochs']} epochs of {self._batches} batches, "
            f"{parameters} parameters, {threads.count()} thread(s).",
            flush=True,
        )
        history: List[Epoch] = []
        best, kept = None, None
        for number in range(values["epochs"]):
            epoch = self._epoch(number)
            history.append(epoch)
            if values["patience"]:
                if best is None or epoch.validation_accuracy > best.validation_accuracy:
                    best, kept = epoch, self._parameters()
                elif number - best.epoch >= values["patience"]:
                    break
        if kept is not None:
            for parameter, value in zip(self._net.collect_params().values(), kept):
                parameter.set_data(value)
        return history

    def _initialize(self) -> None:
        mx.random.seed(self._values["seed"])
        for parameter in self._net.collect_params().values():
            if parameter._data is None and not parameter._deferred_init:
                parameter.initialize(ctx=self._contexts, default_init=mx.init.Xavier(magnitude=2.24))
            else:
                parameter.reset_ctx(self._contexts)
        for ctx in self._contexts:
            self._net(mx.nd.zeros((2, *self._images.shape[1:]), ctx=ctx)).wait_to_read()

    def _parameters(self) -> List[np.ndarray]:
        return [parameter.data(self._contexts[0]).copy() for parameter in self._net.collect_params().values()]

    def _epoch(self, number: int) -> Epoch:
        started = time.perf_counter()
        progress = _Progress(number, len(self._images), self._values)
        order = np.random.RandomState([self._values["seed"], number])
        mx.random.seed(int(order.randint(2**31 - 1)))
        permutation = order.permutation(len(self._images))
        begin, group, unread = 0, 1, None
        while begin < self._batches:
            end = progress.cut(begin, min(begin + group, self._batches))
            before, unread = unread, self._enqueue(number, permutation, begin, end)
            if before:
                group = progress.read(*before)
            begin = end
        progress.read(*unread)
        seconds = time.perf_counter() - started
        epoch = Epoch(
            number,
            progress.correct / len(self._images),
            progress.loss / len(self._images),
            self._score() if self._validation is not None else None,
            len(self._images) / seconds,
        )
        _report(epoch)
        return epoch

    def _enqueue(self, epoch: int, permutation: np.ndarray, begin: int, end: int) -> Tuple[int, List[Any]]:
        """Trains on the batches from `begin` to before `end` without waiting for them: the group's end and, of each
        context, the probabilities and the labels."""
        size, count = self._values["batch_size"], len(self._contexts)
        batches = [permutation[i * size : (i + 1) * size] for i in range(begin, end)]
        shares = [[batch[k::count] for batch in batches] for k in range(count)]
        inputs = [self._gather(k, share) for k, share in enumerate(shares)]
        outputs: List[List[Any]] = [[] for _ in shares]
        for i, batch in enumerate(batches):
            with mx.autograd.record():
                for k in range(count):
                    outputs[k].append(self._step(*next(inputs[k])))
            mx.autograd.backward([output[-1] for output in outputs])
            step = epoch * self._batches + begin + i
            self._trainer.set_learning_rate(learning_rate(self._values, step, self._batches))
            self._trainer.step(len(batch))
        labels = [self._labels[np.concatenate(share)] for share in shares]
        return end, [(mx.nd.concat(*output, dim=0), label) for output, label in zip(outputs, labels)]

    def _gather(self, k: int, share: List[np.ndarray]) -> Any:
        ctx, indices = self._contexts[k], np.concatenate(share)
        images = mx.nd.take(self._on_device[k], mx.nd.array(indices, ctx=ctx, dtype=np.int32))
        labels = mx.nd.array(self._labels[indices], ctx=ctx, dtype=np.float32)
        begin = 0
        for part in share:
            yield images[begin : begin + len(part)], labels[begin : begin + len(part)]
            begin += len(part)

    def _score(self) -> float:
        images, labels = self._validation
        found = []
        for i in range(0, len(images), SCORED):
            batch = mx.nd.array(images[i : i + SCORED], ctx=self._contexts[0], dtype=np.uint8)
            found.append(self._prediction(batch))
        return float((mx.nd.concat(*found, dim=0).asnumpy() == labels).mean())


class _Progress:
    """Counts what the groups of an epoch came to, and prints a line now and then."""

    def __init__(self, epoch: int, samples: int, values: Mapping[str, Any]):
        self._epoch, self._samples, self._values = epoch, samples, values
        self._started = self._read = self._printed = time.perf_counter()
        self._batches = self._lines = 0
        self.correct, self.loss = 0, 0.0

    def cut(self, begin: int, end: int) -> int:
        """The end of a group, moved to the next progress line's batch where the lines are far enough apart."""
        interval = self._values["log_interval"]
        return min(end, begin + interval - begin % interval) if interval >= GROUP else end

    def read(self, batches: int, outcomes: List[Any]) -> int:
        """Waits for a group that ends with the batch `batches` (from 1); the number of batches for the next group."""
        for probabilities, labels in outcomes:
            probabilities = probabilities.asnumpy()
            picked = probabilities[np.arange(len(labels)), labels]
            self.correct += int((probabilities.argmax(axis=1) == labels).sum())
            self.loss -= float(np.log(np.maximum(picked, 1e-12, dtype=np.float64)).sum())
        now = time.perf_counter()
        if not np.isfinite(self.loss):
            raise InputError(
                f"the loss is not finite after epoch {self._epoch}, batch {batches} with learning_rate "
                f"{self._values['learning_rate']:g}: try a smaller learning_rate"
            )
        seconds = (now - self._read) / (batches - self._batches)
        self._read, self._batches = now, batches
        self._line(now)
        return max(1, min(GROUP, int(_SECONDS_A_GROUP / seconds)))

    def _line(self, now: float) -> None:
        interval = self._values["log_interval"]
        if not interval:
            return
        lines = self._batches // interval
        if lines > self._lines or now - self._printed > _SECONDS_BETWEEN_LINES:
            done = min(self._batches * self._values["batch_size"], self._samples)
            print(
                f"[Epoch {self._epoch} Batch {self._batches}] Training: accuracy={self.correct / done:.6f}, "
                f"{done / (now - self._started):.1f} samples/s",
                flush=True,
            )
            self._lines, self._printed = lines, now


def _report(epoch: Epoch) -> None:
    print(f"[Epoch {epoch.epoch}] Training: accuracy={epoch.accuracy:.6f}")
    print(f"[Epoch {epoch.epoch}] Training: loss={epoch.loss:.6f}")
    if epoch.validation_accuracy is not None:
        print(f"[Epoch {epoch.epoch}] Validation: accuracy={epoch.validation_accuracy:.6f}")
    print(f"[Epoch {epoch.epoch}] Speed: {epoch.samples_per_second:.1f} samples/s", flush=True)


def _trainer(net: Any, values: Mapping[str, Any]) -> Any:
    options: Dict[str, Any] = {"learning_rate": values["learning_rate"], "wd": values["weight_decay"]}
    if values["optimizer"] == "sgd":
        options["momentum"] = values["momentum"]
    return mx.gluon.Trainer(net.collect_params(), values["optimizer"], options, update_on_kvstore=False)
