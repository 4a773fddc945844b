"""Lightning without anything that costs speed, or with what it does unless told otherwise."""

from __future__ import annotations

import warnings
from typing import Any

import lightning
import torch.nn.functional as F
from torch import Tensor

from benchmarks.contestant import Course
from benchmarks.loops import make_loader, make_model, make_optimizer


class Module(lightning.LightningModule):
    """The network with its loss and its optimizer."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.model = make_model(course)
        self._logs = course.logs

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """The loss of a batch."""
        images_BCHW, labels_B = batch
        loss = F.cross_entropy(self.model(images_BCHW), labels_B)
        if self._logs:
            self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """SGD."""
        return make_optimizer(self.model)


class StepCounter(lightning.Callback):
    """Tells of each step."""

    def __init__(self, course: Course) -> None:
        self._pacer = course.pacer

    def on_train_batch_end(self, *_: Any) -> None:
        """A step is done."""
        self._pacer.step_done()


def train(course: Course) -> None:
    """Train for ever."""
    # It recommends workers for the loader, which would make data in memory slower.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    # Its own mode without logger, checkpoints and progress bar; or its defaults, which have them.
    manner = {"default_root_dir": course.runs_dir} if course.logs else {"barebones": True}
    trainer = lightning.Trainer(
        accelerator="gpu" if course.device == "cuda" else "cpu",
        devices=1,
        max_epochs=-1,
        callbacks=[StepCounter(course)],
        **manner,
    )
    trainer.fit(Module(course), make_loader(course))
