"""The marks of charts: made once for all of them, and again when something is different."""

from __future__ import annotations

from tests.builders import evaluated, session_start, steps
from tests.dashboard.conftest import checkpoint, epoch_finished
from tui_trainer.core.series import RunSeries
from tui_trainer.dashboard.panes.marks import MarkDrafts


def make_series(epochs: int) -> RunSeries:
    series = RunSeries()
    series.apply(session_start(steps=10 * epochs, epochs=epochs))
    for epoch in range(1, epochs + 1):
        series.apply(steps(10 * epoch - 9, 10, epoch=epoch))
        series.apply(epoch_finished(10 * epoch, epoch))
    return series


def test_marks_are_the_same_ones_until_something_is_different() -> None:
    series, drafts = make_series(3), MarkDrafts()
    first = drafts.draft(series.view(), "step", None)
    assert [mark.x for mark in first] == [10.0, 20.0, 30.0]
    series.apply(evaluated(step=30))
    assert drafts.draft(series.view(), "step", None) is first
    assert [mark.x for mark in drafts.draft(series.view(), "epoch", None)] == [1.0, 2.0, 3.0]
    series.apply(checkpoint(30, 3))
    assert len(drafts.draft(series.view(), "step", None)) == 4


def test_only_marks_in_the_window_are_drawn() -> None:
    drafts, view = MarkDrafts(), make_series(5).view()
    assert [mark.x for mark in drafts.draft(view, "step", (15.0, 40.0))] == [20.0, 30.0, 40.0]
    assert [mark.x for mark in drafts.draft(view, "step", (0.0, 15.0))] == [10.0]


def test_a_kind_with_more_marks_than_any_chart_shows_is_left_out_until_zoomed_in() -> None:
    series, drafts = make_series(300), MarkDrafts()
    series.apply(checkpoint(3000, 300))
    view = series.view()
    assert [mark.kind for mark in drafts.draft(view, "step", None)] == ["checkpoint"]
    assert len(drafts.draft(view, "step", (0.0, 100.0))) == 10
