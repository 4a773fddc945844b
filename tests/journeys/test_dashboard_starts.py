"""Runs that the dashboard starts, goes on with, judges and exports, in a real terminal."""

from __future__ import annotations

import pytest

from tests.command import Home, wait_until, workers
from tests.journeys.test_training_options import has_ended

pytestmark = pytest.mark.slow


def test_a_run_is_started_from_the_form_and_outlives_the_dashboard(home: Home) -> None:
    dashboard = home.open("dashboard")
    dashboard.wait_for("no runs here yet")
    dashboard.send("n")
    dashboard.wait_for("new run", "preset default of digits")
    dashboard.send("\r")
    # The line of the entry: what the setting takes is said above it too, before it is opened.
    dashboard.wait_for("name +–", " name +lower-case letters")
    dashboard.send("mine\r")
    dashboard.wait_for("name +mine +")
    dashboard.send("/")
    dashboard.wait_for("settings like", "enter keeps them")
    dashboard.send("training.epochs\r")
    dashboard.wait_for("▸ epochs", "enter type")
    dashboard.send("\r")
    dashboard.wait_for(r" epochs 30 +a whole number")
    dashboard.send("100000\r")
    dashboard.wait_for("epochs +100000 ")
    dashboard.send("\x13")
    dashboard.wait_for("mine", "running", r"loss +train ~?\d\.\d+", r"epoch +\d+/100000")
    dashboard.send("\x03")
    assert dashboard.finish() == 0
    before = len(home.events("steps"))
    wait_until(lambda: len(home.events("steps")) > before, "further steps")
    assert home.json("runs", "show", "mine")["state"] == "running"
    home.do("runs", "stop", "mine")


def test_a_stopped_run_is_resumed_stopped_after_an_epoch_judged_and_exported(home: Home) -> None:
    with home.live_run() as run:
        home.wait_for_event("epoch_finished")
        home.do("runs", "stop", run)
    dashboard = home.open("dashboard", run)
    dashboard.wait_for("stopped", "r resume")
    dashboard.send("r")
    dashboard.wait_for(f"press r again to resume {run} from step")
    dashboard.send("r")
    # Not the keys, in whose place it is said for a while that the run goes on.
    dashboard.wait_for("● running", r"resumed +from step")
    assert home.events("resumed")[0]["exactness"] == "exact"
    dashboard.send("S")
    dashboard.wait_for("■ stopped|stopped +epoch", "r resume")
    (stopped,) = home.events("stopped")[1:]
    shown = home.json("runs", "show", run)
    assert stopped["step"] == shown["step"] == shown["checkpoint_step"]
    assert stopped["step"] % 21 == 0
    dashboard.send("e")
    dashboard.wait_for(f"press e again to judge the best checkpoint of {run}")
    dashboard.send("e")
    dashboard.wait_for(r"test: accuracy 0\.\d+  loss \d\.\d+  on 359 samples")
    assert list((home.run() / "evaluations").iterdir())
    dashboard.send("o")
    dashboard.wait_for("press o again")
    dashboard.send("o")
    dashboard.wait_for("agrees with the model on 359 test samples")
    assert (home.run() / "exports" / "model.onnx").is_file()
    dashboard.send("\x03")
    assert dashboard.finish() == 0


def test_leaving_ends_an_evaluation_that_still_runs(trained: Home) -> None:
    dashboard = trained.open("dashboard", "1")
    dashboard.wait_for("finished", "e evaluate")
    dashboard.send("e")
    dashboard.wait_for("press e again")
    dashboard.send("e")
    (evaluation,) = wait_until(lambda: workers(dashboard.process.pid), "the evaluation to begin")
    # So that it has not ended before the dashboard, which yields to it, obeys the key.
    evaluation.suspend()
    dashboard.send("\x03")
    assert dashboard.finish() == 0
    wait_until(lambda: has_ended(evaluation), "the end of the evaluation")
    assert not (trained.run() / "evaluations").exists()
