"""The whole way on the digits, from empty folders to a verified ONNX file."""

from __future__ import annotations

import numpy as np
import pytest

from tests.command import Home
from tests.journeys import checks


@pytest.mark.slow
def test_from_nothing_to_a_judged_and_exported_model(empty_home: Home) -> None:
    home = empty_home
    train = home.open("train", "digits", "--name", "first")
    train.wait_for(
        r"first +▰+▱+ +\d+%  running  epoch \d+/30  step \d+/630",
        r"loss \d\.\d+ +val accuracy 0\.\d+ +[\d ]+ samples/s  left \S+ +memory [\d.]+ MiB",
        r"epoch +1/30  loss \d\.\d+  accuracy 0\.\d+  val loss \d\.\d+",
    )
    train.interrupt()
    train.wait_for("stopping with a checkpoint; once more ends the run at once")
    assert train.finish() == 130
    assert "first stopped" in train.text
    assert "tuitrain resume run1" in train.text
    stopped = home.json("runs", "show", "first")
    assert stopped["state"] == "stopped"
    assert 0 < stopped["checkpoint_step"] == stopped["step"] < 630
    assert (home.run() / "checkpoints" / f"step-{stopped['step']:08}").is_dir()

    resume = home.open("resume", "first")
    assert resume.finish() == 0
    assert f"resumed at step {stopped['step']}" in resume.history
    assert "first finished" in resume.text
    shown = home.json("runs", "show", "1")
    checks.check_finished(shown, dataset="digits", test_accuracy=0.97)
    assert shown["uuid"] == stopped["uuid"]
    assert [run["run"] for run in home.json("runs", "list")] == ["run1"]

    checks.check_judged(home, shown, test_count=359)
    images = np.load(home.data / "digits" / "test-inputs.npy")
    labels = np.load(home.data / "digits" / "test-labels.npy")
    checks.check_exported(home, images, labels)
    checks.check_tensorboard(home, shown)
    checks.check_dashboard_on(home, shown)
