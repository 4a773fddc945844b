"""Judging a model on samples it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tui_trainer.core.specs import Task
from tui_trainer.data.batches import Batch
from tui_trainer.evaluate.judgement import (
    ClassJudgement,
    Judgement,
    LabelJudgement,
    TargetJudgement,
)
from tui_trainer.evaluate.loss import REGRESSION_LOSSES, UserFunction
from tui_trainer.evaluate.memory import free_cached_memory, is_out_of_memory, not_even_one
from tui_trainer.evaluate.targets import TargetScale

# From so many classes on, whether the right one is among the five likeliest tells something.
_LEAST_FOR_TOP5 = 11


@dataclass(frozen=True)
class Criteria:
    """What a model is judged by.

    Samples whose label is `ignore_index` do not count. `loss` is a user's own loss in place of
    the plain one of the task; `metrics` are further functions of all outputs and labels, by name.
    Of a regression, `scale` says how its targets were standardised, and `loss_name` is one of
    `REGRESSION_LOSSES`; the user's functions are given predictions in the targets' own units.
    """

    ignore_index: int = -100
    loss: UserFunction | None = None
    metrics: Mapping[str, UserFunction] = field(default_factory=dict)
    task: Task = "classification"
    scale: TargetScale | None = None
    loss_name: str = "mse"


def judge(model: nn.Module, batches: Iterable[Batch], criteria: Criteria) -> Judgement:
    """Run `model` over batches in evaluation mode; its mode is put back after.

    Raises:
        DeviceError: the device's memory is too small for even one sample.
    """
    was_training = model.training
    model.eval()
    all_outputs, all_labels, own_losses = [], [], []
    with torch.inference_mode():
        for batch in batches:
            outputs = _compute_outputs(model, batch.x)
            all_outputs.append(outputs)
            all_labels.append(batch.labels_B)
            if criteria.loss is not None:
                loss = criteria.loss(_as_predicted(outputs, criteria), batch.labels_B)
                own_losses.append(loss * len(batch.labels_B))
        outputs_N, labels_N = torch.cat(all_outputs), torch.cat(all_labels)
        predicted_N = _as_predicted(outputs_N, criteria) if criteria.metrics else outputs_N
        # The first sync point: everything above only queued work on the device.
        further = {name: float(f(predicted_N, labels_N)) for name, f in criteria.metrics.items()}
        own_loss = float(sum(own_losses) / len(labels_N)) if own_losses else None
        judgement = _JUDGES[criteria.task](outputs_N, labels_N, criteria, own_loss, further)
    model.train(was_training)
    return judgement


def _as_predicted(outputs: Tensor, criteria: Criteria) -> Tensor:
    """What a user's function is given: a copy, as it may change its input in place."""
    if criteria.scale is None:
        return outputs.clone()
    predicted: Tensor = criteria.scale(outputs)
    return predicted


def _judge_classes(
    logits_NK: Tensor,
    labels_N: Tensor,
    criteria: Criteria,
    own_loss: float | None,
    further: dict[str, float],
) -> ClassJudgement:
    loss_N = F.cross_entropy(
        logits_NK, labels_N, ignore_index=criteria.ignore_index, reduction="none"
    )
    confidence_N, predicted_N = logits_NK.softmax(1).max(1)
    score_N = in_top5_N = None
    if logits_NK.shape[1] == 2:
        score_N = logits_NK[:, 1] - logits_NK[:, 0]
    if logits_NK.shape[1] >= _LEAST_FOR_TOP5:
        in_top5_N = (logits_NK.topk(5).indices == labels_N[:, None]).any(1)
    kept_N = (labels_N != criteria.ignore_index).cpu().numpy()
    losses_N = _host(loss_N)[kept_N]
    return ClassJudgement(
        labels_N=_host(labels_N)[kept_N],
        predicted_N=_host(predicted_N)[kept_N],
        loss_N=losses_N,
        confidence_N=_host(confidence_N)[kept_N],
        score_N=None if score_N is None else _host(score_N)[kept_N],
        in_top5_N=None if in_top5_N is None else _host(in_top5_N)[kept_N],
        index_N=np.flatnonzero(kept_N),
        loss=_mean_loss(losses_N, own_loss),
        further=further,
    )


def _judge_labels(
    logits_NK: Tensor,
    labels_NK: Tensor,
    criteria: Criteria,
    own_loss: float | None,
    further: dict[str, float],
) -> LabelJudgement:
    losses_NK = F.binary_cross_entropy_with_logits(logits_NK, labels_NK, reduction="none")
    loss_N = _host(losses_NK.mean(1))
    return LabelJudgement(
        labels_NK=_host(labels_NK > 0.5),
        logits_NK=_host(logits_NK),
        loss_N=loss_N,
        index_N=np.arange(len(loss_N)),
        loss=_mean_loss(loss_N, own_loss),
        further=further,
    )


def _judge_targets(
    outputs_NT: Tensor,
    labels_NT: Tensor,
    criteria: Criteria,
    own_loss: float | None,
    further: dict[str, float],
) -> TargetJudgement:
    scale = criteria.scale
    assert scale is not None, "the targets of a regression have a scale"
    wanted_NT = scale.standardize(labels_NT)
    losses_NT = REGRESSION_LOSSES[criteria.loss_name](outputs_NT, wanted_NT, reduction="none")
    loss_N = _host(losses_NT.mean(1))
    return TargetJudgement(
        labels_NT=_host(labels_NT),
        predicted_NT=_host(scale(outputs_NT)),
        std_T=_host(cast(Tensor, scale.std_T)),
        loss_N=loss_N,
        index_N=np.arange(len(loss_N)),
        loss=_mean_loss(loss_N, own_loss),
        further=further,
    )


_JUDGES = {
    "classification": _judge_classes,
    "multilabel": _judge_labels,
    "regression": _judge_targets,
}


def _host(tensor: Tensor) -> npt.NDArray[Any]:
    return tensor.cpu().numpy()


def _mean_loss(loss_N: npt.NDArray[np.float32], own_loss: float | None) -> float:
    return own_loss if own_loss is not None else float(loss_N.mean(dtype=np.float64))


def _compute_outputs(model: nn.Module, x: Tensor) -> Tensor:
    """What the model gives, float32 B×K, in halves where memory is too little for all at once."""
    try:
        outputs_BK: Tensor = model(x).float()
        return outputs_BK
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    if len(x) == 1:
        raise not_even_one()
    free_cached_memory()
    return torch.cat([_compute_outputs(model, half) for half in x.tensor_split(2)])
