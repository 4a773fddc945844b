"""What stands around the table of runs: its heading, and what is said where it is empty."""

from __future__ import annotations

from dataclasses import dataclass

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.format import format_count
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.columns import NEWEST_FIRST, Sort
from tui_trainer.dashboard.rows import Field, clip_text, field, justify

_FILTER_CELLS, _LEAST_FILTER_CELLS = 40, 8


@dataclass(frozen=True)
class RunsHeading:
    """What the heading says: of `total` runs `shown` fit the filter."""

    folder: str
    total: int
    shown: int
    live: int
    marked: int = 0
    filter_text: str = ""
    sort: Sort = NEWEST_FIRST
    follows: bool = False


def heading_row(heading: RunsHeading, width: int) -> Row:
    """The line over the table; what fits of it, the filter and the counts last to go."""
    folder = clip_text(sanitize(heading.folder), max(10, width // 3))
    left = [field(("tuitrain", "strong"), rank=5), field((folder, "quiet"), rank=6)]
    counts = _counts(heading)
    if heading.filter_text:
        room = min(_FILTER_CELLS, max(_LEAST_FILTER_CELLS, width - counts.width - 12))
        text = clip_text(sanitize(heading.filter_text), room)
        left.append(field(("filter ", "quiet"), (text, "strong"), rank=1))
    left += _order(heading)
    return justify(left, [counts], width)


def _order(heading: RunsHeading) -> list[Field]:
    if heading.follows:
        return [field(("following the newest", "quiet"), rank=4)]
    if heading.sort == NEWEST_FIRST:
        return []
    mark = "▾" if heading.sort.descending else "▴"
    return [field(("by ", "quiet"), (f"{heading.sort.title} {mark}", "text"), rank=3)]


def _counts(heading: RunsHeading) -> Field:
    runs = f"{format_count(heading.total)} run{'' if heading.total == 1 else 's'}"
    if heading.filter_text:
        runs = f"{format_count(heading.shown)} of {runs}"
    counts = f"{runs} · {heading.live} live"
    if heading.marked:
        counts += f" · {heading.marked} marked"
    return field((counts, "text"))


def no_run_rows() -> list[Row]:
    """How to start a run, where there is none."""
    return [
        (),
        (Span("  There are no runs here yet.", "text"),),
        (),
        (Span("  Start one here with ", "quiet"), Span("n", "key"), Span(", or", "quiet")),
        (Span("  in another terminal:  ", "quiet"), Span("tuitrain train digits", "strong")),
        (),
        (Span("  It will appear here at once.", "quiet"),),
    ]


def no_match_rows(filter_text: str, width: int) -> list[Row]:
    """What to do, where no run fits the filter."""
    text = clip_text(sanitize(filter_text), max(1, width - 4))
    return [
        (),
        (Span("  No run fits the filter", "text"),),
        (Span(f"  {text}", "strong"),),
        (),
        (
            Span("  esc", "key"),
            Span(" shows all runs again, ", "quiet"),
            Span("/", "key"),
            Span(" changes the filter.", "quiet"),
        ),
    ]
