"""The dashboard as a person meets it."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from tests.builders import evaluated, resumed, session_start, steps
from tests.dashboard.conftest import MakeRun, screen_lines, screen_text, shows, until
from tui_trainer.core import events
from tui_trainer.dashboard.app import DashboardApp, run_dashboard
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.errors import RunNotFoundError
from tui_trainer.store.registry import Registry

SIZES = [(60, 18), (100, 30), (160, 45)]


async def test_without_runs_it_says_how_to_start_one(registry: Registry) -> None:
    async with DashboardApp(registry).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "no runs here yet", "tuitrain train")
        await pilot.press("enter", "j")
        assert isinstance(pilot.app.screen, RunsScreen)


async def test_a_run_that_begins_appears_in_the_list(registry: Registry, make_run: MakeRun) -> None:
    async with DashboardApp(registry).run_test(size=(100, 24)) as pilot:
        await shows(pilot, "no runs here yet")
        make_run("fresh", live=True).train()
        await shows(pilot, "run1 fresh", "● running", "1 live")


@pytest.mark.parametrize("size", SIZES)
async def test_the_list_opens_runs_and_leaves_them(
    registry: Registry, make_run: MakeRun, size: tuple[int, int]
) -> None:
    for name in ("first", "second", "third"):
        make_run(name).train()
    app = DashboardApp(registry)
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "run1 first", "run3 third", "⊘ interrupted")
        lines = screen_lines(app)
        assert "run3" in lines[3] and "▸" in lines[3]  # newest first, under the cursor
        await pilot.press("j", "down", "k", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await shows(pilot, "run2", "⊘ interrupted", "83 %")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("G", "enter")
        await shows(pilot, "run1", "⊘ interrupted", "83 %")
        await pilot.press("q", "q")
        await until(pilot, lambda: app._exit)


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_named_is_opened_at_once_and_its_keys_work(
    registry: Registry, make_run: MakeRun, size: tuple[int, int]
) -> None:
    make_run("named", live=True).train()
    app = DashboardApp(registry, [registry.find("named")])
    async with app.run_test(size=size) as pilot:
        assert isinstance(app.screen, RunScreen)
        await shows(pilot, "run1", "● running", "83 %", "0.8000 @ 20", "epoch 3/3")
        await pilot.press("y")
        await shows(pilot, "linear y")
        await pilot.press("plus", "x")
        await shows(pilot, "smooth 0.6", "epoch")
        await pilot.press(*["minus"] * 9)
        await shows(pilot, "not smoothed")
        await pilot.press("question_mark")
        await shows(pilot, "in a run", "save a checkpoint now")
        await pilot.press(*["j"] * 3, "G", "k")
        await shows(pilot, "start the run and open its screen")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("q")
        await shows(pilot, "1 run · 1 live")


@pytest.mark.parametrize("size", [*SIZES, (200, 55), (30, 8), (1, 1)])
async def test_panes_go_in_order_and_no_line_is_longer_than_the_screen(
    registry: Registry, make_run: MakeRun, size: tuple[int, int]
) -> None:
    run = make_run(live=True)
    run.train()
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "loss", "accuracy", "gpu memory", "events")
        await pilot.resize_terminal(*size)
        await until(pilot, lambda: all(len(line) == size[0] for line in screen_lines(app)))
        if size[0] >= 60:
            await shows(pilot, "loss", "83 %")
            names = ("gradient norm", "events", "gpu memory", "accuracy  train")
            expected = {60: 0, 100: 3, 160: 3, 200: 4}[size[0]]
            await until(pilot, lambda: sum(name in screen_text(app) for name in names) == expected)


async def test_events_reach_the_screen_while_it_is_open(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "step 25/30", "checkpoint  step 20  best")
        run.emit(steps(26, 2, epoch=3, loss=(0.5, 0.1234)))
        await shows(pilot, "step 27/30", "0.1234")
        run.emit(events.Message(text="something was said"))
        await shows(pilot, "something was said")
        run.emit(events.ControlApplied(id="1", request="pause", by="ann", step=27))
        await shows(pilot, "‖ paused", "ann paused the run at step 27", "space continue")
        run.emit(steps(28, 3, epoch=3), evaluated(step=30, epoch=3))
        run.emit(events.Finished(step=30, epoch=3))
        assert run.lease is not None
        run.lease.release()
        await shows(pilot, "✓ finished", "tuitrain eval run1", "tuitrain export-onnx run1")


async def test_a_failure_is_told_in_full_even_on_a_small_screen(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run()
    run.train()
    run.emit(
        events.Failed(
            step=25, code="non-finite", type="E", message="The loss became NaN in conv2.",
            hint="Lower the learning rate.",
        )
    )  # fmt: skip
    async with DashboardApp(registry, [run.folder]).run_test(size=(60, 18)) as pilot:
        await shows(
            pilot, "✗ failed", "The loss became NaN in conv2.", "Lower the learning rate.",
            "tuitrain resume run1",
        )  # fmt: skip


async def test_a_result_is_compared_with_the_best_before(
    registry: Registry, make_run: MakeRun
) -> None:
    for accuracy in (0.9, 0.95):
        run = make_run()
        run.emit(session_start(), steps(1, 30))
        run.emit(evaluated(step=30, metrics={"loss": 0.1, "accuracy": accuracy}))
        run.emit(events.Finished(step=30, epoch=3))
    async with DashboardApp(registry, [run.folder]).run_test(size=(120, 30)) as pilot:
        await shows(pilot, "best 0.9500 (+0.0500) better than 0.9000 of run1")


async def test_a_resumed_run_shows_no_zigzag(registry: Registry, make_run: MakeRun) -> None:
    run = make_run(live=True)
    run.train()
    run.emit(resumed(20), steps(21, 2, epoch=3, loss=(0.25, 0.2)))
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "step 22/30", "resumed")
        assert isinstance(app.screen, RunScreen)
        series = app.screen._view.series
        assert series.steps.step.tolist() == list(range(1, 23))
        assert series.branches[0].steps.step.tolist() == [21, 22, 23, 24, 25]


async def test_the_footer_tells_what_could_not_be_read(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run().train()
    app = DashboardApp(registry)
    async with app.run_test(size=(100, 20)) as pilot:
        await shows(pilot, "run1")

        def refuse(self: Registry) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Registry, "folders", refuse)
        await shows(pilot, "Permission denied", "run1")


async def test_several_runs_named_are_all_that_is_listed(
    registry: Registry, make_run: MakeRun
) -> None:
    for _ in range(3):
        make_run().train()
    folders = [registry.find("run1"), registry.find("run3")]
    app = DashboardApp(registry, folders)
    async with app.run_test(size=(100, 20)) as pilot:
        await shows(pilot, "run1", "run3", "2 runs")
        assert "run2" not in screen_text(app)


async def test_a_click_moves_the_cursor_and_a_second_opens(
    registry: Registry, make_run: MakeRun
) -> None:
    for _ in range(2):
        make_run().train()
    app = DashboardApp(registry)
    async with app.run_test(size=(100, 20)) as pilot:
        await shows(pilot, "run1", "run2")
        await pilot.click("RunTable", offset=(10, 1))
        assert "▸" in screen_lines(app)[4]
        await pilot.click("RunTable", offset=(10, 1), times=2)
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert isinstance(app.screen, RunScreen) and app.screen.record.run == "run1"


async def test_no_order_of_keys_and_sizes_breaks_it(registry: Registry, make_run: MakeRun) -> None:
    make_run().train()
    live = make_run(live=True)
    live.train()
    chance = random.Random(0)
    keys = ["enter", "question_mark", "y", "x", "plus", "minus", "j", "k", "G", "space", "c", "s"]
    app = DashboardApp(registry)
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "run1", "run2")
        for number in range(50):
            if len(app.screen_stack) > 2 and chance.random() < 0.2:
                await pilot.press("q")
            if chance.random() < 0.25:
                await pilot.resize_terminal(chance.randrange(1, 220), chance.randrange(1, 60))
            await pilot.press(chance.choice(keys))
            live.emit(steps(26 + number, 1, epoch=3))
        assert app.is_running


def test_an_unknown_run_is_an_error_before_anything_is_shown(registry: Registry) -> None:
    with pytest.raises(RunNotFoundError):
        run_dashboard(registry, ["run7"])


def test_the_first_frame_does_not_wait_for_screens_that_few_open() -> None:
    code = "import sys, tui_trainer.dashboard.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    screens = "tui_trainer.dashboard.screens"
    late = {f"{screens}.compare", f"{screens}.form", f"{screens}.help", "tui_trainer.core.picture"}
    assert not late & set(done.stdout.split())
