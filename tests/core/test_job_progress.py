"""What a job's progress lines say of its pace."""

from __future__ import annotations

from typing import Any

import pytest

from tui_trainer.core.job_progress import JobProgress, Pace, read_figures


def test_figures_are_read_from_a_line() -> None:
    line = {"text": "reading", "done": 3, "total": 12, "unit": "bytes"}
    progress = read_figures(line)
    assert progress == JobProgress("reading", 3, 12, "bytes")
    assert progress.share == 0.25
    assert read_figures({"text": "x", "done": 20, "total": 10}) is not None


@pytest.mark.parametrize(
    "line",
    [
        {"text": "loading"},
        {"text": "x", "done": "3", "total": 12},
        {"text": "x", "done": 3, "total": 0},
        {"text": "x", "done": -1, "total": 5},
        {"text": "x", "done": True, "total": 5},
        {"text": "x", "done": 1.5, "total": 5},
    ],
)
def test_a_line_without_figures_has_none(line: dict[str, Any]) -> None:
    assert read_figures(line) is None


def test_pace_counts_what_is_done_since_it_began() -> None:
    pace = Pace()
    # A job that goes on where it stopped begins with much done.
    pace.add(JobProgress("reading", 5000, 8000, "samples"), 10.0)
    assert pace.per_s is None
    pace.add(JobProgress("reading", 6000, 8000, "samples"), 12.0)
    assert pace.per_s == 500
    assert pace.left_s(JobProgress("reading", 6000, 8000, "samples")) == 4


def test_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    for second in range(100):
        done = second * 10 if second < 50 else 500 + (second - 50) * 200
        pace.add(JobProgress("reading", done, 20_000, "samples"), float(second))
    assert pace.per_s == pytest.approx(200)


def test_another_text_begins_anew() -> None:
    pace = Pace()
    pace.add(JobProgress("download", 0, 10, "bytes"), 0.0)
    pace.add(JobProgress("download", 10, 10, "bytes"), 1.0)
    pace.add(JobProgress("reading", 0, 10, "samples"), 2.0)
    assert pace.per_s is None


def test_a_moment_tells_no_pace() -> None:
    pace = Pace()
    pace.add(JobProgress("reading", 0, 30, "samples"), 0.0)
    pace.add(JobProgress("reading", 30, 30, "samples"), 0.2)
    assert pace.per_s is None
    pace.add(JobProgress("reading", 30, 60, "samples"), 0.6)
    assert pace.per_s == pytest.approx(50)
