"""Keras: `model.fit` on arrays in memory, on TensorFlow with its own choice of threads."""

from __future__ import annotations

import os

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import keras
import numpy as np
from keras import layers
from models import MOMENTUM, Model, arguments, take_turns


def build(model: Model) -> keras.Model:
    """The network, compiled; images (N, 28, 28, 1) in."""
    net = keras.Sequential([layers.Input((28, 28, 1))])
    for channels, kernel in model.convolutions:
        net.add(layers.Conv2D(channels, kernel, activation="relu"))
        net.add(layers.MaxPooling2D())
    net.add(layers.Flatten())
    for units in model.dense:
        net.add(layers.Dense(units, activation="relu"))
    if model.dropout:
        net.add(layers.Dropout(model.dropout))
    net.add(layers.Dense(10, activation="softmax"))
    optimizer = {
        "sgd": lambda: keras.optimizers.SGD(model.learning_rate, momentum=MOMENTUM),
        "adam": lambda: keras.optimizers.Adam(model.learning_rate),
        "rmsprop": lambda: keras.optimizers.RMSprop(model.learning_rate),
    }[model.optimizer]()
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def main() -> None:
    """Trains an epoch a turn."""
    model, images, labels, _ = arguments()
    keras.utils.set_random_seed(1)
    net, inputs = build(model), images[..., None].astype(np.float32) / np.float32(255)
    take_turns(lambda: net.fit(inputs, labels, batch_size=model.batch_size, verbose=0).history["accuracy"][-1])


if __name__ == "__main__":
    main()
