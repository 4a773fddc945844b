"""Our own networks by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tui_trainer.core.specs import DatasetSpec
from tui_trainer.models.images import (
    make_convnet,
    make_convnet_small,
    make_mlp,
    make_mnist_example,
    make_resnet_small,
)
from tui_trainer.models.table import make_tabular_mlp
from tui_trainer.models.text import make_text_bag, make_text_cnn, make_text_gru

BUILDERS: dict[str, Callable[[DatasetSpec], nn.Module]] = {
    "convnet": make_convnet,
    "convnet-small": make_convnet_small,
    "mlp": make_mlp,
    "mnist-example": make_mnist_example,
    "resnet-small": make_resnet_small,
    "tabular-mlp": make_tabular_mlp,
    "text-bag": make_text_bag,
    "text-cnn": make_text_cnn,
    "text-gru": make_text_gru,
}


def count_parameters(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
