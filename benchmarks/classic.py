"""The classic PyTorch example for MNIST, as its users run it, stopped at an accuracy.

Two 3×3 convolutions of 32 and 64 channels, max-pooling, dropout of a quarter and a half, 128 hidden
units and log-softmax; Adadelta with learning rate 1.0, times 0.7 after each epoch; batches of 64
from torchvision's MNIST through a DataLoader; the test set judged after every epoch.

python classic.py --root FOLDER, which holds MNIST/raw as torchvision expects it
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class Net(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.linear1 = nn.Linear(9216, 128)
        self.linear2 = nn.Linear(128, 10)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Log-probabilities B×K."""
        x_BCHW = F.relu(self.conv1(x_BCHW))
        x_BCHW = F.relu(self.conv2(x_BCHW))
        features_BF = self.dropout1(F.max_pool2d(x_BCHW, 2)).flatten(1)
        hidden_BH = self.dropout2(F.relu(self.linear1(features_BF)))
        return F.log_softmax(self.linear2(hidden_BH), dim=1)


def main() -> None:
    """Train until the accuracy is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--stop-at", type=float, default=0.99)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    device = torch.device(given.device)
    train_loader, test_loader = make_loaders(given.root, device)
    model = Net().to(device)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = StepLR(optimizer, step_size=1, gamma=0.7)
    accuracies: list[float] = []
    for _ in range(given.epochs):
        train_epoch(model, train_loader, optimizer, device)
        accuracies.append(judge(model, test_loader, device))
        if accuracies[-1] >= given.stop_at:
            break
        schedule.step()
    print(json.dumps({"accuracies": accuracies}))


def make_loaders(root: str, device: torch.device) -> tuple[DataLoader[Tensor], DataLoader[Tensor]]:
    """Training and test data; workers and pinned memory on a GPU only, as in the example."""
    on_gpu = device.type == "cuda"
    workers: dict[str, Any] = (
        {"num_workers": 1, "pin_memory": True, "persistent_workers": True} if on_gpu else {}
    )
    test = datasets.MNIST(root, train=False, transform=make_transform())
    return (
        DataLoader(make_training_set(root), batch_size=64, shuffle=True, **workers),
        DataLoader(test, batch_size=1000, **workers),
    )


def make_training_set(root: str) -> Any:
    """torchvision's MNIST, each image made a tensor and normalised when it is asked for."""
    return datasets.MNIST(root, train=True, transform=make_transform())


def make_transform() -> Any:
    """An image to a normalised tensor."""
    steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    return transforms.Compose(steps)


def train_epoch(
    model: nn.Module,
    loader: DataLoader[Tensor],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> None:
    """One pass over the training data."""
    model.train()
    for images_BCHW, labels_B in loader:
        images_BCHW, labels_B = images_BCHW.to(device), labels_B.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images_BCHW), labels_B)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def judge(model: nn.Module, loader: DataLoader[Tensor], device: torch.device) -> float:
    """The share of test samples classified rightly."""
    model.eval()
    correct = 0
    with torch.no_grad():
        for images_BCHW, labels_B in loader:
            images_BCHW, labels_B = images_BCHW.to(device), labels_B.to(device)
            correct += int((model(images_BCHW).argmax(1) == labels_B).sum())
    return correct / 10_000


if __name__ == "__main__":
    main()
