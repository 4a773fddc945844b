"""Training loops as a good user of PyTorch writes them, without a framework or any logging."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contestant import BATCH_SIZE, LEARNING_RATE, MOMENTUM, Course
from tui_trainer.models.zoo import MnistExample

MEAN, DEVIATION = 0.1307, 0.3081


def load_images(course: Course) -> tuple[Tensor, Tensor]:
    """MNIST's training images in memory, normalised floats N×1×28×28, and labels N."""
    folder = course.data_dir / "mnist"
    images_NCHW = torch.from_numpy(np.load(folder / "train-images.npy"))
    labels_N = torch.from_numpy(np.load(folder / "train-labels.npy"))
    return images_NCHW.float().div_(255).sub_(MEAN).div_(DEVIATION), labels_N


def make_model(course: Course) -> nn.Module:
    """The network, on the device, with the threads set."""
    torch.set_num_threads(course.threads)
    torch.manual_seed(0)
    return MnistExample(10).to(course.device)


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer in the implementation that PyTorch chooses."""
    return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)


def make_loader(course: Course) -> DataLoader[tuple[Tensor, ...]]:
    """The data through a DataLoader; for data in memory it is fastest without workers."""
    dataset = TensorDataset(*load_images(course))
    return DataLoader(
        dataset, batch_size=BATCH_SIZE, shuffle=True, pin_memory=course.device == "cuda"
    )


def train(course: Course) -> None:
    """Train for ever, by the loop that the contestant is named after."""
    if course.name == "DataLoader loop":
        train_by_loader(course)
    train_by_index(course)


def train_by_index(course: Course) -> None:
    """The tight loop: all data on the device, batches picked by a shuffled index."""
    model = make_model(course)
    images_NCHW, labels_N = (part.to(course.device) for part in load_images(course))
    optimizer = make_optimizer(model)
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
    """The same with a DataLoader over a TensorDataset."""
    model = make_model(course)
    loader = make_loader(course)
    optimizer = make_optimizer(model)
    model.train()
    while True:
        for images_BCHW, labels_B in loader:
            images_BCHW = images_BCHW.to(course.device, non_blocking=True)
            labels_B = labels_B.to(course.device, non_blocking=True)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images_BCHW), labels_B)
            loss.backward()
            optimizer.step()
            course.pacer.step_done()
