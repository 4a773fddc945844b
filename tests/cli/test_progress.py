"""The progress of a job on a terminal and in a log file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_trainer.cli.progress import LiveBar, PlainLines, describe, render_bar, watch_job
from tui_trainer.core.job_progress import JobProgress, Pace


def pace_of(*points: tuple[float, JobProgress]) -> Pace:
    pace = Pace()
    for now_s, progress in points:
        pace.add(progress, now_s)
    return pace


_BEGUN = JobProgress("reading images", 1000, 6000, "samples")
_LATER = JobProgress("reading images", 3000, 6000, "samples")


def test_a_plain_line_tells_all() -> None:
    line = describe(_LATER, pace_of((0.0, _BEGUN), (4.0, _LATER)))
    assert line == "reading images: 3 000 of 6 000 samples, 50%, 500 samples/s, 6.0s left"
    assert describe(_BEGUN, Pace()) == "reading images: 1 000 of 6 000 samples, 17%"


def test_bytes_are_told_as_sizes() -> None:
    progress = JobProgress("mnist", 5 << 20, 10 << 20, "bytes")
    assert describe(progress, Pace()) == "mnist: 5.0 MiB of 10.0 MiB, 50%"


@given(st.integers(10, 200), st.text(max_size=100), st.integers(0, 10**9))
def test_the_bar_is_never_wider_than_the_terminal(width: int, text: str, done: int) -> None:
    later = JobProgress(text, done, 10**9, "samples")
    pace = pace_of((0.0, JobProgress(text, 0, 10**9, "samples")), (1.0, later))
    line = render_bar(later, pace, width)
    assert cell_len(line.plain) <= width
    assert "\x1b" not in line.plain and "\n" not in line.plain


def test_narrow_terminals_keep_the_share() -> None:
    pace = pace_of((0.0, _BEGUN), (4.0, _LATER))
    assert "50%" in render_bar(_LATER, pace, 40).plain
    wide = render_bar(_LATER, pace, 120).plain
    assert "▰" * 10 + "▱" * 10 in wide
    assert "3 000 of 6 000 samples" in wide and "500 samples/s" in wide and "6.0s left" in wide


def test_plain_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainLines(every_s=3600) as lines:
        lines.say("preparing")
        for done in range(100):
            lines.report(JobProgress("reading", done, 100, "samples"))
    assert capsys.readouterr().err == "preparing\nreading\n"
    with PlainLines(every_s=0) as lines:
        for done in range(3):
            lines.report(JobProgress("reading", done, 100, "samples"))
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" samples")[0] for line in told] == [
        "reading",
        "reading: 1 of 100",
        "reading: 2 of 100",
    ]


@pytest.mark.parametrize(("term", "kind"), [("dumb", PlainLines), ("xterm-256color", LiveBar)])
def test_a_terminal_that_cannot_redraw_shows_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, kind: type
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert type(watch_job()) is kind


def test_the_last_line_takes_the_place_of_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveBar() as bar:
        bar.report(JobProgress("reading", 1, 100, "samples"))
        bar.close("stopping")
    assert capsys.readouterr().err.splitlines()[-1] == "stopping"
