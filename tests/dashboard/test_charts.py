"""The charts of a run under keys and mouse."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
from textual.events import MouseDown, MouseEvent, MouseMove, MouseUp
from textual.geometry import Offset
from textual.pilot import Pilot

from tests.builders import evaluated, resumed, session_start, steps
from tests.dashboard.conftest import MadeRun, MakeRun, screen_lines, screen_text, shows, until
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.options import X_KINDS
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.dashboard.widgets.pane_grid import Rule, Separator
from tui_trainer.store.registry import Registry

SIZE = (140, 44)


def open_on(registry: Registry, run: MadeRun) -> DashboardApp:
    return DashboardApp(registry, [run.folder])


def screen_of(app: DashboardApp) -> RunScreen:
    assert isinstance(app.screen, RunScreen)
    return app.screen


def charts(app: DashboardApp) -> list[str]:
    return [pane.chart for pane in app.screen.query(ChartPane)]


def pane_of(app: DashboardApp, chart: str) -> ChartPane:
    return next(pane for pane in app.screen.query(ChartPane) if pane.chart == chart)


def shown_range(app: DashboardApp) -> tuple[float, float]:
    axis = pane_of(app, "loss").plot.x_axis
    assert axis is not None
    return axis.low, axis.high


def is_drawn(app: DashboardApp, count: int) -> bool:
    """Whether a chart of so many steps is in sight."""
    panes = list(app.screen.query(ChartPane))[:1]
    curves = [curve for pane in panes for curve in pane.content.spec.curves]
    return any(len(curve.x) == count for curve in curves)


async def settle(pilot: Pilot[None], app: DashboardApp, count: int) -> None:
    """Wait until so many steps are drawn."""
    await until(pilot, lambda: len(screen_of(app).steps) == count and is_drawn(app, count))
    await pilot.pause()


def long_run(make_run: MakeRun, count: int = 400, **start: object) -> MadeRun:
    run = make_run(live=True)
    run.emit(session_start(steps=count, steps_per_epoch=100, epochs=4, **start))
    losses = tuple(np.linspace(1.0, 0.1, count).round(6).tolist())
    for first in range(1, count + 1, 50):
        block = losses[first - 1 : first + 49]
        run.emit(steps(first, 50, loss=block, elapsed_s=first / 10 + 5, t=1e9 + first / 10 + 5))
    run.emit(evaluated(step=200, epoch=2, metrics={"loss": 0.5, "accuracy": 0.8, "f1": 0.66}))
    return run


async def test_the_cursor_reads_every_chart_at_one_step(
    registry: Registry, make_run: MakeRun
) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        await pilot.press("left")
        await shows(pilot, "train 0.1000 ~0.1", "step 400")
        await pilot.press("right")
        assert "step 400" in screen_text(app)
        await pilot.press(*["shift+left"] * 3)
        cursor = screen_of(app).options.cursor
        assert cursor is not None and cursor < 380
        value = np.linspace(1.0, 0.1, 400)[int(cursor) - 1]
        await shows(pilot, f"step {int(cursor)}", f"train {value:.4f}")
        specs = {pane.content.spec.cursor for pane in app.screen.query(ChartPane)}
        assert specs == {cursor}
        await pilot.press("escape")
        await until(pilot, lambda: screen_of(app).options.cursor is None)
        assert isinstance(app.screen, RunScreen)


async def test_zoom_pan_follow_and_whole(registry: Registry, make_run: MakeRun) -> None:
    run = long_run(make_run)
    app = open_on(registry, run)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        whole = shown_range(app)
        await pilot.press("z", "z")
        low, high = shown_range(app)
        assert high == 400 and 90 <= high - low <= 110
        run.emit(steps(401, 20))
        await until(pilot, lambda: shown_range(app)[1] == 420)
        await pilot.press("less_than_sign")
        assert shown_range(app)[1] < 420
        held = shown_range(app)
        run.emit(steps(421, 20))
        await settle(pilot, app, 440)
        assert shown_range(app) == held
        await pilot.press("f")
        assert shown_range(app)[1] == 440
        await pilot.press("Z", "greater_than_sign", "0")
        assert shown_range(app)[0] == whole[0] and screen_of(app).options.viewport is None


async def test_every_x_axis_shows_the_same_steps(registry: Registry, make_run: MakeRun) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        await pilot.press("left", *["shift+left"] * 5, "z", "z")
        cursor = screen_of(app).options.cursor
        for kind in (*X_KINDS[1:], X_KINDS[0]):
            await pilot.press("x")
            options = screen_of(app).options
            assert options.x_kind == kind
            assert options.viewport is not None
            x = screen_of(app).steps.x(kind)
            assert options.cursor is not None
            row = int(np.argmin(np.abs(x - options.cursor)))
            assert abs(screen_of(app).steps.step[row] - (cursor or 0)) <= 1


async def test_pages_panes_and_metrics(registry: Registry, make_run: MakeRun) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        overview = charts(app)
        assert overview == ["loss", "accuracy", "memory"]
        await pilot.press("2")
        await until(pilot, lambda: {"lr", "grad_norm", "throughput"} <= set(charts(app)))
        for key, text in (("3", "diagnosis"), ("4", "worker log"), ("5", "configuration · data")):
            await pilot.press(key)
            await shows(pilot, text)
        await pilot.press("escape")
        await until(pilot, lambda: charts(app) == overview)
        await pilot.press("tab", "tab", "m")
        await until(pilot, lambda: charts(app) == ["loss", "lr", "memory"])
        await shows(pilot, "▸learning rate")
        await pilot.press("m", "m", "m")
        await shows(pilot, "▸f1", "0.6600")
        await pilot.press("enter")
        await until(pilot, lambda: charts(app) == ["f1"])
        await pilot.press("escape")
        await until(pilot, lambda: len(charts(app)) == 3)
        await pilot.press("shift+tab")
        await shows(pilot, "▸loss")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, RunScreen))


async def test_choices_are_kept_for_the_next_run(registry: Registry, make_run: MakeRun) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        await pilot.press("x", "y", "plus", "tab", "m", "q")
        await until(pilot, lambda: not isinstance(app.screen, RunScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: charts(app)[:1] == ["lr"])
        options = screen_of(app).options
        assert (options.x_kind, options.log) == ("epoch", False)


async def test_the_wheel_zooms_where_it_points_and_a_double_click_shows_all(
    registry: Registry, make_run: MakeRun
) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        pane = pane_of(app, "loss")
        await pilot.hover(pane, Offset(20, 8))
        pointed = screen_of(app).options.cursor
        assert pointed is not None and 0 < pointed < 200
        await pilot._post_mouse_events([_scroll_up()], pane, Offset(20, 8), button=0)
        low, high = shown_range(app)
        assert low < pointed < high < 400
        await pilot.click(pane, Offset(20, 8), times=2)
        assert screen_of(app).options.viewport is None


def _scroll_up() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


async def use_mouse(
    pilot: Pilot[None], pane: ChartPane, kind: type[MouseEvent], at: Offset, button: int = 1
) -> None:
    """Do it as a terminal does: the pilot goes by the app, which makes clicks of it."""
    x, y = pane.region.offset + at
    pilot.app.post_message(kind(None, x, y, 0, 0, button, False, False, False, x, y))
    await pilot.pause()


async def test_a_box_that_is_drawn_is_shown_alone(registry: Registry, make_run: MakeRun) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        pane = pane_of(app, "loss")
        await use_mouse(pilot, pane, MouseDown, Offset(20, 4))
        await use_mouse(pilot, pane, MouseMove, Offset(40, 10))
        drawn = "".join(
            span.text for row in pane.plot.rows for span in row if span.role == "cursor"
        )
        assert "─" * 10 in drawn
        await use_mouse(pilot, pane, MouseUp, Offset(40, 10))
        low, high = shown_range(app)
        assert 0 < low < high < 400
        assert screen_of(app).options.y_box is not None
        y_axis = pane_of(app, "loss").plot.y_axis
        assert y_axis is not None and y_axis.high < 1.0
        assert pane_of(app, "accuracy").content.spec.y_window is None
        assert screen_of(app).options.cursor is None


async def test_a_drag_moves_what_is_shown_and_leaves_no_cursor(
    registry: Registry, make_run: MakeRun
) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        await pilot.press("z", "z")
        pane, (low, high) = pane_of(app, "loss"), shown_range(app)
        await use_mouse(pilot, pane, MouseDown, Offset(20, 8), button=3)
        await use_mouse(pilot, pane, MouseMove, Offset(40, 8), button=3)
        await use_mouse(pilot, pane, MouseUp, Offset(40, 8), button=3)
        after = shown_range(app)
        assert after[0] < low and after[1] < high
        assert abs((after[1] - after[0]) - (high - low)) < 1e-6
        assert screen_of(app).options.cursor is None


async def test_values_are_copied_and_charts_are_written(
    registry: Registry, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    monkeypatch.chdir(folder)
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        await pilot.press("Y")
        assert app.clipboard == screen_of(app).record.path
        await pilot.press("left", "Y")
        assert "step 400" in app.clipboard and "train 0.1000" in app.clipboard
        assert not any("\u2800" <= sign <= "\u28ff" for sign in app.clipboard)
        for kind in ("csv", "svg", "png"):
            await pilot.press("w")
            await shows(pilot, "write the chart of loss as")
            await pilot.press(*kind, "enter")
            await until(pilot, (folder / f"run1-loss.{kind}").exists)
            await until(pilot, lambda: screen_lines(app)[-1].startswith(" wrote run1-loss."))
        await pilot.press("w", *"gif", "enter")
        await shows(pilot, "svg, png or csv")
        await pilot.press("escape")
        await until(pilot, lambda: "write the chart" not in screen_text(app))
    assert (folder / "run1-loss.csv").read_text().count("\n") >= 400
    assert sorted(path.name for path in folder.iterdir()) == [
        "run1-loss.csv", "run1-loss.png", "run1-loss.svg",
    ]  # fmt: skip


async def test_a_step_of_a_long_run_is_read_again_to_the_last_digit(
    registry: Registry, make_run: MakeRun
) -> None:
    run, count, block = make_run(), 100_000, 1000
    values = np.random.default_rng(3).random(count).round(5)
    run.emit(session_start(steps=count, steps_per_epoch=1000, epochs=100))
    for first in range(1, count + 1, block):
        run.emit(steps(first, block, loss=tuple(values[first - 1 : first + block - 1].tolist())))
    app = open_on(registry, run)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: screen_of(app).steps.step[-1:].tolist() == [count])
        await pilot.press("left", *["shift+left"] * 10)
        await until(pilot, lambda: "…" not in screen_text(app).splitlines()[3])
        cursor = screen_of(app).options.cursor
        assert cursor is not None
        at = int(cursor)
        await shows(pilot, f"step {at:,}".replace(",", " "), f"train {values[at - 1]:.4f}")
        await pilot.press(*["z"] * 8)
        low, high = shown_range(app)
        first, last = ceil(low), floor(high)
        await until(
            pilot, lambda: len(screen_of(app).steps.between(first, last)) == last - first + 1
        )


async def test_a_branch_that_was_left_is_drawn_faint(registry: Registry, make_run: MakeRun) -> None:
    run = long_run(make_run)
    run.emit(evaluated(step=400, epoch=4, metrics={"loss": 0.4, "accuracy": 0.85}))
    run.emit(resumed(from_step=200, steps=400), steps(201, 50))
    app = open_on(registry, run)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 250)
        left = pane_of(app, "loss").content.spec.curves[:2]
        assert [(curve.role, curve.glyph) for curve in left] == [("branch", ""), ("branch", "○")]
        assert left[1].x.tolist() == [400.0] and left[1].y.tolist() == [0.4]
        drawn = {span.role for row in pane_of(app, "loss").plot.rows for span in row}
        assert "branch" in drawn


def widths(app: DashboardApp) -> list[int]:
    return [pane.size.width for pane in app.screen.query(ChartPane)]


async def test_panes_take_other_sizes_by_key_and_keep_them(
    registry: Registry, make_run: MakeRun
) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        before = widths(app)
        heights = [pane.size.height for pane in app.screen.query(ChartPane)]
        await pilot.press("tab", "right_square_bracket", "right_curly_bracket")
        await until(pilot, lambda: widths(app)[0] == before[0] + 4)
        await until(pilot, lambda: pane_of(app, "loss").size.height == heights[0] + 2)
        await pilot.press("tab", "right_square_bracket")
        await until(pilot, lambda: widths(app)[0] == before[0])
        await pilot.press("right_square_bracket", "q", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: widths(app)[:1] == [before[0] - 4])
        await pilot.press("backslash")
        await until(pilot, lambda: widths(app) == before)
        await pilot.press(*["left_square_bracket"] * 30)
        await until(pilot, lambda: min(widths(app)) < 44)
        assert min(widths(app)) >= 40


async def test_the_lines_between_panes_can_be_dragged(
    registry: Registry, make_run: MakeRun
) -> None:
    app = open_on(registry, long_run(make_run))
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, app, 400)
        before, loss = widths(app), pane_of(app, "loss")
        height = loss.size.height
        separator = app.screen.query(Separator).first()
        await pilot.mouse_down(separator, Offset(0, 3))
        await pilot.hover(loss, Offset(before[0] - 6, 3))
        await pilot.mouse_up(loss, Offset(before[0] - 6, 3))
        await until(pilot, lambda: widths(app)[0] == before[0] - 6)
        rule = next(rule for rule in app.screen.query(Rule) if rule.region.y > loss.region.y)
        await pilot.mouse_down(rule, Offset(5, 0))
        await pilot.hover(loss, Offset(5, height - 3))
        await pilot.mouse_up(loss, Offset(5, height - 3))
        await until(pilot, lambda: loss.size.height == height - 3)
        assert pane_of(app, "loss") is loss
