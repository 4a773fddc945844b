"""Following runs on disk without reading anything twice. No thread, no screen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tui_trainer import paths
from tui_trainer.core.console import ConsoleText
from tui_trainer.core.events import Event, Resumed, Steps
from tui_trainer.core.findings import Finding, fold_finding
from tui_trainer.core.growing_table import GrowingTable
from tui_trainer.core.happenings import Happening, describe_event, without_routine
from tui_trainer.core.log_index import LogIndex, LogPlace
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import LogFold, apply
from tui_trainer.core.series import RunSeries, SeriesView, floats
from tui_trainer.core.tables import FloatArray, merge_rows, splice
from tui_trainer.dashboard.console_tail import ConsoleTail
from tui_trainer.dashboard.detail import DetailReader, StepSpan
from tui_trainer.dashboard.views import RunView
from tui_trainer.errors import TuitrainError
from tui_trainer.store.event_log import Batch, EventLogReader
from tui_trainer.store.lease import look
from tui_trainer.store.plain_file import signature_of
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import (
    NOT_FOLDED,
    RunFolder,
    make_record,
    read_annotations,
    read_summary,
)

READ_ERRORS = (TuitrainError, OSError, ValueError, OverflowError)
"""What reading a run can raise: the folder may go, be forbidden, or hold nonsense."""
_MOST_HAPPENINGS = 1000
_SPARK_POINTS, _SPARK_ROWS = 24, 1 << 10
_SPARK_LOG_BYTES = 8 << 20
_SPARK_READ_BYTES = 2 << 20


class RunTail:
    """Reads one run from the start of its log, a bounded piece at a time.

    Until the log has been read to its end, what is known of the run comes from its summary.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        names = (paths.EVENTS, paths.ANNOTATIONS, paths.WORKER_LOG)
        self._files = tuple(str(folder.path / name) for name in names)
        self._known = read_summary(folder.path)
        self._console = ConsoleTail(folder.path)
        self._console_text: ConsoleText | None = None
        self._details: dict[StepSpan, DetailReader] = {}
        self._wanted: tuple[StepSpan, ...] = ()
        self._restart()
        self._shown: object = None
        self._seen: object = None

    def _restart(self) -> None:
        self._reader = EventLogReader(self.folder.events)
        self._fold = LogFold()
        self._series = RunSeries()
        self._happenings: tuple[Happening, ...] = ()
        self._findings: tuple[Finding, ...] = ()
        self._index = LogIndex()
        self._details = {}
        self._at_end = False

    def look_closer(self, spans: tuple[StepSpan, ...]) -> None:
        """Show every step of these spans, however long the run; the log is read there again."""
        self._wanted = spans

    def read(self) -> RunView | None:
        """A new picture after reading on by a megabyte or two; None where nothing changed."""
        # The lease before the log: see `derive_state`.
        lease = look(self.folder.path)
        seen = (lease, *map(signature_of, self._files))
        if seen == self._seen and self._details.keys() == set(self._wanted):
            return None
        place = self._place()
        batch = self._reader.read(limit_bytes=1)
        self._take(batch, place)
        if self._at_end:
            self._read_details()
            self._console_text = self._console.read() or self._console_text
        if not self._at_end:
            self._known = read_summary(self.folder.path)
        self._seen = None if self.is_behind else seen
        is_ahead = self._at_end or self._fold.offset >= self._known.offset
        fold = self._fold if is_ahead else self._known
        record = make_record(self.folder, fold, read_annotations(self.folder.path), lease)
        look_of_it = (
            record.state,
            record.annotations,
            lease,
            fold.offset,
            self._reader.offset,
            self._at_end,
            self._console_text,
            *((span, detail.is_whole) for span, detail in self._details.items()),
        )
        if look_of_it == self._shown and not batch.restarted:
            return None
        self._shown = look_of_it
        return RunView(
            record=record,
            session=lease.session if lease.held else "",
            series=self._spliced(self._series.view()),
            happenings=self._happenings,
            findings=self._findings,
            console=self._console_text,
            read_share=1.0 if self._at_end else self._share_read(),
        )

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return not self._at_end or any(not detail.is_whole for detail in self._details.values())

    def _place(self) -> LogPlace:
        elapsed_s, t, steps_per_epoch = self._series.position
        return LogPlace(
            self._series.step,
            self._reader.offset,
            self._reader.seq,
            elapsed_s,
            t,
            steps_per_epoch,
        )

    def _read_details(self) -> None:
        """Read on in one of the spans that are wanted, and forget those that are not."""
        log, index = self.folder.events, self._index
        for span in self._wanted:
            if span not in self._details:
                self._details[span] = DetailReader(log, index, span)
        unread = [detail for detail in self._details.values() if not detail.is_whole]
        if unread:
            unread[0].read()
        elif len(self._details) > len(self._wanted):
            # Only once the new ones are whole: until then the old ones may still be in sight.
            self._details = {span: self._details[span] for span in self._wanted}

    def _spliced(self, view: SeriesView) -> SeriesView:
        steps = view.steps
        for detail in self._details.values():
            if detail.is_whole:
                steps = splice(steps, detail.view())
        return replace(view, steps=steps)

    def _take(self, batch: Batch, place: LogPlace) -> None:
        if batch.restarted:
            self._restart_keeping_reader()
            place = LogPlace()
        self._index.add(place)
        snapshot, damaged = self._fold.snapshot, self._fold.damaged + batch.damaged
        for event in batch.events:
            try:
                snapshot = apply(snapshot, event)
                self._series.apply(event)
            except NOT_FOLDED:
                damaged += 1
                continue
            if isinstance(event, Resumed):
                self._index.cut(event.from_step, place)
                self._details = {}
            self._findings = fold_finding(self._findings, event)
            happening = describe_event(event)
            if happening is not None:
                self._happenings += (happening,)
        if len(self._happenings) > _MOST_HAPPENINGS:
            kept = without_routine(self._happenings, _MOST_HAPPENINGS // 8)
            self._happenings = tuple(kept[-(_MOST_HAPPENINGS // 2) :])
        self._fold = LogFold(
            snapshot=snapshot,
            offset=self._reader.offset,
            damaged=damaged,
            missing=self._fold.missing + batch.missing,
            newer_version=max(self._fold.newer_version, batch.newer_version),
        )
        self._at_end = batch.at_end

    def _restart_keeping_reader(self) -> None:
        reader, self._known = self._reader, LogFold()
        self._restart()
        self._reader = reader

    def _share_read(self) -> float:
        try:
            size = os.stat(self.folder.events).st_size
        except OSError:
            return 0.0
        return min(0.999, self._reader.offset / size) if size else 0.0


class LossTail:
    """A few points of a run's loss, kept up to date from its log."""

    def __init__(self, folder: RunFolder) -> None:
        self._reader = EventLogReader(folder.events)
        self._table = GrowingTable(("loss",), _SPARK_ROWS)

    @property
    def size_read(self) -> int:
        """Bytes of the log that were read."""
        return self._reader.offset

    def read(self) -> FloatArray:
        """The mean loss of each of a few equal parts of the run so far."""
        batch = self._reader.read(limit_bytes=_SPARK_LOG_BYTES)
        if batch.restarted:
            self._table = GrowingTable(("loss",), _SPARK_ROWS)
        for event in batch.events:
            self._take(event)
        table = self._table.view()
        if len(table) > _SPARK_POINTS:
            # Equal parts in steps: of a long run, many may lie in one row.
            edges = np.linspace(0.0, table.step[-1], _SPARK_POINTS, endpoint=False)
            table = merge_rows(table, np.unique(np.searchsorted(table.step, edges, "right")))
        losses = table["loss"]
        return losses[np.isfinite(losses)]

    def _take(self, event: Event) -> None:
        if isinstance(event, Resumed):
            self._table.cut(event.from_step)
        elif isinstance(event, Steps) and event.loss:
            if event.first <= self._table.last("step"):
                self._table.cut(event.first - 1)
            count = len(event.loss)
            step = np.arange(event.first, event.first + count, dtype=np.float64)
            self._table.extend({"step": step, "loss": floats(event.loss, count)})


class RunList:
    """The runs of a registry, newest first; a log is read only when it has grown."""

    def __init__(self, registry: Registry, only: frozenset[str] | None = None) -> None:
        self._registry = registry
        self._only = only
        self._reader = registry.open_reader()
        self._losses: dict[str, LossTail] = {}
        self._loss_points: dict[str, FloatArray] = {}

    def read(self) -> tuple[RunRecord, ...]:
        """Every run that is not archived, as of now."""
        folders = [
            folder
            for folder in self._registry.folders()
            if self._only is None or folder.run in self._only
        ]
        records = [self._reader.read(folder) for folder in reversed(folders)]
        return tuple(
            record
            for record in records
            if self._only is not None or not record.annotations.archived
        )

    def store(self) -> None:
        """Keep what was read, so that the next list of these runs comes sooner."""
        if self._only is None:
            self._registry.store(self._reader, self._registry.folders())

    def read_losses(self, records: Iterable[RunRecord]) -> dict[str, FloatArray]:
        """Points of the loss of these runs; a call reads only so much of logs it has not met."""
        budget = _SPARK_READ_BYTES
        for record in records:
            folder = RunFolder(Path(record.path))
            size = _size_of(folder.events)
            tail = self._losses.get(record.run)
            if tail is None:
                if budget <= 0 or size > _SPARK_LOG_BYTES:
                    continue
                budget -= size
                tail = self._losses[record.run] = LossTail(folder)
            elif tail.size_read == size:
                continue
            try:
                self._loss_points[record.run] = tail.read()
            except READ_ERRORS:
                self._loss_points[record.run] = np.empty(0)
        return dict(self._loss_points)


def _size_of(file: Path) -> int:
    try:
        return os.stat(file).st_size
    except OSError:
        return 0
