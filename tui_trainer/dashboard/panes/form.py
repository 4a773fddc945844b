"""The lines of the form for a new run: grouped, under each setting what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.form_entries import Draft, Entry
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.rows import field, justify, pad_text, wrap_text

_LABEL, _REFERENCE, _ORIGIN = 26, 16, 28
_LEAST_VALUE, _MOST_VALUE = 14, 30
_LEAST_MEANING = 24
_MOST_LINES = 4
_PLAN_RANKS = (2, 3, 4, 0)


@dataclass(frozen=True)
class FormLine:
    """A row of the form, and the number of the entry it is of; None for a heading."""

    row: Row
    entry: int | None = None


@dataclass(frozen=True)
class _Columns:
    """Widths of the columns; 0 where there is no room for one."""

    label: int
    value: int
    reference: int
    origin: int
    meaning: int


def visible_entries(draft: Draft, *, shows_all: bool, search: str) -> list[Entry]:
    """The entries to show: those that match, else all, else those in common use."""
    if search:
        return [entry for entry in draft.entries if entry.matches(search)]
    return [entry for entry in draft.entries if shows_all or entry.is_common]


def form_lines(
    draft: Draft, entries: Sequence[Entry], cursor: int, width: int, reference: str
) -> list[FormLine]:
    """Every line, however many there are; `reference` names the column of what would be else."""
    columns = _plan_columns(width)
    lines = [FormLine(_titles(columns, reference))]
    lines += [FormLine(row) for text in draft.problems for row in _problem_rows(text, width)]
    part = ""
    for number, entry in enumerate(entries):
        if entry.part != part:
            part = entry.part
            lines.append(FormLine((Span(f" {part}", "quiet"),)))
        lines.append(FormLine(_entry_row(entry, columns, selected=number == cursor), number))
        for text in entry.problems:
            lines += [FormLine(row, number) for row in _problem_rows(text, width)]
    if not entries:
        lines.append(FormLine((Span("   no setting is like that; esc shows them again", "quiet"),)))
    return lines


def first_line(lines: Sequence[FormLine], cursor: int, top: int, height: int) -> int:
    """The line to begin with, so that the cursor's lines are in sight: `top` if they are."""
    own = [number for number, line in enumerate(lines) if line.entry == cursor]
    if not own or cursor == 0:
        return 0
    # With the heading above it, where that is all that is missing.
    start = own[0] - (lines[own[0] - 1].entry is None)
    last = max(0, len(lines) - height)
    top = max(top, own[-1] - height + 1)
    return max(0, min(top, start, last))


def detail_rows(entry: Entry | None, width: int) -> list[Row]:
    """What the setting under the cursor means, and what it takes."""
    if entry is None:
        return [(), ()]
    takes = f"takes {entry.allowed}" if not entry.choices else f"one of {', '.join(entry.choices)}"
    texts = (f"{entry.meaning[0].upper()}{entry.meaning[1:]}.", takes)
    return [
        (Span(" " + wrap_text(sanitize(text), max(1, width - 2), 1)[0], role),)
        for text, role in zip(texts, ("text", "quiet"), strict=True)
    ]


def form_heading(like: str, search: str, num_changed: int, width: int) -> Row:
    """What the form is for, and which settings it shows."""
    texts = [f"like {sanitize(like, limit=32)}"] if like else []
    texts += [f"/ {sanitize(search, limit=32)}"] if search else []
    changed = f"{num_changed} changed" if num_changed else "nothing changed"
    return justify(
        [
            field(("tuitrain", "strong")),
            field(("new run", "text")),
            *(field((text, "quiet"), rank=2) for text in texts),
        ],
        [field((changed, "quiet"), rank=1)],
        width,
    )


def plan_row(draft: Draft, width: int) -> Row:
    """What will be done, or how much is wrong."""
    if draft.num_problems:
        are = "is" if draft.num_problems == 1 else "are"
        noun = "setting" if draft.num_problems == 1 else "settings"
        told = f"{draft.num_problems} {noun} {are} wrong"
        return justify([field((told, "error"))], (), width)
    parts = zip(draft.plan.parts, _PLAN_RANKS, strict=True) if draft.plan is not None else ()
    fields = [field((text, "text"), rank=rank) for text, rank in parts]
    if not draft.is_prepared:
        fields.append(field(("the dataset is prepared first", "quiet"), rank=1))
    return justify(fields, (), width)


def _plan_columns(width: int) -> _Columns:
    """The label and the value first, then where it comes from, the reference, the meaning."""
    label = min(_LABEL, max(8, width // 3))
    left = width - 3 - label
    origin = _ORIGIN if left >= _LEAST_VALUE + _ORIGIN else 0
    reference = _REFERENCE if left - origin >= _LEAST_VALUE + _REFERENCE else 0
    left -= origin + reference
    value = min(left, _MOST_VALUE)
    meaning = left - value if left - value >= _LEAST_MEANING else 0
    return _Columns(label, value, reference, origin, meaning)


def _titles(columns: _Columns, reference: str) -> Row:
    texts = ("setting", "value", sanitize(reference, limit=_REFERENCE - 2), "from", "meaning")
    widths = (columns.label, columns.value, columns.reference, columns.origin, columns.meaning)
    cells = (pad_text(text, width) for text, width in zip(texts, widths, strict=True) if width)
    return (Span("   " + "".join(cells), "quiet"),)


def _entry_row(entry: Entry, columns: _Columns, *, selected: bool) -> Row:
    role = "error" if entry.problems else "strong" if entry.is_changed else "text"
    value = sanitize(entry.value) or "–"
    arrows = selected and bool(entry.choices)
    shown = f"‹ {value} ›" if arrows else value
    spans = [
        Span(" ▸ " if selected else "   ", "key"),
        Span(pad_text(entry.label, columns.label), "key" if selected else "quiet"),
        Span(pad_text(shown, columns.value - 2) + "  ", role),
    ]
    if columns.reference:
        text = (sanitize(entry.reference) or "–") if entry.is_changed else ""
        spans.append(Span(pad_text(text, columns.reference - 2) + "  ", "quiet"))
    if columns.origin:
        spans.append(Span(pad_text(sanitize(entry.origin), columns.origin - 2) + "  ", "quiet"))
    if columns.meaning:
        spans.append(Span(pad_text(entry.meaning, columns.meaning), "faint"))
    return tuple(spans)


def _problem_rows(text: str, width: int) -> list[Row]:
    lines = wrap_text(sanitize(" ".join(text.split())), max(8, width - 7), _MOST_LINES)
    return [(Span(f"     {line}", "error"),) for line in lines]
