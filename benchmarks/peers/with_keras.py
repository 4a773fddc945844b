"""Keras on its PyTorch backend: the same network in its layers, without metrics."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from keras import layers

from benchmarks.contestant import BATCH_SIZE, LEARNING_RATE, MOMENTUM, Course
from benchmarks.loops import load_images


def make_network() -> Any:
    """`mnist-example`, with images in PyTorch's order, which spares its backend a transposition."""
    keras.config.set_image_data_format("channels_first")
    return keras.Sequential(
        [
            keras.Input((1, 28, 28)),
            layers.Conv2D(10, 5),
            layers.MaxPooling2D(2),
            layers.ReLU(),
            layers.Conv2D(20, 5),
            layers.SpatialDropout2D(0.5),
            layers.MaxPooling2D(2),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )


class StepCounter(keras.callbacks.Callback):
    """Tells of each step."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self._pacer = course.pacer

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step is done."""
        self._pacer.step_done()


def train(course: Course) -> None:
    """Train for ever."""
    torch.set_num_threads(course.threads)
    images_NCHW, labels_N = load_images(course)
    with keras.device("gpu" if course.device == "cuda" else "cpu"):
        network = make_network()
        network.compile(
            optimizer=keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        network.fit(
            images_NCHW.numpy(),
            labels_N.numpy(),
            batch_size=BATCH_SIZE,
            shuffle=True,
            epochs=1_000_000,
            verbose=0,
            callbacks=[StepCounter(course)],
        )
