"""The Gluon loop of the tutorials: a DataLoader with a transform per sample, no hybridizing, the metric every batch."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "entry_points"))

from models import MOMENTUM, Model, arguments, take_turns

from gluon_job.compat import mx

gluon, nn = mx.gluon, mx.gluon.nn


def build(model: Model) -> gluon.Block:
    """The network, initialized."""
    net = nn.HybridSequential()
    for channels, kernel in model.convolutions:
        net.add(nn.Conv2D(channels, kernel, activation="relu"), nn.MaxPool2D(2, 2))
    net.add(nn.Flatten())
    for units in model.dense:
        net.add(nn.Dense(units, activation="relu"))
    if model.dropout:
        net.add(nn.Dropout(model.dropout))
    net.add(nn.Dense(10))
    net.initialize(mx.init.Xavier(magnitude=2.24))
    return net


def transform(image: mx.nd.NDArray, label: int) -> tuple[mx.nd.NDArray, int]:
    """A sample as the tutorials make it: float32 (1, 28, 28) from 0 to 1."""
    return mx.nd.transpose(image.astype("float32"), (2, 0, 1)) / 255, label


def main() -> None:
    """Trains an epoch a turn."""
    model, images, labels, _ = arguments()
    data = gluon.data.ArrayDataset(mx.nd.array(images[..., None], dtype="uint8"), labels.astype("int32"))
    loader = gluon.data.DataLoader(data.transform(transform), model.batch_size, shuffle=True)
    net, loss, metric = build(model), gluon.loss.SoftmaxCrossEntropyLoss(), mx.metric.Accuracy()
    options = {"learning_rate": model.learning_rate, **({"momentum": MOMENTUM} if model.optimizer == "sgd" else {})}
    trainer = gluon.Trainer(net.collect_params(), model.optimizer, options)

    def train_epoch() -> float:
        metric.reset()
        for batch, answers in loader:
            with mx.autograd.record():
                outputs = net(batch)
                loss(outputs, answers).backward()
            trainer.step(len(batch))
            metric.update([answers], [outputs])
        return metric.get()[1]

    take_turns(train_epoch)


if __name__ == "__main__":
    main()
