"""PyTorch, two ways.

`idiomatic`: a Dataset with a transform per sample and a DataLoader, the loss and accuracy read every batch.
`optimised`: the images in memory, a fused optimizer, channels_last convolutions, nothing read before the epoch's end.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from models import MOMENTUM, Model, arguments, take_turns
from torch import nn


def build(model: Model) -> nn.Module:
    """The network; images (N, 1, 28, 28) in."""
    layers: list[nn.Module] = []
    channels, size = 1, 28
    for filters, kernel in model.convolutions:
        layers += [nn.Conv2d(channels, filters, kernel), nn.ReLU(), nn.MaxPool2d(2)]
        channels, size = filters, (size - kernel + 1) // 2
    layers.append(nn.Flatten())
    inputs = channels * size * size
    for units in model.dense:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    if model.dropout:
        layers.append(nn.Dropout(model.dropout))
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def make_optimizer(model: Model, net: nn.Module, *, fused: bool) -> torch.optim.Optimizer:
    """The model's optimizer; PyTorch has no fused RMSprop."""
    if model.optimizer == "sgd":
        return torch.optim.SGD(net.parameters(), model.learning_rate, momentum=MOMENTUM, fused=fused)
    if model.optimizer == "adam":
        return torch.optim.Adam(net.parameters(), model.learning_rate, fused=fused)
    return torch.optim.RMSprop(net.parameters(), model.learning_rate, alpha=0.9)


class Digits(torch.utils.data.Dataset):
    """As torchvision's MNIST with ToTensor, without the way through PIL."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._images, self._labels = torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._images[index].unsqueeze(0).float().div(255), int(self._labels[index])


def idiomatic(model: Model, images: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    """The epoch of a tutorial."""
    net, loss = build(model), nn.CrossEntropyLoss()
    optimizer = make_optimizer(model, net, fused=False)
    loader = torch.utils.data.DataLoader(Digits(images, labels), model.batch_size, shuffle=True)

    def train_epoch() -> float:
        correct = 0
        for batch, answers in loader:
            optimizer.zero_grad()
            outputs = net(batch)
            loss(outputs, answers).backward()
            optimizer.step()
            correct += (outputs.argmax(1) == answers).sum().item()
        return correct / len(labels)

    return train_epoch


def optimised(model: Model, images: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    """The fastest epoch that was found."""
    net = build(model)
    inputs = torch.from_numpy(images.astype(np.float32) / np.float32(255))[:, None]
    targets = torch.from_numpy(labels.astype(np.int64))
    if model.convolutions:
        net = net.to(memory_format=torch.channels_last)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, net, fused=model.optimizer != "rmsprop")

    def train_epoch() -> float:
        order, correct = torch.randperm(len(targets)), torch.zeros((), dtype=torch.long)
        for chosen in order.split(model.batch_size):
            answers = targets[chosen]
            outputs = net(inputs[chosen])
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(outputs, answers).backward()
            optimizer.step()
            correct += (outputs.detach().argmax(1) == answers).sum()
        return correct.item() / len(targets)

    return train_epoch


def main() -> None:
    """Trains an epoch a turn."""
    model, images, labels, (way, threads) = arguments()
    torch.manual_seed(1)
    torch.set_num_threads(int(threads))
    take_turns({"idiomatic": idiomatic, "optimised": optimised}[way](model, images, labels))


if __name__ == "__main__":
    main()
