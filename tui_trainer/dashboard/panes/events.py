"""The pane that says what happened, newest at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.format import format_local_time
from tui_trainer.core.happenings import Happening, without_routine
from tui_trainer.dashboard.rows import clip_text, field, justify, note_row, pad_text, wrap_text

_TIME_CELLS = 11
_KIND_CELLS = 12
_GLYPHS = {"info": "  ", "good": "  ", "warning": "! ", "error": "✗ "}
_ROLES = {"info": "text", "good": "good", "warning": "warning", "error": "error"}
_MOST_ROUTINE = 3
_LINES = {"info": 3, "good": 3, "warning": 3, "error": 6}


def event_rows(happenings: Sequence[Happening], width: int, height: int) -> tuple[Row, ...]:
    """The heading and the newest happenings that fit under it; of routine ones only the last."""
    heading = justify([field(("events", "strong"))], [], width)
    lines: list[Row] = []
    for happening in reversed(without_routine(happenings, _MOST_ROUTINE)):
        block = _block(happening, width)
        if len(lines) + len(block) > height - 1:
            lines = lines or block[: max(0, height - 1)]
            break
        lines = [*block, *lines]
    if not lines:
        lines = [note_row("nothing yet", width)]
    return (heading, *lines)


def all_event_rows(happenings: Sequence[Happening], width: int) -> tuple[Row, ...]:
    """Every happening, oldest first, with the date above the first of each day."""
    rows: list[Row] = []
    date = ""
    for happening in happenings:
        day = format_local_time(happening.t, "%A %d %B %Y", "no date")
        if day != date:
            date = day
            rows += [*([()] if rows else []), note_row(day, width, "quiet")]
        rows += _block(happening, width)
    return tuple(rows) or (note_row("nothing yet", width),)


def _block(happening: Happening, width: int) -> list[Row]:
    indent = 1 + _TIME_CELLS
    glyph, role = _GLYPHS[happening.level], _ROLES[happening.level]
    kind = pad_text(happening.kind, _KIND_CELLS - 1) + " "
    start: list[Span] = [Span(f" {format_local_time(happening.t)} ", "faint"), Span(glyph, role)]
    room = width - indent - _KIND_CELLS - 1
    most = _LINES[happening.level]
    if room < 16:
        return [
            (*start, Span(clip_text(f"{happening.kind} {happening.text}", width - indent), role))
        ]
    texts = wrap_text(happening.text, room, most)
    rows: list[Row] = [(*start, Span(kind, "quiet"), Span(texts[0], role))]
    pad = " " * (indent + _KIND_CELLS)
    rows += [(Span(pad + text, role),) for text in texts[1:]]
    if happening.hint:
        rows += [(Span(pad + text, "quiet"),) for text in wrap_text(happening.hint, room, most)]
    return rows
