"""Networks for images: B×C×H×W float32 in, logits B×K out."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from tui_trainer.core.specs import DatasetSpec


def make_mlp(spec: DatasetSpec) -> nn.Module:
    """Two hidden layers of 256 over all values of a sample, images and tables alike."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(spec.shape), 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, spec.num_outputs),
    )


def make_convnet(spec: DatasetSpec) -> nn.Module:
    """Three 3×3 convolutions with batch norm, each halving the image, and one linear layer."""
    channels, height, width = spec.shape
    widths = (16, 32, 64)
    layers: list[nn.Module] = []
    for before, after in zip((channels, *widths), widths, strict=False):
        layers += _normed(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.MaxPool2d(2))
    features = widths[-1] * (height // 8) * (width // 8)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, spec.num_outputs))


def make_convnet_small(spec: DatasetSpec) -> nn.Module:
    """Three convolutions with batch norm for a good result in seconds, and one linear layer.

    The first takes every second pixel, none is padded: a third of the work of the convnet.
    """
    channels, *sides = spec.shape
    # Each side: a convolution of 5 and stride 2, of 3, pooling by 2, a convolution of 3.
    features = 48 * math.prod(((side - 5) // 2 - 1) // 2 - 2 for side in sides)
    return nn.Sequential(
        *_normed(nn.Conv2d(channels, 16, 5, stride=2, bias=False)),
        *_normed(nn.Conv2d(16, 32, 3, bias=False), nn.MaxPool2d(2)),
        *_normed(nn.Conv2d(32, 48, 3, bias=False)),
        nn.Flatten(),
        nn.Linear(features, spec.num_outputs),
    )


def _normed(convolution: nn.Conv2d, *pooling: nn.Module) -> list[nn.Module]:
    # Pooling comes first: norm and ReLU then touch a quarter of the values.
    norm = nn.BatchNorm2d(convolution.out_channels)
    return [convolution, *pooling, norm, nn.ReLU(inplace=True)]


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


def make_mnist_example(spec: DatasetSpec) -> nn.Module:
    """The network of the classic article, for as many classes or targets as the data have."""
    return MnistExample(spec.num_outputs)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with batch norm beside a shortcut; the first may halve the image.

    Where the shape changes, the shortcut is a 1×1 convolution (option B of He et al. 2016).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C'×H'×W'."""
        y_BCHW = F.relu(self.norm1(self.conv1(x_BCHW)), inplace=True)
        y_BCHW = self.norm2(self.conv2(y_BCHW))
        return F.relu(y_BCHW + self.shortcut(x_BCHW), inplace=True)


def make_resnet_small(spec: DatasetSpec) -> nn.Module:
    """The 20-layer residual network for small images: stages of 16, 32 and 64 channels.

    Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    section 4.2, with n = 3 blocks per stage.
    """
    widths, num_blocks = (16, 32, 64), 3
    layers: list[nn.Module] = [
        nn.Conv2d(spec.shape[0], widths[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    ]
    before = widths[0]
    for stage, width in enumerate(widths):
        for block in range(num_blocks):
            layers.append(BasicBlock(before, width, 2 if stage and not block else 1))
            before = width
    head = nn.Linear(before, spec.num_outputs)
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
