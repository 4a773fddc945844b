"""The page of what is wrong with a run: its end, the mistakes that were seen, its log's health."""

from __future__ import annotations

from collections.abc import Iterable

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.findings import Finding, order_findings
from tui_trainer.core.format import format_count, format_counted
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.text_safety import sanitize, sanitize_lines
from tui_trainer.dashboard.rows import break_line, note_row, pad_text, wrap_text

_CODE_CELLS = 12
_MOST_LINES = 12
_TRACEBACK_CHARACTERS = 20_000
_GLYPHS = {"error": "✗", "warning": "!", "info": "·"}
_ROLES = {"error": "error", "warning": "warning", "info": "text"}


def diagnosis_rows(
    record: RunRecord, findings: tuple[Finding, ...], width: int, *, is_whole: bool = True
) -> tuple[Row, ...]:
    """All that is known to be wrong, the worst first; that there is nothing, where so.

    `is_whole`: the log has been read to its end.
    """
    rows: list[Row] = [*_failure(record, width)]
    for finding in order_findings(findings):
        rows += [*_block(finding, width), ()]
    for code, seen, advice in _health(record):
        rows += [*_entry("!", "warning", code, [seen], advice, width), ()]
    if not is_whole:
        rows.append(note_row("reading the log", width))
    elif not rows:
        rows = [
            note_row("✓ nothing to report", width, "good"),
            note_row("the log is whole, and no checkpoint failed", width, "quiet"),
        ]
    return (*rows, *_traceback(record, width))


def _block(finding: Finding, width: int) -> list[Row]:
    spans = [finding.seen, _told_when(finding)]
    glyph, role = _GLYPHS[finding.severity], _ROLES[finding.severity]
    return _entry(glyph, role, finding.code, spans, finding.advice, width)


def _told_when(finding: Finding) -> str:
    first, last = format_count(finding.first_step), format_count(finding.last_step)
    where = f"at step {first}" if first == last else f"from step {first} to {last}"
    return where if finding.count == 1 else f"{format_count(finding.count)} times, {where}"


def _entry(
    glyph: str, role: str, code: str, texts: Iterable[str], advice: str, width: int
) -> list[Row]:
    """A code with what was seen, when, and what to do, each under the other."""
    head = f" {glyph} {pad_text(code, _CODE_CELLS)} "
    seen, *told = texts
    if width - len(head) < 2 * _CODE_CELLS:
        # Too narrow for a column of codes.
        head, seen = f" {glyph} ", f"{code}  {seen}"
    pad, room = " " * len(head), max(1, width - len(head) - 1)
    lines = [(line, role) for line in wrap_text(seen, room, _MOST_LINES)]
    for text in told:
        lines += [(line, "quiet") for line in wrap_text(text, room, _MOST_LINES)]
    if advice:
        lines += [(line, "text") for line in wrap_text(f"→ {advice}", room, _MOST_LINES)]
    return [
        (Span(pad, ""), Span(line, shade)) if index else (Span(head, role), Span(line, shade))
        for index, (line, shade) in enumerate(lines)
    ]


def _failure(record: RunRecord, width: int) -> list[Row]:
    error = record.snapshot.error
    if error is None:
        return []
    texts = [sanitize(error.message), f"at step {format_count(error.step)}"]
    return [*_entry("✗", "error", "failed", texts, sanitize(error.hint), width), ()]


def _traceback(record: RunRecord, width: int) -> list[Row]:
    error = record.snapshot.error
    if error is None or not error.traceback.strip():
        return []
    # The end of it says what happened.
    lines = sanitize_lines(error.traceback[-_TRACEBACK_CHARACTERS:]).split("\n")
    rows: list[Row] = [note_row("traceback", width, "quiet")]
    for line in filter(None, lines):
        rows += [(Span(f"   {part}", "text"),) for part in break_line(line, max(1, width - 4))]
    return rows


def _health(record: RunRecord) -> list[tuple[str, str, str]]:
    """What is wrong with the log and the checkpoints: a word, what is seen, what to do."""
    found = []
    if record.problem:
        found.append(("unreadable", sanitize(record.problem), "Check the rights of the folder."))
    if record.damaged:
        lines = format_counted(record.damaged, "line")
        found.append(
            ("log damaged", f"{lines} of the log cannot be read and were left out.",
             "Check the disk; the rest of the log is used as it is.")
        )  # fmt: skip
    if record.missing:
        missing = format_counted(record.missing, "event")
        found.append(
            ("log gaps", f"{missing} of the log are not there.",
             "Curves may have gaps; restore the log from a copy if there is one.")
        )  # fmt: skip
    if record.newer_version:
        found.append(
            ("newer log", f"The log is of version {record.newer_version}, newer than this program.",
             "Update tuitrain to see all of it.")
        )  # fmt: skip
    return [*found, *_checkpoint_health(record)]


def _checkpoint_health(record: RunRecord) -> list[tuple[str, str, str]]:
    snapshot = record.snapshot
    found = []
    if snapshot.checkpoint_is_stale:
        step = snapshot.checkpoint_step
        stands = (
            "none was ever saved" if step is None else f"the newest is of step {format_count(step)}"
        )
        found.append(
            ("checkpoint", f"Newer checkpoints could not be written; {stands}.",
             "Make room on the disk; saving is tried again by itself.")
        )  # fmt: skip
    if snapshot.left_out:
        spans = ", ".join(
            f"{format_count(first)}–{format_count(last)}" for first, last in snapshot.left_out
        )
        found.append(
            ("left out", f"The steps {spans} are not trained: they led to numbers not finite.",
             "Lower the learning rate, or look at the data of these steps.")
        )  # fmt: skip
    return found
