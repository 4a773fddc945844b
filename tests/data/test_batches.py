"""Batches kept on the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tasks import prepare_stripes
from tui_trainer.data.batches import DeviceBatches
from tui_trainer.data.prepared import load_split


@pytest.fixture
def batches(tmp_path: Path) -> DeviceBatches:
    spec = prepare_stripes(tmp_path)
    images, labels = load_split(tmp_path, "mnist", "train")
    return DeviceBatches(spec, images[:50], labels[:50], batch_size=16, device=torch.device("cpu"))


def test_an_epoch_holds_every_sample_once(batches: DeviceBatches) -> None:
    parts = list(batches.shuffled(3, 0))
    assert [len(labels) for _, labels in parts] == [16, 16, 16, 2]
    assert len(parts) == batches.num_batches
    ordered = torch.cat([x for x, _ in batches.in_order()])
    shuffled = torch.cat([x for x, _ in parts])
    assert {image.numpy().tobytes() for image in ordered} == {
        image.numpy().tobytes() for image in shuffled
    }


def test_the_order_follows_seed_and_epoch_alone(batches: DeviceBatches) -> None:
    orders = []
    for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0)):
        torch.manual_seed(len(orders))
        orders.append(torch.cat([y for _, y in batches.shuffled(seed, epoch)]).tolist())
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] != orders[3] != orders[0]


def test_an_epoch_goes_on_from_any_batch(batches: DeviceBatches) -> None:
    whole = list(batches.shuffled(1, 4))
    rest = list(batches.shuffled(1, 4, first=2))
    assert len(rest) == 2
    for (x, y), (x_again, y_again) in zip(whole[2:], rest, strict=True):
        assert torch.equal(x, x_again)
        assert torch.equal(y, y_again)


def test_batches_are_normalised(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    images, labels = load_split(tmp_path, "mnist", "train")
    batches = DeviceBatches(spec, images, labels, batch_size=64, device=torch.device("cpu"))
    x = torch.cat([x for x, _ in batches.in_order()])
    assert x.dtype == torch.float32
    assert x.mean().item() == pytest.approx(0, abs=1e-4)
    assert x.std(unbiased=False).item() == pytest.approx(1, abs=1e-4)
    expected = (np.array(images, np.float32) - spec.mean[0]) / spec.std[0]
    assert np.allclose(x.numpy(), expected, atol=1e-5)
