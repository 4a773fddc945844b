"""Lines of text made from runs: they fit, line up, and hold nothing a terminal would obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from tests import builders
from tests.builders import session_start
from tests.dashboard.conftest import checkpoint
from tests.dashboard.hostile import NASTY, NUMBERS, assert_printable, texts
from tui_trainer.core import events
from tui_trainer.core.axis import XKind
from tui_trainer.core.canvas import Row
from tui_trainer.core.chart import draw_chart
from tui_trainer.core.format import format_local_time
from tui_trainer.core.happenings import Happening
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState, apply
from tui_trainer.core.sealed_json import number as as_logged
from tui_trainer.core.series import RunSeries
from tui_trainer.dashboard.columns import COLUMNS, RunLine, Sort, age_text, loss_curve
from tui_trainer.dashboard.options import X_KINDS, ChartOptions, YBox
from tui_trainer.dashboard.palette import STATE_GLYPHS, state_text
from tui_trainer.dashboard.pane_order import pane_names
from tui_trainer.dashboard.panes.curves import STEP_CHARTS, CurveDrafts
from tui_trainer.dashboard.panes.events import event_rows
from tui_trainer.dashboard.panes.header import end_time, header_rows
from tui_trainer.dashboard.panes.memory import RESOURCE_CHARTS, resource_content
from tui_trainer.dashboard.panes.result import result_rows
from tui_trainer.dashboard.rows import COLUMN_GAP, field, fit_row, justify, wrap_text
from tui_trainer.dashboard.run_order import sort_records
from tui_trainer.dashboard.table_rows import GUTTER, choose_columns, run_row, title_row
from tui_trainer.dashboard.views import RunView


def record_of(text: str, number: float, state: RunState = RunState.RUNNING) -> RunRecord:
    start = session_start(dataset=text, model=text, device=text, device_name=text)
    snapshot = apply(RunSnapshot(), start)
    fields = {
        "loss": number,
        "samples_per_s": number,
        "started_t": number,
        "checkpoint_step": 3,
        "best": events.Best(metric=text, value=number, step=7),
        "last": {"validation": {"loss": number, "accuracy": number}, "test": {"accuracy": number}},
        "error": events.Failed(step=1, code="x", type="x", message=text, hint=text),
    }
    snapshot = RunSnapshot(**{name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
                           | fields)  # fmt: skip
    return RunRecord(
        run="run1", path="runs/run1", state=state, snapshot=snapshot,
        annotations=Annotations(name=text),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(NASTY, NUMBERS, st.integers(1, 170), st.sampled_from(list(RunState)))
def test_no_text_or_number_of_a_run_breaks_a_line(
    text: str, number: float, width: int, state: RunState
) -> None:
    record = record_of(text, number, state)
    other = record_of(text, number)
    rows: list[Row] = [*header_rows(record, width, 1e9), *result_rows(record, [other], width)]
    line = RunLine(record, loss_curve(np.array([number, 1.0])), age_text(record, 1e9))
    rows += [run_row(line, width, selected=True), title_row(width)]
    happening = Happening(number, "kind", "text " * 9, "error", "hint")
    rows += event_rows([happening] * 3, width, 7)
    assert_printable(texts(rows))
    assert all(cell_len(text) == width for text in texts(fit_row(row, width) for row in rows))


@settings(max_examples=40, deadline=None)
@given(NASTY, NUMBERS, st.integers(20, 120), st.sampled_from(X_KINDS), st.booleans())
def test_no_text_or_number_of_a_run_breaks_a_chart(
    text: str, number: float, width: int, x_kind: XKind, has_cursor: bool
) -> None:
    series = RunSeries()
    value = as_logged(number)
    for event in (
        events.Steps(epoch=1, first=1, loss=(value, 1.0), lr=(value, value), grad_norm=(value,),
                     accuracy=(value, 0.5), samples_per_s=1.0),
        events.Evaluated(split="validation", step=2, epoch=1, count=1,
                         metrics={"loss": value, text: value}, duration_s=0.1),
        events.ControlApplied(id="1", request=text, by=text, step=1),
        events.ControlApplied(id="1", request="set", by=text, step=2, arguments={text: text}),
    ):  # fmt: skip
        series.apply(event)
    view = RunView(record_of(text, number), series=series.view(), read_share=1.0)
    drafts = CurveDrafts()
    options = ChartOptions(x_kind=x_kind, smoothing=2, cursor=1.0 if has_cursor else None)
    contents = [drafts.draft(name, view, options) for name in (*STEP_CHARTS, text)]
    contents += [resource_content(name, view, options) for name in RESOURCE_CHARTS]
    for content in contents:
        rows = [justify(content.left, content.right, width), *draw_chart(content.spec, width, 9)]
        assert_printable(texts(rows))
        assert all(cell_len(text) == width for text in texts(rows))


def test_fields_go_whole_and_in_order() -> None:
    fields = [field(("one", ""), rank=0), field(("two", ""), rank=2), field(("three", ""), rank=1)]
    shown = [texts([justify(fields, (), width)])[0].split() for width in (20, 12, 5)]
    assert shown == [["one", "two", "three"], ["one", "three"], ["one"]]


def test_long_text_is_wrapped_and_cut() -> None:
    assert wrap_text("one two three four", 8, 5) == ["one two", "three", "four"]
    assert wrap_text("one two three four", 8, 2) == ["one two", "three f…"]
    assert wrap_text("", 8, 2) == [""]
    assert wrap_text("at step 12 345 678", 14, 2) == ["at step", "12 345 678"]
    assert wrap_text("of 10 2000 words", 8, 3) == ["of 10", "2000", "words"]
    assert wrap_text("loss 0.5  accuracy 0.9", 16, 2) == ["loss 0.5", "accuracy 0.9"]


def test_every_state_has_a_glyph_of_its_own_and_its_word() -> None:
    assert len(set(STATE_GLYPHS.values())) == len(RunState) == 9
    assert all(state.value in state_text(state) for state in RunState)
    assert {cell_len(glyph) for glyph in STATE_GLYPHS.values()} == {1}


def test_the_header_does_not_move_when_numbers_grow() -> None:
    early, late = (record_of("digits", loss) for loss in (0.5, 0.25))
    one, other = texts(header_rows(early, 160, 0.0)), texts(header_rows(late, 160, 0.0))
    assert one[1].index("samples/s") == other[1].index("samples/s")


@pytest.mark.parametrize("width", [60, 160])
def test_the_header_says_since_when_the_checkpoint_is_stale(width: int) -> None:
    record = record_of("digits", 0.5)
    words = "checkpoint stale since step 3"
    assert words not in "".join(texts(header_rows(record, width, 0.0)))
    failed = events.CheckpointFailed(step=9, newest_step=3, reason="No room.")
    stale = replace(record, snapshot=apply(record.snapshot, failed))
    assert words in "".join(texts(header_rows(stale, width, 0.0)))
    without = events.CheckpointFailed(step=9, newest_step=0, reason="No room.")
    unsaved = replace(record, snapshot=apply(record.snapshot, without))
    assert "nothing saved yet" in "".join(texts(header_rows(unsaved, width, 0.0)))
    saved = checkpoint(12, 1)
    fresh = replace(stale, snapshot=apply(stale.snapshot, saved))
    assert "stale" not in "".join(texts(header_rows(fresh, width, 0.0)))


def test_columns_go_before_any_number_is_cut() -> None:
    assert [column.title for column, _ in choose_columns(60)] == [
        "state",
        "run",
        "progress",
        "best",
    ]
    for width in range(40, 200):
        chosen = choose_columns(width)
        assert GUTTER + sum(size for _, size in chosen) + COLUMN_GAP * (len(chosen) - 1) <= width
        assert all(size >= column.width for column, size in chosen)


@pytest.mark.parametrize("t", [1e300, -1e300, float("nan"), float("inf"), None])
def test_times_that_are_none_are_dashes(t: float | None) -> None:
    assert format_local_time(t) == "--:--:--"
    assert t is None or end_time(t, 0.0) == "--:--:--"


def test_memory_of_the_host_is_shown_without_a_device() -> None:
    series = RunSeries()
    resources = events.Resources(
        process_bytes=2**30, host_used_bytes=2**31, host_total_bytes=2**33, cpu_utilization=0.25
    )
    series.apply(resources)
    record = record_of("x", 1.0)
    snapshot = apply(record.snapshot, resources)
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    record = RunRecord(**fields | {"snapshot": snapshot})
    content = resource_content("memory", RunView(record, series=series.view()), ChartOptions())
    text = texts([justify(content.left, content.right, 80), justify(content.legend, (), 80)])
    assert "2.0 GiB of 8.0 GiB" in text[0]
    assert "process 1.0 GiB" in text[1] and "processor  25 %" in text[1]


def test_a_box_drawn_on_a_chart_of_memory_is_shown_alone() -> None:
    options = ChartOptions(y_box=YBox("load", 0.25, 0.5))
    view = RunView(record_of("x", 1.0))
    assert resource_content("memory", view, options).spec.y_window is None
    series = RunSeries()
    used = events.Resources(
        process_bytes=1, host_used_bytes=1, host_total_bytes=1, cpu_utilization=0.4
    )
    series.apply(used)
    record = replace(view.record, snapshot=apply(view.record.snapshot, used))
    content = resource_content("load", RunView(record, series=series.view()), options)
    assert content.spec.y_window == (0.25, 0.5)


def test_without_figures_memory_says_so() -> None:
    content = resource_content("memory", RunView(record_of("x", 1.0)), ChartOptions())
    rows = draw_chart(content.spec, 50, 8)
    assert any("reading the log" in text for text in texts(rows))


def regression_record(rmse: float, run: str = "run1") -> RunRecord:
    """A finished run that is judged by its error."""
    snapshot = apply(RunSnapshot(), session_start(metric="rmse"))
    judged = events.Evaluated(
        split="validation", step=10, epoch=1, count=9, metrics={"rmse": rmse}, duration_s=0.1
    )
    for event in (judged, replace(judged, split="test"), events.Finished(step=30, epoch=3)):
        snapshot = apply(snapshot, event)
    return RunRecord(
        run=run, path=f"runs/{run}", state=RunState.FINISHED, snapshot=snapshot,
        annotations=Annotations(),
    )  # fmt: skip


def test_what_a_run_is_judged_by_stands_in_the_place_of_accuracy() -> None:
    better, worse = regression_record(50.0), regression_record(60.0, "run2")
    header = "".join(texts(header_rows(better, 200, 0.0)))
    assert "best rmse 50.0000 @ 10 ▲" in header and "accuracy" not in header
    empty = replace(better, snapshot=apply(RunSnapshot(), session_start(metric="r2")))
    assert "best r2 –" in "".join(texts(header_rows(empty, 200, 0.0)))
    good = "".join(texts(result_rows(better, [worse], 200)))
    assert "test rmse 50.0000" in good and "(-10.0000) better than 60.0000 of run2" in good
    bad = "".join(texts(result_rows(worse, [better], 200)))
    assert "(+10.0000) above 50.0000 of run1" in bad
    best = next(column for column in COLUMNS if column.title == "best")
    assert sort_records([worse, better], Sort("best", best.descending)) == (better, worse)


def test_a_run_without_an_accuracy_has_no_chart_of_it() -> None:
    series, record = RunSeries(), regression_record(50.0)
    steps = events.Steps(
        epoch=1, first=1, loss=(1.0,), lr=(0.1,), grad_norm=(1.0,), accuracy=(), samples_per_s=1.0
    )
    series.apply(steps)
    before = RunView(record, series=series.view(), read_share=1.0)
    assert pane_names(before, {})[:3] == ("loss", "rmse", "memory")
    assert "accuracy" not in pane_names(before, {})
    chart = CurveDrafts().draft("rmse", before, ChartOptions())
    assert chart.spec.empty == "not judged yet"
    metrics = {"loss": 0.5, "rmse": 50.0, "r2": 0.5}
    series.apply(
        events.Evaluated(
            split="validation", step=1, epoch=1, count=9, metrics=metrics, duration_s=0.1
        )
    )
    view = RunView(record, series=series.view(), read_share=1.0)
    names = pane_names(view, {})
    assert names[:2] == ("loss", "rmse") and "r2" in names and names.count("rmse") == 1
    shown = texts([justify(CurveDrafts().draft("rmse", view, ChartOptions()).left, (), 80)])[0]
    assert "rmse" in shown and "○ validation 50.0000" in shown


def test_a_run_of_several_labels_keeps_the_chart_of_its_accuracy() -> None:
    record = regression_record(50.0)
    record = replace(record, snapshot=replace(record.snapshot, metric="f1"))
    series = RunSeries()
    series.apply(builders.steps())
    names = pane_names(RunView(record, series=series.view(), read_share=1.0), {})
    assert names[:2] == ("loss", "f1") and "accuracy" in names
