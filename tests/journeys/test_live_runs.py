"""A run that trains at this moment, seen and steered from other terminals."""

from __future__ import annotations

import json
import re
import shutil
import signal

import pytest

from tests.command import CONTROL, RUN_FIELDS, Home, kill_group, wait_until, workers

LONG = ("train", "digits", "--epochs", "100000")


def trains_on(home: Home) -> bool:
    """Whether the run gains steps after now."""
    before = len(home.events("steps"))
    wait_until(lambda: len(home.events("steps")) > before, "further steps")
    return home.state() == "running"


def test_detached_run_is_watched_and_left_in_dashboard_and_attach(home: Home) -> None:
    started = home.call(*LONG, "--detach", "--name", "night")
    assert (started.returncode, started.stdout) == (0, "run1\n")

    dashboard = home.open("dashboard", "night")
    step = r"step +([\d ]+)/"
    dashboard.wait_for("night", "running", r"loss +train ~?\d\.\d+", r"epoch +\d+/100000", step)
    first = re.search(step, dashboard.text)
    assert first is not None
    wait_until(
        lambda: dashboard.read() and first[0] not in dashboard.text, "the dashboard to follow"
    )
    dashboard.send("q")
    dashboard.wait_for("1 run · 1 live", "▸ .* running +run1 night")
    dashboard.send("q")
    assert dashboard.finish() == 0
    assert trains_on(home)

    attach = home.open("attach", "last")
    attach.wait_for(r"night +[▰▱]+ +\d+%  running  epoch \d+/100000", "memory [0-9.]+ MiB")
    attach.interrupt()
    assert attach.finish() == 0
    assert "detached; run1 goes on" in attach.text
    assert trains_on(home)

    wide, high = home.open("dashboard"), home.open("attach", "1")
    wide.wait_for("1 run · 1 live")
    wide.send("\x03")
    assert wide.finish() == 0
    high.wait_for("running")
    high.hang_up()
    assert trains_on(home)


def test_train_opens_the_dashboard_and_the_run_outlives_it(home: Home) -> None:
    train = home.open(*LONG, "--name", "watched", "--dashboard")
    train.wait_for("watched", "running", r"loss +train ~?\d\.\d+")
    train.send("qq")
    assert train.finish() == 0
    assert "run1 goes on; come back with: tuitrain attach run1" in train.text
    assert trains_on(home)


def test_closing_the_terminal_of_train_leaves_the_run_going_on(home: Home) -> None:
    train = home.open(*LONG)
    train.wait_for("running  epoch", r"loss \d")
    train.hang_up()
    assert trains_on(home)
    stopped = home.json("runs", "stop", "1")
    assert stopped["request"] == "stop"
    assert stopped["state"] == "stopped"


def test_stop_from_another_terminal_ends_an_attached_train_well(home: Home) -> None:
    train = home.open(*LONG, "--name", "shared")
    train.wait_for("shared +▱+ +0%  running")
    # Beyond the one epoch that the resume below asks for.
    wait_until(lambda: len(home.events("epoch_finished")) >= 2, "two whole epochs")
    assert re.fullmatch(r"run1: stop at step [\d ]+\n", home.do("runs", "stop", "shared"))
    assert train.finish() == 0
    assert "shared stopped" in train.text
    shown = home.json("runs", "show", "1")
    assert (shown["state"], shown["checkpoint_step"]) == ("stopped", shown["step"])
    fewer = home.call("resume", "1", "--epochs", "1")
    assert fewer.returncode == 2
    assert "1 cannot be its total" in fewer.stderr
    assert home.json("runs", "show", "1") == shown


def test_run_stops_after_its_epoch_unless_that_is_taken_back(home: Home) -> None:
    with home.live_run() as run:
        home.wait_for_event("epoch_finished")
        asked = home.start("runs", "stop", run, "--after-epoch", "--json")
        stopped = json.loads(asked.communicate()[0])
        assert (stopped["request"], stopped["state"]) == ("stop-after-epoch", "stopped")
        shown = home.json("runs", "show", run)
        per_epoch = shown["steps"] // shown["epochs"]
        assert stopped["step"] == shown["step"] == shown["checkpoint_step"]
        assert shown["step"] % per_epoch == 0
        (ended,) = home.events("stopped")
        judged = [event["step"] for event in home.events("evaluated")]
        assert judged[-1] == ended["step"]


def test_a_stop_after_the_epoch_is_taken_back_from_another_terminal(home: Home) -> None:
    # An epoch that takes seconds, so that it does not end meanwhile.
    with home.live_run("--model", "resnet-small", "--batch-size", "1") as run:
        home.wait_for_event("steps")
        waiting = home.start("runs", "stop", run, "--after-epoch")
        home.wait_for_event("control_applied")
        home.do("runs", "continue", run)
        _, told = waiting.communicate()
        assert waiting.returncode == 2
        assert "run1 goes on: the stop after its epoch was taken back." in told
        assert trains_on(home)


