"""Several runs compared on one screen."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.pilot import Pilot

from tests.builders import evaluated, session_start, steps
from tests.dashboard.conftest import (
    MadeRun,
    MakeRun,
    press_until,
    screen_lines,
    screen_text,
    shows,
    until,
)
from tui_trainer.core import events
from tui_trainer.core.canvas import Row
from tui_trainer.core.chart_spec import Curve
from tui_trainer.core.compare import Difference
from tui_trainer.core.config import RunConfig
from tui_trainer.core.run_record import Annotations
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.compare_layout import plan_compare
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.grid import GridColumn, grid_rows
from tui_trainer.dashboard.panes.compare import LETTERS, MOST_RUNS, end_letters
from tui_trainer.dashboard.panes.compare_legend import visible_rows
from tui_trainer.dashboard.panes.compare_metrics import Metric
from tui_trainer.dashboard.panes.differences import RunHead, difference_rows
from tui_trainer.dashboard.rows import Span, row_width
from tui_trainer.dashboard.screens.compare import CompareScreen
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry

SIZES = [(60, 18), (120, 35), (250, 80)]


def configure(run: MadeRun, lr: float, seed: int = 0) -> MadeRun:
    tree = msgspec.to_builtins(RunConfig())
    tree["optimizer"]["lr"], tree["training"]["seed"] = lr, seed
    config = msgspec.convert(tree, RunConfig)
    (run.folder.path / "config.toml").write_bytes(encode_config(config))
    run.train(seed=seed, uuid=f"33333333-3333-4333-8333-3333333333{seed:02}")
    return run


@pytest.fixture
def three(make_run: MakeRun) -> list[MadeRun]:
    """Two seeds of one configuration and a third run with another learning rate."""
    return [
        configure(make_run("slow", live=True), 0.1),
        configure(make_run(live=True), 0.25, seed=1),
        configure(make_run(live=True), 0.25, seed=2),
    ]


def comparing(registry: Registry, runs: Sequence[MadeRun]) -> DashboardApp:
    return DashboardApp(registry, [run.folder for run in runs])


def screen_of(app: DashboardApp) -> CompareScreen:
    assert isinstance(app.screen, CompareScreen)
    return app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_runs_that_are_named_are_compared_at_once(
    registry: Registry, three: list[MadeRun], size: tuple[int, int]
) -> None:
    app = comparing(registry, three)
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "compare", "3 runs", "loss", "0.25", "seed", "run3")
        lines = screen_lines(app)
        assert all(len(line) == size[0] for line in lines)
        legend = [line for line in lines if line[:3] in (" a ", " b ", " c ")]
        assert [line.split()[1] for line in legend] == ["run1", "run2", "run3"]
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await shows(pilot, "3 runs")


async def test_only_settings_that_differ_are_in_the_legend(
    registry: Registry, three: list[MadeRun]
) -> None:
    async with comparing(registry, three).run_test(size=(120, 35)) as pilot:
        await shows(pilot, "last loss")
        await until(pilot, lambda: "0.25" in screen_text(pilot.app))
        titles = next(line for line in screen_lines(pilot.app) if "last loss" in line)
        assert " ".join(titles.split()) == "run name lr seed best accuracy last loss state"
        assert "slow" in screen_text(pilot.app)


async def test_runs_that_train_keep_moving(registry: Registry, three: list[MadeRun]) -> None:
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await pilot.press(*["minus"] * 9)
        await shows(pilot, "not smoothed", "3 live", "83 %")
        three[1].emit(steps(26, 2, epoch=3, loss=(0.5, 0.4321)))
        await shows(pilot, "0.4321", "90 %")
        three[2].emit(steps(26, 5, epoch=3), events.Finished(step=30, epoch=3))
        assert three[2].lease is not None
        three[2].lease.release()
        await shows(pilot, "✓ finished", "2 live")


async def test_every_metric_that_any_run_has_comes_in_turn(
    registry: Registry, three: list[MadeRun]
) -> None:
    three[1].emit(evaluated(step=20, epoch=2, metrics={"loss": 0.1, "f1": 0.5}))
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await until(pilot, lambda: Metric("f1", "validation") in screen_of(app).metrics)
        titles = [metric.title for metric in screen_of(app).metrics]
        assert titles == [
            "loss", "validation loss", "accuracy", "validation accuracy", "validation f1",
            "train loss by epoch", "learning rate", "gradient norm", "samples/s",
        ]  # fmt: skip
        for title in [*titles[1:], titles[0]]:
            await pilot.press("m")
            await shows(pilot, f" {title} ", f"last {title}"[:20])


async def test_a_large_screen_shows_the_next_metrics_too(
    registry: Registry, three: list[MadeRun]
) -> None:
    async with comparing(registry, three).run_test(size=(250, 80)) as pilot:
        await shows(pilot, " validation loss", " accuracy", " validation accuracy")
        await pilot.press("m")
        await shows(pilot, " validation loss", " train loss by epoch")


@pytest.mark.parametrize("size", SIZES)
async def test_the_table_tells_what_differs_and_marks_the_best(
    registry: Registry, three: list[MadeRun], size: tuple[int, int]
) -> None:
    three[1].emit(evaluated(step=25, epoch=3, metrics={"loss": 0.125, "accuracy": 0.875}))
    app = comparing(registry, three)
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "0.8750*")
        await pilot.press("t")
        await shows(pilot, "differences", "configuration", "optimizer.lr", "a slow", "b run2")
        await press_until(pilot, "pagedown", lambda: "samples/s" in screen_text(app))
        await press_until(pilot, "pageup", lambda: "optimizer.lr" in screen_text(app))
        await press_until(pilot, "down", lambda: "0.1250*" in screen_text(app))
        await shows(pilot, "validation loss", "0.1250*")
        await press_until(pilot, "k", lambda: "optimizer.lr" in screen_text(app))
        await press_until(pilot, "j", lambda: "0.1250*" in screen_text(app))
        await pilot.press("t")
        await shows(pilot, "best accuracy")


async def test_seeds_become_their_mean_in_a_band(registry: Registry, three: list[MadeRun]) -> None:
    for run, loss in zip(three[1:], (0.9, 0.1), strict=True):
        run.emit(steps(26, 4, epoch=3, loss=(loss,) * 4))
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "0.25", "seed  best")
        await pilot.press("b")
        await shows(pilot, "0.5000 (0.1000–0.9000)", "mean of 2 seeds", "b c", "least to greatest")
        titles = next(line for line in screen_lines(app) if "last loss" in line)
        assert "seed" not in titles and "lr" in titles
        roles = {span.role for row in _chart_rows(app) for span in row}
        assert any(role.startswith("band") for role in roles)
        await pilot.press("x", "x", "x")
        await shows(pilot, "clock", "run3")  # over the clock they have no mean
        assert "mean of" not in screen_text(app)
        await pilot.press("x")
        await shows(pilot, "mean of 2 seeds")
        await pilot.press("b")
        await shows(pilot, "run3")
        assert "mean of" not in screen_text(app)


def _chart_rows(app: DashboardApp) -> Sequence[Row]:
    return app.screen.query(ChartPane).first().plot.rows


async def test_runs_that_differ_in_more_than_their_seed_have_no_band(
    registry: Registry, three: list[MadeRun]
) -> None:
    app = comparing(registry, three[:2])
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "0.25")
        await pilot.press("b")
        await shows(pilot, "no two of these runs differ in their seed alone")
        await pilot.press("x", "x", "x", "b")
        await shows(pilot, "seeds have no mean over the clock")


async def test_axes_scale_and_smoothing_are_chosen_by_keys(
    registry: Registry, three: list[MadeRun]
) -> None:
    async with comparing(registry, three).run_test(size=(120, 35)) as pilot:
        await shows(pilot, "log y · step")
        await pilot.press("y")
        await shows(pilot, "linear y · step")
        for axis in ("epoch", "training time", "clock", "step"):
            await pilot.press("x")
            await shows(pilot, f"linear y · {axis}")
        await pilot.press("plus")
        await shows(pilot, "smooth 0.")
        await pilot.press(*["minus"] * 9)
        await shows(pilot, "not smoothed")


async def test_the_cursor_tells_every_runs_value(registry: Registry, three: list[MadeRun]) -> None:
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "3 live", "0.25")
        await pilot.press(*["minus"] * 9, "left")
        await shows(pilot, "at cursor", "step 25", "0.0400")
        await pilot.press("left")
        await shows(pilot, "step 24", "0.0417")
        await pilot.press("shift+left")
        await shows(pilot, "step 23", "0.0435")
        await pilot.press("shift+right")
        await shows(pilot, "step 24")
        await pilot.press("right")
        await shows(pilot, "step 25")
        await pilot.press("0")
        await until(pilot, lambda: "at cursor" not in screen_text(app))


async def test_the_axis_is_zoomed_moved_followed_and_whole_again(
    registry: Registry, three: list[MadeRun]
) -> None:
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "3 live", "0.25")
        await pilot.press("z", "z")
        await shows(pilot, "step, following")
        await pilot.press("less_than_sign")
        await shows(pilot, "step, zoomed")
        low = screen_of(app).options.window((0.0, 25.0))
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: screen_of(app).options.window((0.0, 25.0)) != low)
        await pilot.press("Z", "0")
        await until(pilot, lambda: screen_of(app).options.viewport is None)
        await pilot.press("f")
        await shows(pilot, "step, following")


async def test_a_part_that_is_drawn_around_is_shown_alone(
    registry: Registry, three: list[MadeRun]
) -> None:
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "3 live", "0.25")
        await pilot.mouse_down(ChartPane, offset=(30, 8))
        await pilot.hover(ChartPane, offset=(70, 16))
        await pilot.mouse_up(ChartPane, offset=(70, 16))
        await until(pilot, lambda: screen_of(app).options.y_box is not None)
        box = screen_of(app).options.y_box
        plot = app.screen.query(ChartPane).first().plot
        assert box is not None and plot.y_axis is not None and plot.x_axis is not None
        await until(pilot, lambda: app.screen.query(ChartPane).first().content.spec.y_window
                    == (box.low, box.high))  # fmt: skip
        await pilot.press("m")
        await until(pilot, lambda: screen_of(app).options.y_box is None)


async def test_what_is_zoomed_into_is_read_again_where_a_run_is_long(
    registry: Registry, three: list[MadeRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, tuple[StepSpan, ...]] = {}
    app = comparing(registry, three)
    monkeypatch.setattr(
        app, "look_closer", lambda record, spans: asked.__setitem__(record.run, spans)
    )
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "3 live", "0.25")
        await pilot.press("z")
        assert not asked  # nothing of so short a run is merged
        view = screen_of(app)._members[1].view
        series = replace(view.series, merged_until=20, rows_per_bin=4)
        screen_of(app).show(replace(view, series=series))
        await until(pilot, lambda: bool(asked))
        assert list(asked) == ["run2"] and asked["run2"][0][1] == 20


async def test_scale_axis_and_smoothing_are_remembered(
    registry: Registry, three: list[MadeRun]
) -> None:
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "log y · step")
        await pilot.press("y", "x")
        await shows(pilot, "linear y · epoch")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: len(app.records) == 3)
        app.open_compare(app.records)
        await shows(pilot, "linear y · epoch")


async def test_a_legend_without_room_is_scrolled(registry: Registry, make_run: MakeRun) -> None:
    runs = [configure(make_run(), 0.1, seed) for seed in range(MOST_RUNS)]
    app = comparing(registry, runs)
    async with app.run_test(size=(60, 18)) as pilot:
        await shows(pilot, "16 runs", "1–5 of 16", "run1")
        await pilot.press("j", "down", "k")
        await shows(pilot, "2–6 of 16")
        await pilot.press("pagedown", "pagedown", "pagedown", "pagedown")
        await shows(pilot, "12–16 of 16", " p  run16")
        await pilot.press("pageup", "up")
        await shows(pilot, "of 16")


async def test_marked_runs_of_the_list_are_compared(
    registry: Registry, three: list[MadeRun]
) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "run1", "run3")
        await pilot.press("space", "space", "c")
        await shows(pilot, "compare", "2 runs", "run2", "run3")
        assert sorted(screen_of(app).paths) == [str(run.folder.path) for run in three[1:]]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_neither_one_run_nor_too_many_are_compared(
    registry: Registry, make_run: MakeRun
) -> None:
    for _ in range(MOST_RUNS + 1):
        make_run().train()
    app = DashboardApp(registry, [registry.find(str(n)) for n in range(1, MOST_RUNS + 2)])
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, f"at most {MOST_RUNS} runs can be compared, not {MOST_RUNS + 1}")
        assert isinstance(app.screen, RunsScreen)
        await until(pilot, lambda: len(app.records) == MOST_RUNS + 1)
        app.open_compare(app.records[:1])
        await shows(pilot, "one run alone: mark others by space to compare them")


async def test_smoothing_changes_no_newest_value(registry: Registry, three: list[MadeRun]) -> None:
    async with comparing(registry, three).run_test(size=(120, 35)) as pilot:
        await shows(pilot, "last loss", "not smoothed")
        # Settings and newer steps of a run may come after its first loss.
        await until(pilot, lambda: sum("83 %" in line for line in legend_of(pilot.app)) == 3)
        await until(pilot, lambda: not any("–" in line for line in legend_of(pilot.app)))
        legend = legend_of(pilot.app)
        await pilot.press("plus", "plus", "plus")
        await until(pilot, lambda: "not smoothed" not in screen_text(pilot.app))
        assert legend_of(pilot.app) == legend != []


def legend_of(app: App[None]) -> list[str]:
    return [line for line in screen_lines(app) if "0.8000" in line]


async def test_a_run_without_its_files_is_compared_all_the_same(
    registry: Registry, three: list[MadeRun]
) -> None:
    (three[0].folder.path / "config.toml").write_text("[optimizer]\nlr = 'no")
    (three[1].folder.path / "environment.json").unlink()
    async with comparing(registry, three).run_test(size=(120, 35)) as pilot:
        await shows(pilot, "name  seed  best", "–")
        await pilot.press("b")
        await shows(pilot, "mean of 2 seeds")
        await pilot.press("t")
        await shows(pilot, "training.seed")


async def test_the_help_of_the_screen_comes_first(registry: Registry, three: list[MadeRun]) -> None:
    async with comparing(registry, three).run_test(size=(120, 35)) as pilot:
        await pilot.press("question_mark")
        await shows(pilot, "comparing runs", "the next metric that any of the runs has")


HOSTILE = "\x1b[2J\x07[bold red]x[/]\u202e\n\x9b31m"


async def test_hostile_names_reach_the_screen_as_plain_text(
    registry: Registry, make_run: MakeRun
) -> None:
    runs = [make_run(live=True) for _ in range(2)]
    for number, run in enumerate(runs):
        (run.folder.path / "annotations.json").write_bytes(
            encode_sealed(Annotations(name=f"{HOSTILE}{number}"))
        )
        tree = msgspec.to_builtins(RunConfig())
        tree["model"]["name"] = f"{HOSTILE}{number}"
        config = encode_config(msgspec.convert(tree, RunConfig))
        (run.folder.path / "config.toml").write_bytes(config)
        run.emit(session_start(code={HOSTILE: HOSTILE + str(number)}, device=f"{HOSTILE}{number}"))
        run.emit(steps(1, 5))
        run.emit(evaluated(HOSTILE, step=5, metrics={HOSTILE: 0.5, "loss": 0.5}))
    app = comparing(registry, runs)
    async with app.run_test(size=(160, 45)) as pilot:
        await shows(pilot, "[bold red]x[/]")
        for key in ("t", *["m"] * 8, "b", "pagedown"):
            await pilot.press(key)
            assert not any(char in screen_text(app) for char in "\x1b\x07\u202e\x9b")
        await shows(pilot, "[bold red]x[/]")


async def test_no_order_of_keys_and_sizes_breaks_it(
    registry: Registry, three: list[MadeRun]
) -> None:
    chance = random.Random(0)
    keys = [
        "m", "t", "b", "x", "y", "plus", "minus", "z", "Z", "less_than_sign", "greater_than_sign",
        "0", "f", "left", "right", "j", "k", "pagedown", "question_mark",
    ]  # fmt: skip
    app = comparing(registry, three)
    async with app.run_test(size=(120, 35)) as pilot:
        await shows(pilot, "3 live")
        for number in range(50):
            if len(app.screen_stack) > 3:
                await pilot.press("q")
            if chance.random() < 0.25:
                await pilot.resize_terminal(chance.randrange(1, 250), chance.randrange(1, 80))
            await pilot.press(chance.choice(keys))
            three[0].emit(steps(26 + number, 1, epoch=3))
            await _lines_fit(pilot)
        assert app.is_running


async def _lines_fit(pilot: Pilot[None]) -> None:
    app = pilot.app
    await until(pilot, lambda: all(len(line) == app.size.width for line in screen_lines(app)))


@given(
    st.integers(1, 300), st.integers(1, 100), st.integers(1, 9), st.integers(1, 60), st.booleans()
)
def test_charts_and_what_is_under_them_fill_the_screen(
    width: int, height: int, metrics: int, lines: int, is_table: bool
) -> None:
    plan = plan_compare(width, height, metrics=metrics, lines=lines, is_table=is_table)
    rules = len(plan.charts) - 1
    used = sum(row.height for row in plan.charts) + rules + plan.lower_height + 5
    assert used == max(height, 7)
    names = [name for row in plan.charts for name, _ in row.panes]
    assert names == [str(number) for number in range(len(names))] and len(names) <= metrics
    for row in plan.charts:
        assert sum(size for _, size in row.panes) + len(row.panes) - 1 == max(
            width, 2 * len(row.panes) - 1
        )
    assert plan.lower_height <= lines


texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=30)


@given(st.data(), st.integers(1, 6), st.integers(1, 130))
def test_the_table_fits_any_width_and_holds_every_run(
    data: st.DataObject, runs: int, width: int
) -> None:
    values = st.tuples(*[texts] * runs)
    sections = st.sampled_from(["configuration", "environment", "code", "results"])
    best = st.sets(st.integers(0, runs - 1)).map(tuple)
    rows = data.draw(st.lists(st.builds(Difference, sections, texts, values, best), max_size=6))
    heads = [RunHead(LETTERS[number], f"run{number}", "run0") for number in range(runs)]
    made = difference_rows(rows, heads, width)
    assert all(row_width(row) == width or not row for row in made)
    if width >= 40:
        text = "\n".join("".join(span.text for span in row) for row in made)
        assert all(f"{head.letter} {head.run}" in text for head in heads)


@given(st.lists(st.lists(texts, min_size=3, max_size=3), max_size=5), st.integers(1, 100))
def test_a_grid_fits_any_width_and_lines_up(cells: list[list[str]], width: int) -> None:
    columns = [
        GridColumn(
            str(number), tuple((Span(line[number], "value"),) for line in cells), number, number > 1
        )
        for number in range(3)
    ]
    rows = grid_rows(columns, width)
    assert len(rows) == len(cells) + 1
    assert all(row_width(row) == width for row in rows)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(-5, 30))
def test_a_scrolled_legend_keeps_its_titles(lines: int, height: int, first: int) -> None:
    rows: list[Row] = [(Span("titles", ""),), *[(Span(f"line{n}", ""),) for n in range(lines)]]
    shown = visible_rows(rows, height, first, 40)
    assert len(shown) == min(height, lines + 1)
    assert shown[0][0].text.startswith("titles")
    if len(shown) > 1:
        start = rows.index(shown[1])
        assert shown[1:] == rows[start : start + len(shown) - 1]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0.1, 5)), min_size=1, max_size=16),
    st.floats(0.5, 4),
)
def test_letters_lie_on_their_curves_and_apart(
    shapes: list[tuple[int, float]], apart: float
) -> None:
    curves = [
        Curve(np.arange(size, dtype=np.float64), np.full(size, level), "run0")
        for size, level in shapes
    ]
    letters = end_letters(curves, LETTERS[: len(curves)], 50.0, apart)
    assert [letter.glyph for letter in letters] == list(LETTERS[: len(curves)])
    for letter, curve in zip(letters, curves, strict=True):
        assert curve.x[0] <= letter.x[0] <= curve.x[-1] and letter.y[0] == curve.y[0]
    inside = sorted(float(letter.x[0]) for letter in letters if letter.x[0] > apart)
    assert all(after - before > apart * 0.99 for before, after in itertools.pairwise(inside))


def test_a_curve_without_a_number_has_no_letter() -> None:
    nothing = Curve(np.arange(3.0), np.full(3, np.nan), "run0")
    assert end_letters([nothing], "a", 3.0, 1.0) == []
