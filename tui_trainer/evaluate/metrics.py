"""Judging a model on samples it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tui_trainer.data.batches import Batch
from tui_trainer.evaluate.loss import UserFunction
from tui_trainer.evaluate.memory import free_cached_memory, is_out_of_memory, not_even_one


@dataclass(frozen=True)
class Criteria:
    """What a model is judged by.

    Samples whose label is `ignore_index` do not count. `loss` is a user's own loss in place of
    cross-entropy; `metrics` are further functions of all logits N×K and labels N, by name.
    """

    ignore_index: int = -100
    loss: UserFunction | None = None
    metrics: Mapping[str, UserFunction] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What a model said of each sample that counts, on the host, in the order of the data.

    `index_N` are the samples' numbers in the split, as not every sample counts. `loss_N` is each
    sample's cross-entropy, `loss` the mean of the loss judged by.
    """

    labels_N: npt.NDArray[np.int64]
    predicted_N: npt.NDArray[np.int64]
    loss_N: npt.NDArray[np.float32]
    confidence_N: npt.NDArray[np.float32]
    index_N: npt.NDArray[np.int64]
    loss: float
    further: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of samples classified rightly."""
        return float((self.labels_N == self.predicted_N).mean()) if len(self.labels_N) else 0.0

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that events carry."""
        return {"loss": self.loss, "accuracy": self.accuracy, **self.further}


def judge(model: nn.Module, batches: Iterable[Batch], criteria: Criteria) -> Judgement:
    """Run `model` over batches in evaluation mode; its mode is put back after.

    Raises:
        DeviceError: the device's memory is too small for even one sample.
    """
    was_training = model.training
    model.eval()
    all_logits, all_labels, own_losses = [], [], []
    with torch.inference_mode():
        for batch in batches:
            logits_BK = _compute_logits(model, batch.x)
            all_logits.append(logits_BK)
            all_labels.append(batch.labels_B)
            if criteria.loss is not None:
                # Of a copy: it may change its input in place, as it may in training.
                loss = criteria.loss(logits_BK.clone(), batch.labels_B)
                own_losses.append(loss * len(batch.labels_B))
        logits_NK, labels_N = torch.cat(all_logits), torch.cat(all_labels)
        loss_N = F.cross_entropy(
            logits_NK, labels_N, ignore_index=criteria.ignore_index, reduction="none"
        )
        confidence_N, predicted_N = logits_NK.softmax(1).max(1)
        # The first sync point: everything above only queued work on the device.
        further = {name: float(f(logits_NK, labels_N)) for name, f in criteria.metrics.items()}
        own_loss = float(sum(own_losses) / len(labels_N)) if own_losses else None
    model.train(was_training)
    kept_N = (labels_N != criteria.ignore_index).cpu().numpy()
    losses_N = loss_N.cpu().numpy()[kept_N]
    return Judgement(
        labels_N=labels_N.cpu().numpy()[kept_N],
        predicted_N=predicted_N.cpu().numpy()[kept_N],
        loss_N=losses_N,
        confidence_N=confidence_N.cpu().numpy()[kept_N],
        index_N=np.flatnonzero(kept_N),
        loss=own_loss if own_loss is not None else float(losses_N.mean(dtype=np.float64)),
        further=further,
    )


def _compute_logits(model: nn.Module, x: Tensor) -> Tensor:
    """Logits B×K in float32, in halves where the device has too little memory for all at once."""
    try:
        logits_BK: Tensor = model(x).float()
        return logits_BK
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    if len(x) == 1:
        raise not_even_one()
    free_cached_memory()
    return torch.cat([_compute_logits(model, half) for half in x.tensor_split(2)])
