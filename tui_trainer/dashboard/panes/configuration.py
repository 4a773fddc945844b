"""The page of what a run was asked to do, what it chose, and on what it runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.cells import cell_len

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.code_changes import describe_changes
from tui_trainer.core.compare import format_setting
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import all_fields, settings_of
from tui_trainer.core.format import format_bytes, format_count, format_local_time
from tui_trainer.core.run_record import Environment, RunRecord
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.rows import break_line, clip_text, note_row, pad_text, wrap_text
from tui_trainer.store.run_facts import RunFacts

_INDENT = 2
_NAME_CELLS, _VALUE_CELLS, _DEFAULT_CELLS = 26, 20, 22
_LEAST_MEANING_CELLS = 24
_MOST_LINES = 6
_MOST_PAIRS = 2000
_COMMIT_DIGITS = 12

Pairs = Iterable[tuple[str, str]]


def configuration_rows(record: RunRecord, facts: RunFacts | None, width: int) -> tuple[Row, ...]:
    """Everything that a run was begun with; None are files not yet read."""
    if facts is None:
        return (note_row("reading the run's files", width),)
    rows: list[Row] = []
    for problem in facts.problems:
        rows += [
            (Span(f" ! {line}", "warning"),)
            for line in wrap_text(sanitize(problem), max(1, width - 4), _MOST_LINES)
        ]
    environment = facts.environment
    sections: list[tuple[str, list[Row]]] = []
    if environment is not None:
        sections.append(("command", list(_text_rows(shlex.join(environment.command), width))))
    sections.append(("chosen by the run", _choice_rows(record, width)))
    if facts.config is not None:
        sections += _setting_sections(facts.config, width)
    if environment is not None:
        sections.append(("environment", list(_pair_rows(_environment_pairs(environment), width))))
        sections.append(("packages", list(_pair_rows(environment.packages.items(), width))))
        sections.append(("code", list(_pair_rows(_code_pairs(record, environment), width))))
    for title, lines in sections:
        if lines:
            rows += [*([()] if rows else []), note_row(title, width, "quiet")]
            rows += lines
    return tuple(rows)


def _choice_rows(record: RunRecord, width: int) -> list[Row]:
    snapshot = record.snapshot
    rows = [row for choice in snapshot.choices for row in _text_rows(choice, width)]
    counts = {
        "parameters": snapshot.parameters,
        "steps per epoch": snapshot.steps_per_epoch,
    }
    pairs = [(name, format_count(count)) for name, count in counts.items() if count]
    return [*_pair_rows(pairs, width), *rows]


def _setting_sections(config: RunConfig, width: int) -> Iterator[tuple[str, list[Row]]]:
    """Each part of the configuration; settings that are not as by default say so in words."""
    values = settings_of(config)
    parts: dict[str, list[Row]] = {}
    for key, field in all_fields().items():
        part, name = key.split(".", 1)
        row = _setting_row(name, values[key], field.default, field.meaning, width)
        parts.setdefault(part, []).append(row)
    return ((f"configuration · {part}", rows) for part, rows in parts.items())


def _setting_row(name: str, value: Any, default: Any, meaning: str, width: int) -> Row:
    differs = value != default
    shown = format_setting(value)
    spans = [
        Span(" " * _INDENT + pad_text(name, _NAME_CELLS), "text" if differs else "quiet"),
        Span(_column(shown, _VALUE_CELLS), "strong" if differs else "quiet"),
        Span(_column(f"default {format_setting(default)}" if differs else "", _DEFAULT_CELLS),
             "quiet"),
    ]  # fmt: skip
    left = width - sum(cell_len(span.text) for span in spans) - 1
    if left >= _LEAST_MEANING_CELLS:
        spans.append(Span(clip_text(meaning, left), "faint"))
    return tuple(spans)


def _column(text: str, cells: int) -> str:
    """The text in a column of so many cells, beyond which it goes rather than being cut."""
    return text + " " * max(2, cells - cell_len(text))


def _environment_pairs(environment: Environment) -> Pairs:
    return (
        ("host", environment.host),
        ("user", environment.user),
        ("system", environment.system),
        ("python", environment.python),
        ("cores", format_count(environment.cores)),
        ("memory", format_bytes(environment.host_memory_bytes)),
        *((f"device {index}", name) for index, name in enumerate(environment.devices)),
        ("folder", environment.folder),
        ("created", format_local_time(environment.created_t, "%d %b %Y %H:%M:%S", "–")),
    )


def _code_pairs(record: RunRecord, environment: Environment) -> Pairs:
    pairs = []
    git = environment.git
    if git is not None:
        pairs.append(("commit", f"{git.commit[:_COMMIT_DIGITS]} on {git.branch}"))
        pairs.append(("uncommitted changes", describe_changes(git)))
    files: Mapping[str, str] = record.snapshot.code
    pairs += [(name, f"sha256 {digest[:_COMMIT_DIGITS]}") for name, digest in files.items()]
    return pairs or [("git", "not recorded")]


def _pair_rows(pairs: Pairs, width: int) -> Iterator[Row]:
    """Names and values in two columns; a long value goes on under itself."""
    room = max(1, width - _INDENT - _NAME_CELLS - 1)
    pad = " " * (_INDENT + _NAME_CELLS)
    listed = list(pairs)
    for name, value in listed[:_MOST_PAIRS]:
        head = " " * _INDENT + pad_text(sanitize(name), _NAME_CELLS - 1) + " "
        for index, line in enumerate(break_line(sanitize(value), room)[:_MOST_LINES]):
            yield (Span(pad if index else head, "quiet"), Span(line, "text"))
    if len(listed) > _MOST_PAIRS:
        yield note_row(f"and {format_count(len(listed) - _MOST_PAIRS)} more", width)


def _text_rows(text: str, width: int) -> Iterator[Row]:
    for line in wrap_text(sanitize(text), max(1, width - _INDENT - 1), _MOST_LINES):
        yield (Span(" " * _INDENT + line, "text"),)