def test_run_is_paused_continued_saved_and_set_from_another_terminal(home: Home) -> None:
    settings = ("schedule.name=constant", "schedule.warmup=0", "checkpoints.keep=10000")
    with home.live_run(*[f"--set={setting}" for setting in settings]) as run:
        home.wait_for_event("steps")
        assert home.json("runs", "pause", run)["request"] == "pause"
        assert home.state() == "paused"
        refused = home.call("runs", "set", run, "lr=0")
        assert refused.returncode == 2
        changed = home.json("runs", "set", run, "lr=0.002")
        paused_step = home.json("runs", "show", run)["step"]
        assert changed["step"] == paused_step
        assert home.json("runs", "continue", run)["step"] == paused_step
        again = home.call("runs", "continue", run, "--json")
        assert again.returncode == 2
        assert "not paused" in again.stdout
        judged = home.json("runs", "evaluate", run)
        assert judged["metrics"].keys() == {"loss", "accuracy"}
        (event,) = (event for event in home.events("evaluated") if event["by_request"])
        assert (event["step"], event["metrics"]) == (judged["step"], judged["metrics"])
        saved = home.json("runs", "checkpoint", run)
        shown = home.json("runs", "show", run)
        assert shown["state"] == "running"
        assert shown["checkpoint_step"] >= saved["step"]
        assert (home.run() / "checkpoints" / f"step-{saved['step']:08}").is_dir()
        assert home.call("resume", run).returncode == 2
        home.do("runs", "stop", run)
        after = [event for event in home.events("steps") if event["first"] > paused_step]
        assert {value for event in after for value in event["lr"]} == {0.002}


def test_second_interrupt_ends_at_once_and_the_last_checkpoint_stays(home: Home) -> None:
    train = home.open(*LONG, "--set", "checkpoints.every_s=0.2")
    train.wait_for("running  epoch", r"loss \d")
    home.wait_for_event("checkpoint_saved")
    (worker,) = workers(train.process.pid)
    # So that the first request is not yet obeyed when the second comes.
    worker.suspend()
    train.interrupt()
    train.wait_for("once more ends the run at once")
    train.interrupt()
    assert train.finish() == 130
    assert "tuitrain resume run1" in train.text
    shown = home.json("runs", "show", "1")
    assert shown["state"] == "interrupted"
    folder = home.run() / "checkpoints" / f"step-{shown['checkpoint_step']:08}"
    assert (folder / "manifest.json").is_file()


def test_killed_worker_is_told_and_the_run_can_be_resumed(home: Home) -> None:
    train = home.start(*LONG, "--detach")
    train.communicate()
    attach = home.start("attach", "1")
    home.wait_for_event("checkpoint_saved")
    kill_group(home.events("run_started")[0]["pid"])
    stdout, stderr = attach.communicate()
    assert attach.returncode == 1
    assert "run1 interrupted" in stdout
    assert "tuitrain resume run1" in stderr
    assert "Traceback" not in stderr
    assert home.state() == "interrupted"


@pytest.mark.parametrize(
    ("number", "status", "form"), [(signal.SIGTERM, 143, "--json"), (signal.SIGINT, 130, "")]
)
def test_without_a_terminal_a_signal_stops_and_output_is_plain(
    home: Home, number: signal.Signals, status: int, form: str
) -> None:
    train = home.start(*LONG, *form.split())
    home.wait_for_event("epoch_finished", count=3)
    train.send_signal(number)
    stdout, stderr = train.communicate()
    assert train.returncode == status
    shown = home.json("runs", "show", "1")
    assert shown["state"] == "stopped"
    assert shown["checkpoint_step"] == shown["step"]
    assert shown.pop("changed_files") == []
    assert home.json("runs", "list") == [shown]
    assert shown.keys() >= RUN_FIELDS
    if form:
        assert json.loads(stdout) == shown
    else:
        ending, figures, path = stdout.splitlines()
        assert ending.startswith("run1 stopped  ")
        assert "checkpoint at step" in ending
        assert figures.startswith("best validation accuracy 0.")
        assert path == str(home.run())
    epochs = [line for line in stderr.splitlines() if " epoch " in line]
    finished = [event["step"] for event in home.events("epoch_finished")]
    per_epoch = shown["steps"] // shown["epochs"]
    assert finished == [per_epoch * epoch for epoch in range(1, len(epochs) + 1)]
    assert shown["epoch"] == shown["step"] // per_epoch
    # Stopped right behind the last step of an epoch, it has that one's end still before it.
    assert 0 <= shown["step"] - finished[-1] <= per_epoch
    assert all(re.match(r"run1  epoch +\d+/100000  loss \d", line) for line in epochs)
    assert not CONTROL.search(stdout + stderr)


def test_interrupt_while_the_worker_starts_still_stops_the_run(home: Home) -> None:
    train = home.open(*LONG)
    wait_until(lambda: workers(train.process.pid), "the worker")
    train.interrupt()
    assert train.finish() == 130
    wait_until(lambda: home.state() not in ("starting", "running", "stopping"), "the end")
    assert home.state() == "stopped"


def test_checkpoint_of_a_paused_run_is_on_disk_at_once(home: Home) -> None:
    with home.live_run() as run:
        home.wait_for_event("steps")
        home.do("runs", "pause", run)
        step = home.json("runs", "checkpoint", run, "--json")["step"]
        assert (home.run() / "checkpoints" / f"step-{step:08}" / "manifest.json").exists()
        assert home.json("runs", "checkpoint", run, "--json")["step"] == step
        assert home.state() == "paused"


def test_worker_whose_folder_is_removed_ends_and_leaves_nothing(home: Home) -> None:
    with home.live_run("--set=checkpoints.every_s=0.2"):
        home.wait_for_event("steps")
        shutil.rmtree(home.run(), ignore_errors=True)
        wait_until(lambda: not home.workers, "the end of the worker")
    # What it wrote while it was being removed may have stayed; nothing comes after that.
    shutil.rmtree(home.run(), ignore_errors=True)
    assert home.json("runs", "list") == []
