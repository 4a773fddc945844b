"""Networks for tables: normalised features B×F float32 in, logits B×K out."""

from __future__ import annotations

from torch import nn

from tui_trainer.core.specs import DatasetSpec

_WIDTH, _NUM_HIDDEN, _DROPOUT = 128, 3, 0.1


def make_tabular_mlp(spec: DatasetSpec) -> nn.Module:
    """Three hidden layers of 128, each with layer norm, ReLU and dropout.

    Layer norm, because tables are often small and the last batch of an epoch may be one row.
    """
    layers: list[nn.Module] = []
    before = spec.shape[0]
    for _ in range(_NUM_HIDDEN):
        layers += [
            nn.Linear(before, _WIDTH),
            nn.LayerNorm(_WIDTH),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
        ]
        before = _WIDTH
    return nn.Sequential(*layers, nn.Linear(before, spec.num_outputs))
