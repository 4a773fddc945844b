"""A resumed run is the run that was never interrupted, to the bit."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import Home, kill_group, wait_until
from tui_trainer.checkpoints.layout import list_steps
from tui_trainer.store.lease import look

# 162 steps an epoch, and checkpoints in the middle of them.
TRAIN = (
    *("train", "digits", "--batch-size", "8", "--epochs", "6", "--seed", "7"),
    *("--checkpoints-every-steps", "50"),
)
STEPS = 6 * 162


def last_checkpoint(home: Home) -> dict[str, str]:
    """SHA-256 of the weights and the optimizer's state after the last step."""
    folder = home.run() / "checkpoints" / f"step-{STEPS:08}"
    names = ("model.safetensors", "optimizer.safetensors")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def live_steps(home: Home) -> dict[int, tuple[float, ...]]:
    """Loss, learning rate, gradient norm and accuracy of each step of the live branch."""
    figures: dict[int, tuple[float, ...]] = {}
    for event in home.events():
        if event["kind"] == "resumed":
            figures = {step: row for step, row in figures.items() if step <= event["from_step"]}
        if event["kind"] == "steps":
            columns = (event[name] for name in ("loss", "lr", "grad_norm", "accuracy"))
            figures |= dict(enumerate(zip(*columns, strict=True), start=event["first"]))
    return figures


def evaluations(home: Home) -> dict[tuple[str, int], Any]:
    """The figures of each evaluation, the last of each where an epoch was trained twice."""
    return {(event["split"], event["step"]): event["metrics"] for event in home.events("evaluated")}


@pytest.fixture(scope="session")
def uninterrupted(prepare_once: Callable[..., Path], digits_data: Path) -> Home:
    """A home whose run1 was trained without a break."""

    def make(folder: Path) -> Home:
        return Home(folder, digits_data, folder, {"TUITRAIN__HARDWARE__THREADS": "1"})

    return make(prepare_once("uninterrupted", lambda folder: make(folder).do(*TRAIN)))


def check_same(home: Home, uninterrupted: Home) -> None:
    assert home.state() == "finished"
    assert last_checkpoint(home) == last_checkpoint(uninterrupted)
    assert live_steps(home).keys() == set(range(1, STEPS + 1))
    assert live_steps(home) == live_steps(uninterrupted)
    assert evaluations(home) == evaluations(uninterrupted)


def test_stopped_run_goes_on_as_if_it_had_not_been(home: Home, uninterrupted: Home) -> None:
    home.do(*TRAIN, "--detach")
    home.wait_for_event("checkpoint_saved", count=2)
    os.kill(home.events("run_started")[0]["pid"], signal.SIGTERM)
    wait_until(lambda: not look(home.run()).held, "the end of the worker")
    from_step = home.events("stopped")[0]["step"]
    assert 0 < from_step < STEPS
    assert home.state() == "stopped"
    home.do("resume", "1")
    assert home.events("resumed")[0]["from_step"] == from_step
    check_same(home, uninterrupted)


def test_killed_run_goes_on_from_its_last_checkpoint(home: Home, uninterrupted: Home) -> None:
    home.do(*TRAIN, "--detach")
    home.wait_for_event("checkpoint_saved", count=2)
    kill_group(home.events("run_started")[0]["pid"])
    # It holds the lease until a write that it is at has reached the disk.
    wait_until(lambda: not look(home.run()).held, "the end of the worker")
    assert home.state() == "interrupted"
    saved = list_steps(home.run() / "checkpoints")[-1]
    assert home.events("checkpoint_saved")[-1]["step"] <= saved < STEPS
    home.do("resume", "1")
    assert home.events("resumed")[0]["from_step"] == saved
    check_same(home, uninterrupted)
