"""`tuitrain runs list`, `show` and `logs`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

import typer

from tui_trainer.cli.options import JsonOption, RunArgument, RunsOption
from tui_trainer.cli.output import Column, print_json, print_line, print_table, say
from tui_trainer.core.code_names import short_name
from tui_trainer.core.dataset_reference import short_reference
from tui_trainer.core.format import (
    format_age,
    format_count,
    format_counted,
    format_duration,
    format_metric,
    format_rate,
    format_utc,
)
from tui_trainer.core.run_record import RunRecord, describe
from tui_trainer.core.run_state import RunSnapshot
from tui_trainer.core.text_safety import sanitize
from tui_trainer.paths import ANNOTATIONS, choose_runs_dir
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import changed_since_start, has_damaged_annotations


def list_runs(
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs, newest last."""
    records = Registry(choose_runs_dir(runs)).records()
    if as_json:
        print_json([describe(record) for record in records])
        return
    if not records:
        where = choose_runs_dir(runs)
        is_there = where.is_dir()
        say(f"no runs in {where}" if is_there else f"there is no folder {where}")
        say("start one with: tuitrain train digits")
        return
    print_table(_COLUMNS, [list(map(sanitize, _row(record))) for record in records])
    for record in records:
        if record.problem:
            say(f"{record.run} cannot be read: {record.problem}")


# The rank says which columns a narrow terminal does without first.
_COLUMNS = [
    Column("run", 0),
    Column("name", 3),
    Column("state", 0),
    Column("dataset", 5),
    Column("model", 6),
    Column("epochs", 2, right=True),
    Column("best", 1, right=True),
    Column("test", 1, right=True),
    Column("loss", 4, right=True),
    Column("trained", 7, right=True),
    Column("age", 8, right=True),
]


def _row(record: RunRecord) -> list[str]:
    snapshot = record.snapshot
    last = snapshot.last
    age = "–" if snapshot.started_t is None else format_age(time.time() - snapshot.started_t)
    return [
        record.run,
        record.annotations.name or "–",
        record.state.value,
        short_reference(snapshot.dataset) or "–",
        short_name(snapshot.model) or "–",
        f"{snapshot.epoch}/{snapshot.epochs}",
        _best_words(record),
        format_metric(last.get("test", {}).get(snapshot.metric)),
        format_metric(snapshot.loss),
        format_duration(snapshot.elapsed_s),
        age,
    ]


def _best_words(record: RunRecord) -> str:
    """The best figure, and what it is of where that is not accuracy."""
    best = record.snapshot.best
    value = format_metric(best.value if best else None)
    if best is None or best.metric == "accuracy":
        return value
    return f"{sanitize(best.metric, limit=16)} {value}"


def show(reference: RunArgument, runs: RunsOption = None, as_json: JsonOption = False) -> None:
    """Show all that is known of a run."""
    folder, record = Registry(choose_runs_dir(runs)).read(reference)
    changed = changed_since_start(folder.path, record.snapshot)
    damaged = (ANNOTATIONS,) if has_damaged_annotations(folder.path) else ()
    if as_json:
        print_json(describe(record) | {"changed_files": [*changed, *damaged]})
        return
    for key, value in [*_facts(record), *_file_facts(changed, damaged)]:
        print_line(f"{key:<12} {value}")


def _file_facts(changed: Iterable[str], damaged: Iterable[str]) -> list[tuple[str, str]]:
    """What became of the files beside the log, and what to do."""
    since, mend = "is not as it was when the run last began", "restore it from a copy"
    return [
        *(("files", f"{name} {since}: {mend}, unless you changed it") for name in changed),
        *(("files", f"{name} is damaged: {mend}, or delete it") for name in damaged),
    ]


def _checkpoint_words(snapshot: RunSnapshot) -> str:
    step = snapshot.checkpoint_step
    newest = f"step {format_count(step)}" if step is not None else "–"
    stale = ", stale: newer ones could not be written" if snapshot.checkpoint_is_stale else ""
    return f"{newest}{stale}"


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    snapshot = record.snapshot
    best = snapshot.best
    started = "–" if snapshot.started_t is None else format_utc(snapshot.started_t)
    facts = [
        ("run", record.run),
        ("name", record.annotations.name or "–"),
        ("state", record.state.value),
        ("dataset", snapshot.dataset or "–"),
        ("model", f"{snapshot.model or '–'}, {format_count(snapshot.parameters)} parameters"),
        ("device", f"{snapshot.device or '–'} {snapshot.device_name}".strip()),
        *([("ended", snapshot.reason)] if snapshot.reason else []),
        ("epochs", f"{snapshot.epoch} of {snapshot.epochs} done"),
        ("step", f"{format_count(snapshot.step)} of {format_count(snapshot.steps)}"),
        ("loss", format_metric(snapshot.loss)),
        ("speed", f"{format_rate(snapshot.samples_per_s)} samples/s"),
        ("best", f"{_best_words(record)} at step {best.step}" if best else "–"),
    ]
    for split, metrics in snapshot.last.items():
        words = ", ".join(f"{name} {format_metric(value)}" for name, value in metrics.items())
        facts.append((split, words))
    sessions = format_counted(snapshot.sessions, "session")
    facts += [
        ("checkpoint", _checkpoint_words(snapshot)),
        ("started", started),
        ("trained", f"{format_duration(snapshot.elapsed_s)} in {sessions}"),
        ("path", record.path),
    ]
    facts += [("choice", choice) for choice in snapshot.choices]
    if snapshot.error is not None:
        facts += [("error", snapshot.error.message), ("", snapshot.error.hint)]
    if record.problem:
        facts.append(("problem", record.problem))
    if record.damaged or record.missing:
        facts.append(("log", f"{record.damaged} damaged lines, {record.missing} missing events"))
    if record.newer_version:
        facts.append(("log", "written by a newer tuitrain: read only"))
    return facts


def logs(
    reference: RunArgument,
    events: Annotated[
        bool, typer.Option("--events", help="The event log instead of what the worker printed.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as it grows; Ctrl-C detaches.")
    ] = False,
    runs: RunsOption = None,
) -> None:
    """Print what a run's worker printed, or its events."""
    from tui_trainer.cli.logs import has_worker_log, tail_events, tail_worker_log
    from tui_trainer.store.run_folder import read_run

    folder = Registry(choose_runs_dir(runs)).find(reference)
    if not events and not follow and not has_worker_log(folder):
        say(
            f"the worker printed nothing; see its events with: tuitrain runs logs {folder.run} "
            "--events"
        )
        return
    tail = tail_events(folder) if events else tail_worker_log(folder)
    try:
        while True:
            live = follow and read_run(folder).state.is_live
            for line in next(tail):
                print_line(line)
            if not live:
                return
            time.sleep(0.2)
    except KeyboardInterrupt:
        return
