"""Ignite's supervised trainer, without handlers that log or save."""

from __future__ import annotations

from typing import Any

from ignite.engine import Events, create_supervised_trainer
from torch import nn

from benchmarks.contestant import Course
from benchmarks.loops import make_loader, make_model, make_optimizer


def train(course: Course) -> None:
    """Train for ever."""
    model = make_model(course)
    trainer = create_supervised_trainer(
        model,
        make_optimizer(model),
        nn.CrossEntropyLoss(),
        device=course.device,
        non_blocking=True,
        # By default each step waits for its loss; the tensor itself does not.
        output_transform=lambda x, y, predicted, loss: loss,
    )

    def tell(_: Any) -> None:
        course.pacer.step_done()

    trainer.add_event_handler(Events.ITERATION_COMPLETED, tell)
    trainer.run(make_loader(course), max_epochs=1_000_000)
