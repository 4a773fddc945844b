"""Our own networks, built for the shape and classes of a dataset."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tui_trainer.core.catalog import DATASETS, MODELS, misfit
from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ModelError


def make_mlp(spec: DatasetSpec) -> nn.Module:
    """Two hidden layers of 256."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(spec.shape), 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, len(spec.classes)),
    )


def make_convnet(spec: DatasetSpec) -> nn.Module:
    """Three 3×3 convolutions with batch norm, each halving the image, and one linear layer."""
    channels, height, width = spec.shape
    widths = (16, 32, 64)
    layers: list[nn.Module] = []
    for before, after in zip((channels, *widths), widths, strict=False):
        layers += [
            # Pooling comes first: norm and ReLU then touch a quarter of the values.
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    features = widths[-1] * (height // 8) * (width // 8)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, len(spec.classes)))


class MnistExample(nn.Module):
    """The network of the classic PyTorch MNIST article, for 1×28×28 images.

    Two 5×5 convolutions of 10 and 20 channels with max-pooling, 2-D dropout after the second,
    linear layers of 50 and as many as there are classes, dropout between. It returns logits; the
    article's log-softmax belongs to our loss.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.dropout2d = nn.Dropout2d()
        self.linear1 = nn.Linear(320, 50)
        self.dropout = nn.Dropout()
        self.linear2 = nn.Linear(50, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits B×K."""
        x_BCHW = F.relu(F.max_pool2d(self.conv1(x_BCHW), 2))
        x_BCHW = F.relu(F.max_pool2d(self.dropout2d(self.conv2(x_BCHW)), 2))
        hidden_BD = self.dropout(F.relu(self.linear1(x_BCHW.flatten(1))))
        logits_BK: Tensor = self.linear2(hidden_BD)
        return logits_BK


def _make_mnist_example(spec: DatasetSpec) -> nn.Module:
    return MnistExample(len(spec.classes))


_BUILDERS: dict[str, Callable[[DatasetSpec], nn.Module]] = {
    "mlp": make_mlp,
    "convnet": make_convnet,
    "mnist-example": _make_mnist_example,
}


def build_model(name: str, spec: DatasetSpec, seed: int) -> nn.Module:
    """The network `name` for a dataset, its weights drawn from `seed` alone, on the CPU.

    Raises:
        ModelError: it is unknown, or cannot take such images.
    """
    if name not in _BUILDERS:
        raise ModelError(f"There is no model {name!r}.", hint_for(name, _BUILDERS))
    reason = misfit(MODELS[name], DATASETS[spec.name])
    if reason is not None:
        raise ModelError(f"The model does not fit {spec.name}: {reason}.", "Choose another model.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix_seed(seed, 0x6D6F64656C))
        model = _BUILDERS[name](spec)
    # Convolutions on channels-last weights are faster on processors and GPUs alike.
    return model.to(memory_format=torch.channels_last)


def count_parameters(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
