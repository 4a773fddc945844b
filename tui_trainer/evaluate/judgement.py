"""What a model said of each sample, on the host, and how good that is.

Shapes: N samples that count, in the order of the data; K classes, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tui_trainer.evaluate.figures import area_under_roc, errors_of, f1_of, mean_finite

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was said of each sample that counts.

    `index_N` are the samples' numbers in the split, as not every sample counts. `loss_N` is each
    sample's own loss, `loss` the mean of the loss judged by, `further` the user's own figures.
    """

    index_N: Indices
    loss_N: Floats
    loss: float
    further: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Samples that count."""
        return len(self.index_N)

    @property
    def figures(self) -> dict[str, float]:
        """How good it is, beside the loss."""
        raise NotImplementedError

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that events carry; the user's own win where they have a name of ours."""
        return {"loss": self.loss, **self.figures, **self.further}


@dataclass(frozen=True, kw_only=True)
class ClassJudgement(Judgement):
    """Of classes: labels and predictions int64 N, and how sure the model was of what it said.

    `score_N` tells, of two classes, how much likelier the second one is; `in_top5_N`, of more
    than ten, whether the right one is among the five likeliest.
    """

    labels_N: Indices
    predicted_N: Indices
    confidence_N: Floats
    score_N: Floats | None = None
    in_top5_N: Mask | None = None

    @property
    def accuracy(self) -> float:
        """Share of samples classified rightly."""
        return float((self.labels_N == self.predicted_N).mean()) if self.count else 0.0

    @property
    def figures(self) -> dict[str, float]:
        """Accuracy; of two classes also F1 and the area under the ROC curve of the second."""
        figures = {"accuracy": self.accuracy}
        if self.score_N is not None:
            is_positive_N = self.labels_N == 1
            figures["f1"] = count_f1(is_positive_N, self.predicted_N == 1)
            figures["auc"] = area_under_roc(is_positive_N, self.score_N)
        return figures


@dataclass(frozen=True, kw_only=True)
class LabelJudgement(Judgement):
    """Of any number of labels for each sample: what holds, bool N×K, and logits N×K."""

    labels_NK: Mask
    logits_NK: Floats

    @property
    def predicted_NK(self) -> Mask:
        """The labels that are likelier than not."""
        predicted_NK: Mask = self.logits_NK > 0
        return predicted_NK

    @property
    def figures(self) -> dict[str, float]:
        """F1 over all labels together, and the share of samples of which every label is right."""
        predicted_NK = self.predicted_NK
        all_right = (self.labels_NK == predicted_NK).all(axis=1).mean() if self.count else 0.0
        return {"f1": count_f1(self.labels_NK, predicted_NK), "accuracy": float(all_right)}


@dataclass(frozen=True, kw_only=True)
class TargetJudgement(Judgement):
    """Of numbers to predict: targets and predictions float32 N×T in their own units.

    `std_T` is the deviation of each target over the training samples.
    """

    labels_NT: Floats
    predicted_NT: Floats
    std_T: Floats

    @property
    def figures(self) -> dict[str, float]:
        """Errors and R², the mean over the targets."""
        errors = errors_of(self.labels_NT, self.predicted_NT)
        return {name: mean_finite(values_T) for name, values_T in errors.items()}


def count_f1(is_positive: Mask, is_found: Mask) -> float:
    """F1 over all places; 0 where there was nothing to find and nothing found."""
    right = int((is_positive & is_found).sum())
    f1 = f1_of(right, int((~is_positive & is_found).sum()), int((is_positive & ~is_found).sum()))
    return f1 or 0.0
