"""The page of what the worker printed."""

from __future__ import annotations

import re

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.console import ConsoleText
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.rows import break_line, note_row

_ERROR = re.compile(r"Traceback \(most recent|[\w.]*(?:Error|Exception|Interrupt)\b(?::|$)|fatal:")


def console_rows(text: ConsoleText | None, width: int) -> tuple[Row, ...]:
    """The lines, broken where they are longer than the page; None is a log not yet read."""
    if text is None:
        return (note_row("reading the worker's log", width),)
    if text.problem:
        return (note_row(sanitize(text.problem), width, "warning"),)
    if not text.lines:
        return (note_row("the worker has printed nothing", width),)
    rows: list[Row] = []
    if text.is_cut:
        rows.append(note_row("what was printed before is in worker.log", width))
    room = max(1, width - 1)
    for line in text.lines:
        role = _role_of(line)
        rows += [(Span(f" {part}", role),) for part in break_line(line, room)]
    return tuple(rows)


def _role_of(line: str) -> str:
    if _ERROR.match(line):
        return "error"
    return "warning" if "arning: " in line else "text"
