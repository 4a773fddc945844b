"""Errors of our own: what failed says so in its place, and the dashboard goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import steps
from tests.dashboard.conftest import MakeRun, resources, screen_text, shows, until
from tui_trainer.core import events
from tui_trainer.dashboard import jobs, mishaps
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.panes import curves
from tui_trainer.dashboard.screens import run as run_screen
from tui_trainer.dashboard.screens import runs as runs_screen
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.widgets import run_pages, run_table
from tui_trainer.store.registry import Registry

KEPT: Callable[[Exception], str] = mishaps.meet


@pytest.fixture(autouse=True)
def mishaps_are_survived(no_mishap_is_survived: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mishaps, "meet", KEPT)
    monkeypatch.setattr(mishaps, "_first", "")


def fail(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("\x1b[31mthe [b]reason[/b]")


WHY = "ZeroDivisionError: the [b]reason"


@pytest.mark.parametrize(
    ("module", "name", "keys"),
    [
        (run_screen, "header_rows", []),
        (run_screen, "event_rows", []),
        (run_screen, "resource_content", []),
        (curves.CurveDrafts, "draft", []),
        (run_pages, "configuration_rows", ["5"]),
        (run_pages, "console_rows", ["4"]),
    ],
)
async def test_a_pane_that_cannot_be_drawn_says_so_and_the_others_go_on(
    registry: Registry,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    keys: list[str],
) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(160, 45)) as pilot:
        with monkeypatch.context() as broken:
            broken.setattr(module, name, fail)
            await pilot.press(*keys)
            await pilot.resize_terminal(150, 44)
            await shows(pilot, f"cannot be drawn: {WHY}", "? help")
        run.emit(steps(26, 1), resources(device=True), events.Message(text="something new"))
        await until(pilot, lambda: "cannot be drawn" not in screen_text(pilot.app))
    assert "in fail" in mishaps.first_mishap() and "\x1b" not in mishaps.first_mishap()


async def test_a_run_whose_line_cannot_be_drawn_leaves_the_others_in_the_list(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("good").train()
    make_run("bad").train()
    draw = run_table.run_row

    def draw_some(line: Any, *rest: Any, **more: Any) -> Any:
        return fail() if line.record.annotations.name == "bad" else draw(line, *rest, **more)

    monkeypatch.setattr(run_table, "run_row", draw_some)
    async with DashboardApp(registry).run_test(size=(100, 24)) as pilot:
        await shows(pilot, f"cannot be drawn: {WHY}", "run1 good")


async def test_a_key_that_fails_says_so_and_the_next_one_works(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run().train()
    monkeypatch.setattr(runs_screen, "sort_by_next", fail)
    async with DashboardApp(registry).run_test(size=(100, 24)) as pilot:
        await shows(pilot, "run1")
        await pilot.press("o")
        await shows(pilot, f"this failed: {WHY}")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_a_job_that_fails_in_an_unknown_way_says_so(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    run.train()
    monkeypatch.setattr(jobs, "read_config", fail)
    async with DashboardApp(registry, [run.folder]).run_test(size=(160, 45)) as pilot:
        await shows(pilot, "interrupted")
        await pilot.press("e", "e")
        await shows(pilot, f"this failed: {WHY}")


def test_what_was_met_is_told_when_the_dashboard_ends(registry: Registry) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from tui_trainer.dashboard import app, mishaps
        from tui_trainer.store.registry import Registry
        def run(self):
            try:
                raise ValueError("met")
            except ValueError as error:
                mishaps.meet(error)
        app.DashboardApp.run = run
        app.run_dashboard(Registry(Path(sys.argv[1])), [])
    """
    command = [sys.executable, "-c", code, str(registry.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "went on:\nTraceback" in done.stderr and "ValueError: met" in done.stderr
