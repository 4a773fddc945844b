"""skorch, without callbacks, without a validation split."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNet
from torch import nn

from benchmarks.contestant import BATCH_SIZE, LEARNING_RATE, MOMENTUM, Course, Steps
from benchmarks.loops import Network, load_images


class PacedNet(NeuralNet):
    """A net that tells of each step: a method, since callbacks are switched off."""

    pacer: Steps

    def on_batch_end(self, net: Any, batch: Any = None, training: bool = False, **_: Any) -> None:
        """A step is done."""
        if training:
            self.pacer.step_done()


def train(course: Course) -> None:
    """Train for ever."""
    torch.set_num_threads(course.threads)
    torch.manual_seed(0)
    images_NCHW, labels_N = load_images(course)
    net = PacedNet(
        Network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=MOMENTUM,
        lr=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        max_epochs=1_000_000,
        iterator_train__shuffle=True,
        iterator_train__pin_memory=course.device == "cuda",
        train_split=None,
        callbacks="disable",
        device=course.device,
        verbose=0,
    )
    net.pacer = course.pacer
    net.fit(images_NCHW, labels_N)
