"""The whole way on MNIST, imported from its four files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.command import Home
from tests.journeys import checks

pytestmark = pytest.mark.slow


def test_two_epochs_stopped_and_resumed_reach_the_promised_accuracy(
    empty_home: Home, mnist_files: Path
) -> None:
    home = empty_home
    imported = home.json("data", "import", "mnist", str(mnist_files))
    assert imported["counts"] == {"train": 60_000, "test": 10_000}
    assert [one["intact"] for one in home.json("data", "verify", "mnist")] == [True]

    train = home.open("train", "mnist", "--epochs", "2")
    train.wait_for(r"run1 +▰+▱+ +\d+%  running  epoch 1/2  step \d+/844", r"loss \d\.\d+")
    train.interrupt()
    assert train.finish() == 130
    stopped = home.json("runs", "show", "1")
    assert stopped["state"] == "stopped"
    assert 0 < stopped["checkpoint_step"] == stopped["step"] < 844

    assert home.call("resume", "last").returncode == 0
    shown = home.json("runs", "show", "last")
    checks.check_finished(shown, dataset="mnist", test_accuracy=0.988)
    checks.check_judged(home, shown, test_count=10_000)
    images = np.load(home.data / "mnist" / "test-inputs.npy", mmap_mode="r")[:200]
    labels = np.load(home.data / "mnist" / "test-labels.npy")[:200]
    checks.check_exported(home, np.ascontiguousarray(images), labels)
    checks.check_tensorboard(home, shown)
    checks.check_dashboard_on(home, shown)


def test_one_epoch_of_the_example_network_reaches_the_articles_accuracy(
    home: Home, mnist_data: Path
) -> None:
    home.data = mnist_data
    options = ("--model", "mnist-example", "--epochs", "1", "--seed", "1")
    shown = home.json("train", "mnist", *options)
    checks.check_finished(shown, dataset="mnist", test_accuracy=0.94)
    assert shown["model"] == "mnist-example"
    # It trains on all images: nothing is held out to choose a best checkpoint by.
    assert shown["best"] is None
    assert shown["last"]["validation"] is None
