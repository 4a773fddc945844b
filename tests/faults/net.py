"""A model of the user's own with all that must come back after a kill: batch norm and dropout."""

from __future__ import annotations

from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutions and two linear layers, normed and dropped, for images of 8×8."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout2d(0.2),
            nn.Conv2d(8, 16, 3, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 4 * 4, 32),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(32, num_classes),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits B×K."""
        logits_BK: Tensor = self.layers(x_BCHW)
        return logits_BK
