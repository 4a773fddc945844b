"""Training loops as a good user of PyTorch writes them, without a framework or any logging."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contestant import BATCH_SIZE, LEARNING_RATE, MOMENTUM, Course

MEAN, DEVIATION = 0.1307, 0.3081


class Network(nn.Module):
    """tuitrain's `mnist-example`: the network of the classic PyTorch MNIST article."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.dropout2d = nn.Dropout2d()
        self.linear1 = nn.Linear(320, 50)
        self.linear2 = nn.Linear(50, 10)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits B×K."""
        x_BCHW = F.relu(F.max_pool2d(self.conv1(x_BCHW), 2))
        x_BCHW = F.relu(F.max_pool2d(self.dropout2d(self.conv2(x_BCHW)), 2))
        hidden_BD = F.relu(self.linear1(x_BCHW.flatten(1)))
        logits_BK: Tensor = self.linear2(F.dropout(hidden_BD, training=self.training))
        return logits_BK


def load_images(course: Course) -> tuple[Tensor, Tensor]:
    """MNIST's training images in memory, normalised floats N×1×28×28, and labels N."""
    folder = course.data_dir / "mnist"
    images_NCHW = torch.from_numpy(np.load(folder / "train-inputs.npy"))
    labels_N = torch.from_numpy(np.load(folder / "train-labels.npy"))
    return images_NCHW.float().div_(255).sub_(MEAN).div_(DEVIATION), labels_N


def make_model(course: Course) -> nn.Module:
    """The network, on the device, with the threads set."""
    torch.set_num_threads(course.threads)
    torch.manual_seed(0)
    model = Network().to(course.device)
    return model.to(memory_format=torch.channels_last) if course.is_tuned else model


def make_optimizer(model: nn.Module, *, fused: bool | None = None) -> torch.optim.Optimizer:
    """The optimizer in the implementation that PyTorch chooses, unless it is to be fused."""
    return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, fused=fused)


def make_loader(course: Course) -> DataLoader[Any]:
    """The data through a DataLoader, by default without workers, as is fastest for tensors."""
    on_gpu = course.device == "cuda"
    if course.feed == "tensors":
        tensors = TensorDataset(*load_images(course))
        return DataLoader(tensors, batch_size=BATCH_SIZE, shuffle=True, pin_memory=on_gpu)
    from benchmarks.classic import make_training_set

    images = make_training_set(str(course.mnist_root))
    workers = 2 if course.feed == "images, 2 workers" else int(on_gpu)
    return DataLoader(
        images,
        batch_size=BATCH_SIZE,
        shuffle=True,
        pin_memory=on_gpu,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def train(course: Course) -> None:
    """Train for ever, with or without a DataLoader."""
    if course.feed:
        train_by_loader(course)
    else:
        train_by_index(course)


def train_by_index(course: Course) -> None:
    """The tight loop: all data on the device, batches picked by a shuffled index."""
    model = make_model(course)
    images_NCHW, labels_N = (part.to(course.device) for part in load_images(course))
    optimizer = make_optimizer(model, fused=course.is_tuned or None)
    model.train()
    while True:
        order_N = torch.randperm(len(labels_N), device=course.device)
        for start in range(0, len(labels_N), BATCH_SIZE):
            chosen_B = order_N[start : start + BATCH_SIZE]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images_NCHW[chosen_B]), labels_N[chosen_B])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            course.pacer.step_done()


def train_by_loader(course: Course) -> None:
    """The same with a DataLoader."""
    model = make_model(course)
    loader = make_loader(course)
    optimizer = make_optimizer(model, fused=course.is_tuned or None)
    model.train()
    while True:
        for images_BCHW, labels_B in loader:
            images_BCHW = images_BCHW.to(course.device, non_blocking=True)
            labels_B = labels_B.to(course.device, non_blocking=True)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images_BCHW), labels_B)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            course.pacer.step_done()
