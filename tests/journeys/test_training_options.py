"""Training as a person asks for it: options together, from the command line to a judged model."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from tests.command import Home, wait_until
from tests.journeys.test_resume_exactness import evaluations, live_steps
from tui_trainer.store.lease import look

# 41 steps an epoch. What is drawn at random, averaged and summed up in parts has to come back too.
MIXED = (
    "train digits --epochs 4 --batch-size 16 --accumulate 2 --seed 3 --label-smoothing 0.1 "
    "--translate 1 --mixup 0.2 --average ema --schedule cosine --warmup 0.1 "
    "--checkpoints-every-steps 10"
)
STREAM = ("--placement", "stream", "--workers", "2")


def checkpoint(home: Home, number: int = 1) -> Path:
    """The folder of a run's last checkpoint."""
    return max((home.run(number) / "checkpoints").glob("step-*"))


def weights(folder: Path) -> dict[str, bytes]:
    """Every file of tensors in a checkpoint, to the bit."""
    return {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}


def choices(home: Home, number: int = 1) -> str:
    """What a run says of what it chose and loaded."""
    started: dict[str, Any] = home.events("run_started", number)[0]
    return "\n".join(started["choices"])


def has_ended(process: psutil.Process) -> bool:
    """Whether nothing of a process runs, be it that nobody has asked for its status yet."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
def test_a_streamed_run_that_is_killed_ends_as_the_one_kept_on_the_device(
    home: Home, tmp_path: Path
) -> None:
    kept = Home(home.folder, home.data, tmp_path / "kept", home.variables)
    shown = kept.json(*MIXED.split())
    assert "data: kept whole on cpu" in choices(kept)

    home.do(*MIXED.split(), *STREAM, "--detach")
    home.wait_for_event("checkpoint_saved", count=2)
    pid = home.events("run_started")[0]["pid"]
    loaders = psutil.Process(pid).children()
    assert len(loaders) >= 2
    os.kill(pid, signal.SIGKILL)
    # It holds the lease until a write that it is at has reached the disk.
    wait_until(lambda: not look(home.run()).held, "the end of the worker")
    assert home.state() == "interrupted"
    # It waits until the processes that loaded data have gone as well.
    home.do("resume", "1")
    assert all(has_ended(loader) for loader in loaders)
    assert home.events("resumed")[0]["from_step"] > 0
    assert "data: streamed by 2 workers, as configured" in choices(home)

    assert set(weights(checkpoint(home))) >= {"model.safetensors", "averaged.safetensors"}
    assert weights(checkpoint(home)) == weights(checkpoint(kept))
    assert live_steps(home) == live_steps(kept)
    assert evaluations(home) == evaluations(kept)

    # The averaged weights are the ones that are judged.
    report = home.json("eval", "1")
    assert abs(report["accuracy"] - shown["last"]["test"]["accuracy"]) < 1e-9
    assert not home.workers


def test_a_run_begins_with_the_weights_of_another_of_which_a_part_is_frozen(
    trained: Home,
) -> None:
    home, source = trained, checkpoint(trained)
    options = ["--init-from", str(source), "--freeze", "0,2", "--lr-scales", "4=0.5"]
    shown = home.json("train", "digits", "--epochs", "1", "--precision", "bf16", *options)
    assert shown["last"]["validation"]["accuracy"] > 0.9
    told = choices(home, 2)
    assert f"weights from {source}: 20 of the model's 20 tensors loaded" in told
    assert "frozen: 0.weight, 2.weight, 2.bias" in told
    before = load_file(source / "model.safetensors")
    after = load_file(checkpoint(home, 2) / "model.safetensors")
    same = {name for name in before if (before[name] == after[name]).all()}
    # The statistics of a norm layer that is frozen whole stay as well.
    assert same >= {"0.weight", "2.weight", "2.bias", "2.running_mean", "2.running_var"}
    assert not same & {"4.weight", "13.weight"}


@pytest.mark.slow
def test_a_trial_run_goes_through_every_phase(home: Home) -> None:
    home.data = home.folder / "data"
    train = home.open("train", "wine", "--smoke", "--early-stopping", "1", columns=200)
    assert train.finish() == 0
    for line in (
        "2 epochs of 4 steps",
        "smoke: resume: the last checkpoint was put back into a fresh model and optimizer",
        r"smoke: eval: loss",
        "on 36 test samples",
        "smoke: export-onnx: the same class on 100.00%, outputs within",
    ):
        assert line in train.history
    assert (home.run() / "exports" / "model.onnx").is_file()


def test_one_batch_is_learnt_by_heart(home: Home) -> None:
    options = "--overfit-batch --epochs 60 --early-stopping 4 --schedule constant --lr 0.003"
    shown = home.json("train", "digits", *options.split())
    assert shown["last"]["train"]["accuracy"] == 1.0
    assert shown["last"]["train"]["loss"] < 0.05
    # Only validation decides when to stop, which one batch cannot make better for long.
    assert shown["epoch"] < 60
    (finished,) = home.events("finished")
    assert finished["reason"] == "stopped early: validation was not better for 4 epochs"
    behind = shown["step"] - shown["best"]["step"]
    assert behind == 4 * shown["steps"] // 60
    # The test is of the best weights, not of the last.
    (test,) = [event for event in home.events("evaluated") if event["split"] == "test"]
    assert test["step"] == shown["best"]["step"]
