"""The page of what the worker printed."""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.console import ConsoleText
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.rows import clip_text

_ERROR = re.compile(r"Traceback \(most recent|[\w.]*(?:Error|Exception|Interrupt)\b(?::|$)|fatal:")


def console_rows(text: ConsoleText | None, width: int) -> tuple[Row, ...]:
    """The lines, broken where they are longer than the page; None is a log not yet read."""
    if text is None:
        return (_note("reading the worker's log", width),)
    if text.problem:
        return (_note(sanitize(text.problem), width, "warning"),)
    if not text.lines:
        return (_note("the worker has printed nothing", width),)
    rows: list[Row] = []
    if text.is_cut:
        rows.append(_note("what was printed before is in worker.log", width))
    room = max(1, width - 1)
    for line in text.lines:
        role = _role_of(line)
        rows += [(Span(f" {part}", role),) for part in break_line(line, room)]
    return tuple(rows)


def break_line(line: str, width: int) -> list[str]:
    """The line in parts of at most `width` cells, broken anywhere."""
    return [line] if cell_len(line) <= width else chop_cells(line, max(2, width))


def _role_of(line: str) -> str:
    if _ERROR.match(line):
        return "error"
    return "warning" if "arning: " in line else "text"


def _note(text: str, width: int, role: str = "faint") -> Row:
    return (Span(clip_text(f" {text}", width), role),)
