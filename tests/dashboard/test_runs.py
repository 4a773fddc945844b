"""The list of runs: filter, order, marks, and what each key asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.events import Key
from textual.pilot import Pilot

from tests.builders import evaluated, session_start, steps
from tests.dashboard.conftest import (
    MadeRun,
    MakeRun,
    screen_lines,
    screen_text,
    shows,
    until,
)
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.config import OptimizerConfig, RunConfig
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState
from tui_trainer.core.sealed_json import seal
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.columns import (
    COLUMNS,
    NEWEST_FIRST,
    RunLine,
    Sort,
    columns_for,
    loss_curve,
)
from tui_trainer.dashboard.panes.runs import RunsHeading, heading_row, no_match_rows
from tui_trainer.dashboard.run_order import (
    choice_of,
    sort_as_chosen,
    sort_by,
    sort_by_next,
    sort_records,
)
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.dashboard.table_rows import choose_columns, run_row, title_at, title_row
from tui_trainer.dashboard.views import RunsView
from tui_trainer.dashboard.widgets import run_table
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.dashboard.widgets.run_table import RunTable
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry

SIZES = [(60, 18), (100, 30), (160, 45), (250, 80)]
HOSTILE = "\x1b[31m[bold]red[/]\u202e表\u0301\x07\n|"


def annotate(run: MadeRun, **values: Any) -> None:
    content = seal(msgspec.json.encode(Annotations(**values)))
    (run.folder.path / paths.ANNOTATIONS).write_bytes(content)


def judged(run: MadeRun, accuracy: float, **start: Any) -> MadeRun:
    """A run that has finished with this accuracy."""
    run.emit(session_start(**start), steps(1, 30, epoch=3))
    run.emit(evaluated(step=30, epoch=3, metrics={"loss": 1 - accuracy, "accuracy": accuracy}))
    run.emit(events.Finished(step=30, epoch=3))
    return run


def records(count: int, **values: Any) -> tuple[RunRecord, ...]:
    """So many finished runs, the newest first."""
    return tuple(
        RunRecord(
            run=f"run{number}",
            path=f"/runs/run{number}",
            state=RunState.FINISHED,
            snapshot=RunSnapshot(loss=1 / number, step=number, steps=count, **values),
            annotations=Annotations(),
        )
        for number in range(count, 0, -1)
    )


def listed(app: DashboardApp) -> list[str]:
    """The runs in the table, by their first column of text, from the top."""
    return re.findall(r"^.{3}\S \S+ +(run\d+)", screen_text(app), re.MULTILINE)


def cursor_line(app: DashboardApp) -> str:
    lines = [line for line in screen_lines(app) if "▸" in line]
    assert len(lines) == 1
    return lines[0]


class Called:
    """Stands in for what other parts of the dashboard do, and remembers what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, Any]] = []
        for name in ("open_compare", "open_form", "resume_run"):
            monkeypatch.setattr(DashboardApp, name, self._stand_in(name), raising=False)

    def _stand_in(self, name: str) -> Any:
        def stand_in(app: DashboardApp, what: Any) -> None:
            runs = [record.run for record in what] if isinstance(what, (list, tuple)) else what
            self.calls.append((name, runs.run if isinstance(runs, RunRecord) else runs))

        return stand_in


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    return Called(monkeypatch)


@pytest.fixture
def three_runs(make_run: MakeRun) -> Iterator[list[MadeRun]]:
    """`run1` is best, `run2` in between and tagged, `run3` worst and of another model."""
    runs = [
        judged(make_run("alpha"), 0.99),
        judged(make_run("beta"), 0.95),
        judged(make_run("gamma"), 0.90, model="mlp"),
    ]
    annotate(runs[1], name="beta", tags=("base", "wide"), note="second try")
    yield runs


@asynccontextmanager
async def open_list(registry: Registry, size: tuple[int, int] = (130, 24)) -> Any:
    async with DashboardApp(registry).run_test(size=size) as pilot:
        await shows(pilot, "3 runs", "run1", "run2", "run3")
        yield pilot


async def type_text(pilot: Pilot[None], text: str) -> None:
    names = {" ": "space", ">": "greater_than_sign", "|": "vertical_line", ":": "colon",
             ".": "full_stop", "<": "less_than_sign", "=": "equals_sign", "-": "minus"}  # fmt: skip
    await pilot.press(*(names.get(character, character) for character in text))


async def test_a_filter_narrows_the_list_while_it_is_typed_and_enter_keeps_it(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        await pilot.press("slash")
        await shows(pilot, "filter ", "acc>0.99")
        await type_text(pilot, "mlp")
        await until(pilot, lambda: listed(pilot.app) == ["run3"])
        await shows(pilot, "1 of 3 runs", "filter mlp")
        await pilot.press("enter")
        await shows(pilot, "enter open", "filter mlp", "1 of 3 runs")
        await pilot.press("slash", *["backspace"] * 3)
        await type_text(pilot, "acc>0.92 -tag:base")
        await until(pilot, lambda: listed(pilot.app) == ["run1"])
        await pilot.press("escape")
        await until(pilot, lambda: listed(pilot.app) == ["run3"])
        await shows(pilot, "filter mlp", "enter open")
        await pilot.press("escape")
        await until(pilot, lambda: listed(pilot.app) == ["run3", "run2", "run1"])
        assert "filter mlp" not in screen_text(pilot.app)


async def test_keys_in_one_burst_go_to_the_filter_and_then_to_the_list(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        keys = ["slash", *"gamma", "space", *"mlp", "enter", "space", "slash", "escape", "O"]
        for key in keys:
            character = {"space": " ", "slash": "/"}.get(key, key if len(key) == 1 else None)
            pilot.app.post_message(Key(key, character))
        await shows(pilot, "filter gamma mlp", "1 marked", "by age ▾", "enter open")
        assert listed(pilot.app) == ["run3"]


async def test_what_is_no_filter_yet_leaves_the_list_and_says_why(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        await pilot.press("slash")
        await type_text(pilot, "beta acc>")
        await shows(pilot, "There is nothing after acc>.", "1 of 3 runs")
        assert listed(pilot.app) == ["run2"]
        await pilot.press("enter")
        assert pilot.app.screen.query(Prompt)
        await type_text(pilot, "0.9")
        await pilot.press("enter")
        await shows(pilot, "filter beta acc>0.9", "enter open")
        await pilot.press("slash", "ctrl+u")
        await type_text(pilot, "acuracy>1")
        await shows(pilot, "Runs have nothing called acuracy. Did you mean accuracy?")


async def test_a_filter_that_no_run_fits_says_how_to_get_them_back(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        await pilot.press("slash")
        await type_text(pilot, "zebra")
        await shows(pilot, "no run fits")
        assert listed(pilot.app) == ["run3", "run2", "run1"]
        await pilot.press("enter")
        await shows(pilot, "No run fits the filter", "zebra", "esc shows all runs again")
        await shows(pilot, "0 of 3 runs")
        assert listed(pilot.app) == []
        await pilot.press("enter", "j", "space", "G", "escape")
        await until(pilot, lambda: listed(pilot.app) == ["run3", "run2", "run1"])


async def test_a_run_that_begins_to_fit_appears(
    registry: Registry, make_run: MakeRun, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        await pilot.press("slash")
        await type_text(pilot, "state:live")
        await pilot.press("enter")
        await shows(pilot, "No run fits the filter")
        make_run("fresh", live=True).train()
        await shows(pilot, "run4 fresh", "1 of 4 runs · 1 live")


async def test_settings_are_read_for_a_filter_that_asks_for_them(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    config = RunConfig(optimizer=OptimizerConfig(name="sgd", lr=0.5))
    (three_runs[1].folder.path / paths.CONFIG).write_bytes(encode_config(config))
    (three_runs[2].folder.path / paths.CONFIG).write_text("not = [toml")
    async with open_list(registry) as pilot:
        await pilot.press("slash")
        await type_text(pilot, "optimizer.lr>0.1")
        await until(pilot, lambda: listed(pilot.app) == ["run2"])
        await pilot.press("ctrl+u")
        await type_text(pilot, "optimizer.lr<0.1")
        await until(pilot, lambda: listed(pilot.app) == ["run1"])


async def test_o_sorts_by_the_next_column_and_a_cursor_that_was_moved_stays_on_its_run(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        titles = screen_lines(pilot.app)[2]
        assert "▴age" in titles
        await shows(pilot, "following the newest")
        while "by best" not in screen_lines(pilot.app)[0]:
            await pilot.press("o")
            await pilot.pause()
        assert "▾best" in screen_lines(pilot.app)[2] and "▴age" not in screen_lines(pilot.app)[2]
        assert listed(pilot.app) == ["run1", "run2", "run3"]
        assert "run1" in cursor_line(pilot.app)  # at the top, where it was
        assert "following" not in screen_text(pilot.app)
        await pilot.press("j", "k", "j", "O")
        await shows(pilot, "▴best", "by best ▴")
        assert listed(pilot.app) == ["run3", "run2", "run1"] and "run2" in cursor_line(pilot.app)
        await pilot.press("end")
        await until(pilot, lambda: "run1" in cursor_line(pilot.app))
        await pilot.press("O")
        await shows(pilot, "▾best")
        assert "run1" in cursor_line(pilot.app)  # on its run
        await pilot.press("G", "home")
        await until(pilot, lambda: "run1" in cursor_line(pilot.app))
        await shows(pilot, "▾best")
        await pilot.press("g")
        await shows(pilot, "▴age", "following the newest")
        assert listed(pilot.app) == ["run3", "run2", "run1"] and "run3" in cursor_line(pilot.app)


async def test_a_click_on_a_title_sorts_by_it_and_another_reverses(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        at = screen_lines(pilot.app)[2].index("run")
        await pilot.click("#titles", offset=(at, 0))
        await shows(pilot, "run▴", "by run ▴")
        assert listed(pilot.app) == ["run1", "run2", "run3"]
        await pilot.click("#titles", offset=(at, 0))
        await shows(pilot, "run▾")
        assert listed(pilot.app) == ["run3", "run2", "run1"]
        await pilot.click("#titles", offset=(0, 0))
        await shows(pilot, "run▾")


async def test_the_newest_run_is_followed_only_from_the_top_of_the_newest_first(
    registry: Registry, make_run: MakeRun, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        judged(make_run("delta"), 0.5)
        await shows(pilot, "run4 delta")
        assert "run4" in cursor_line(pilot.app)
        await pilot.press("j")
        await until(pilot, lambda: "following" not in screen_text(pilot.app))
        judged(make_run("epsilon"), 0.6)
        await shows(pilot, "run5 epsilon")
        assert "run3" in cursor_line(pilot.app)
        await pilot.press("g")
        await shows(pilot, "following the newest")
        assert "run5" in cursor_line(pilot.app)


@pytest.mark.parametrize("size", SIZES)
async def test_marks_are_compared(
    registry: Registry, three_runs: list[MadeRun], called: Called, size: tuple[int, int]
) -> None:
    async with open_list(registry, size) as pilot:
        await pilot.press("space", "space")
        await shows(pilot, "2 marked", " ◆ ")
        assert "run1" in cursor_line(pilot.app)
        await pilot.press("c")
        await until(pilot, lambda: called.calls == [("open_compare", ["run3", "run2"])])
        await pilot.press("k", "space")  # takes the mark off run2
        await shows(pilot, "1 marked")
        await pilot.press("escape")
        await until(pilot, lambda: "marked" not in screen_text(pilot.app))
        await pilot.press("c")
        await until(pilot, lambda: called.calls[1:] == [("open_compare", ["run1"])])


async def test_a_click_before_a_line_marks_it(
    registry: Registry, three_runs: list[MadeRun]
) -> None:
    async with open_list(registry) as pilot:
        await pilot.click("RunTable", offset=(1, 2))
        await shows(pilot, "1 marked")
        assert "run3" in cursor_line(pilot.app)
        line = next(line for line in screen_lines(pilot.app) if "run1" in line)
        assert line.startswith(" ◆ ")


async def test_marks_outlast_a_filter_and_an_order(
    registry: Registry, three_runs: list[MadeRun], called: Called
) -> None:
    async with open_list(registry) as pilot:
        await pilot.press("space", "slash")
        await type_text(pilot, "alpha")
        await pilot.press("enter", "o", "space", "c")
        await until(pilot, lambda: called.calls == [("open_compare", ["run3", "run1"])])


async def test_new_duplicate_and_resume_are_asked_for_the_run_under_the_cursor(
    registry: Registry, three_runs: list[MadeRun], called: Called
) -> None:
    async with open_list(registry) as pilot:
        await pilot.press("j", "n", "d", "r")
        await until(
            pilot,
            lambda: (
                called.calls == [("open_form", None), ("open_form", "run2"), ("resume_run", "run2")]
            ),
        )


async def test_without_runs_there_is_nothing_to_ask_for(registry: Registry, called: Called) -> None:
    async with DashboardApp(registry).run_test(size=(90, 20)) as pilot:
        await shows(pilot, "no runs here yet")
        for key, words in (("d", "duplicate"), ("r", "resume"), ("c", "compare")):
            await pilot.press(key)
            await shows(pilot, f"there is no run to {words}")
        await pilot.press("space", "o", "O", "j", "G", "g", "escape", "enter", "n")
        await until(pilot, lambda: called.calls == [("open_form", None)])


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_names_tags_notes_and_filters_stay_text(
    registry: Registry, make_run: MakeRun, size: tuple[int, int]
) -> None:
    run = make_run()
    run.train(dataset=HOSTILE * 9, model=HOSTILE * 9)
    annotate(run, name=HOSTILE * 9, tags=(HOSTILE, HOSTILE), note=HOSTILE * 99)
    app = DashboardApp(registry)
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "run1", "[bold]r" if size[0] > 60 else "run1")
        await pilot.press("slash")
        await type_text(pilot, "run")
        await pilot.press("left", "left", "left")
        for prompt in app.screen.query(Prompt):
            prompt.complain(HOSTILE * 9)
        await pilot.pause()
        text = screen_text(app)
        assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
        assert all(cell_len(line) == size[0] for line in screen_lines(app))


async def test_only_lines_in_sight_that_are_different_are_built(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def build(line: RunLine, width: int, **how: Any) -> Any:
        built.append(line.record.run)
        return run_row(line, width, **how)

    app = DashboardApp(registry)
    async with app.run_test(size=(160, 45)) as pilot:
        await shows(pilot, "no runs here yet")
        app._watcher.close()
        app._watcher.join()
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        view = RunsView("runs", records(1000))
        screen.show(view)
        await shows(pilot, "1 000 runs", "run1000")
        monkeypatch.setattr(run_table, "run_row", build)
        screen.show(RunsView("runs", records(1000)))
        assert built == []  # nothing is different
        screen.show(RunsView("runs", records(1000, dataset="mnist")))
        assert len(built) == screen.query_one(RunTable).size.height < 45
        built.clear()
        await pilot.press("j")
        await until(pilot, lambda: built == ["run1000", "run999"])
        await pilot.press("G")
        await shows(pilot, "▸  ✓ finished     run1 ")


@pytest.mark.parametrize("width", range(60, 130))
def test_what_stands_in_a_column_begins_under_its_title(width: int) -> None:
    runs = records(50, dataset="digits", model="convnet")
    columns = columns_for(runs)
    rows = (
        title_row(width, columns),
        run_row(RunLine(runs[0], "", "5m"), width, selected=False, columns=columns),
    )
    titles, line = ("".join(span.text for span in row) for row in rows)
    assert titles.index("progress") == line.index("▰")
    assert ("model" in titles) == ("convnet" in line)
    assert "model" not in titles or titles.index("model") == line.index("convnet")


@pytest.mark.parametrize("width", [1, 20, 60, 100, 160, 250])
def test_titles_stand_over_their_columns(width: int) -> None:
    columns = columns_for(records(3))
    for column in columns:
        if column.sort_key is None:
            continue
        row = title_row(width, columns, Sort(column.title, descending=True))
        text = "".join(span.text for span in row)
        assert cell_len(text) == width
        for shown, _ in choose_columns(width, columns):
            if f" {shown.title}" in text or f"▾{shown.title}" in text:
                assert title_at(text.index(shown.title), width, columns) == shown.title


def test_tags_notes_and_names_of_metrics_have_columns_where_there_are_some() -> None:
    plain = columns_for(records(2))
    assert not {"tags", "note"} & {column.title for column in plain}
    best = events.Best(metric="f1_macro", value=0.8123, step=1)
    record = msgspec.structs.replace(
        records(1, best=best)[0], annotations=Annotations(tags=("a", "b"), note="why")
    )
    columns = columns_for([record, *records(2)])
    assert {"tags", "note"} <= {column.title for column in columns}
    line = RunLine(record, "", "5m")
    text = "".join(span.text for span in run_row(line, 250, selected=False, columns=columns))
    assert "f1_macro 0.8123" in text and "a, b" in text and "why" in text


KEYS = st.one_of(st.none(), st.floats(), st.just(0.0))


@given(st.lists(KEYS, max_size=12), st.booleans())
def test_runs_are_sorted_with_those_not_known_last(
    losses: list[float | None], descending: bool
) -> None:
    runs = [
        msgspec.structs.replace(record, snapshot=RunSnapshot(loss=loss))
        for record, loss in zip(records(len(losses)), losses, strict=True)
    ]
    ordered = sort_records(runs, Sort("loss", descending))
    assert sorted(map(id, ordered)) == sorted(map(id, runs))
    values = [record.snapshot.loss for record in ordered]
    known = [value for value in values if value is not None and value == value]
    assert known == sorted(known, reverse=descending)
    assert all(value is None or value != value for value in values[len(known) :])


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.title)
def test_every_column_sorts_or_leaves_the_runs_as_they_are(column: Any) -> None:
    runs = records(5)
    ordered = sort_records(runs, Sort(column.title, descending=False))
    assert sorted(map(id, ordered)) == sorted(map(id, runs))
    turned = sort_by(column.title, NEWEST_FIRST)
    assert (turned == NEWEST_FIRST) == (column.sort_key is None)
    assert sort_as_chosen(*choice_of(turned)) == turned
    if column.title == "age":
        assert ordered == runs and turned == Sort("age", descending=True)
        assert sort_records(runs, turned) == runs[::-1]


@given(st.text(max_size=12), st.booleans())
def test_an_order_that_is_none_any_more_is_the_newest_first(title: str, reverse: bool) -> None:
    known = any(column.title == title and column.sort_key for column in COLUMNS)
    assert known or sort_as_chosen(title, reverse) == NEWEST_FIRST


def test_sorting_by_the_next_column_comes_round() -> None:
    shown = [column for column, _ in choose_columns(200)]
    sort, seen = NEWEST_FIRST, []
    for _ in shown:
        sort = sort_by_next(shown, sort)
        seen.append(sort.title)
    sortable = [column.title for column in shown if column.sort_key is not None]
    assert set(seen) == set(sortable) and seen[: len(sortable)][-1] == "age"
    assert sort_by_next([], sort) == sort


@given(st.text(max_size=60), st.integers(1, 250), st.integers(0, 10**6), st.booleans())
def test_no_filter_breaks_the_heading(text: str, width: int, total: int, follows: bool) -> None:
    heading = RunsHeading(
        folder=text, total=total, shown=total, live=1, marked=2, filter_text=text, follows=follows
    )
    rows = [heading_row(heading, width), *no_match_rows(text, width)]
    written = "".join(span.text for row in rows for span in row)
    assert sanitize(written) == written
    assert sum(cell_len(span.text) for span in rows[0]) == width


@given(st.lists(st.floats(), max_size=30))
def test_any_losses_have_a_curve_of_at_most_one_column(losses: list[float]) -> None:
    finite = np.array([loss for loss in losses if np.isfinite(loss)])
    assert cell_len(loss_curve(finite)) in (0, 12)
