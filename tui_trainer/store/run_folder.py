"""One run's folder, and reading all that is known of the run from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.event_lines import Unknown
from tui_trainer.core.run_record import Annotations, Environment, RunRecord
from tui_trainer.core.run_state import (
    LeaseView,
    LogFold,
    RunSnapshot,
    RunState,
    apply,
    derive_state,
)
from tui_trainer.core.sealed_json import Damage, open_sealed, unseal
from tui_trainer.errors import StorageError
from tui_trainer.store.config_sources import read_config
from tui_trainer.store.event_log import Batch, EventLogReader, event_before
from tui_trainer.store.hashing import hash_file
from tui_trainer.store.lease import look
from tui_trainer.store.plain_file import read_plain

_fold_decoder = msgspec.json.Decoder(LogFold, strict=False)
NOT_FOLDED = (ArithmeticError, ValueError, TypeError)
"""What folding an event can raise that is whole by its CRC, but of numbers that are none."""
# It holds the changes since the last commit, which alone may take megabytes.
_MOST_ENVIRONMENT_BYTES = 64 << 20
_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class RunFolder:
    """The folder `runs/runN` of one run."""

    path: Path

    @property
    def run(self) -> str:
        """The run's name by number, `runN`."""
        return self.path.name

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / paths.EVENTS

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / paths.CHECKPOINTS

    @property
    def worker_log(self) -> Path:
        """What the worker process printed."""
        return self.path / paths.WORKER_LOG


def fold_batch(fold: LogFold, batch: Batch, offset: int) -> LogFold:
    """The fold after the events of `batch`, which ends at `offset` of the log."""
    base = LogFold() if batch.restarted else fold
    snapshot, damaged = base.snapshot, base.damaged + batch.damaged
    for event in batch.events:
        try:
            snapshot = apply(snapshot, event)
        except NOT_FOLDED:
            damaged += 1
    return LogFold(
        snapshot=snapshot,
        offset=offset,
        damaged=damaged,
        missing=base.missing + batch.missing,
        newer_version=max(base.newer_version, batch.newer_version),
    )


def read_summary(run: Path) -> LogFold:
    """The worker's own fold of the log so far; an empty one where it is missing or damaged."""
    try:
        content = open_sealed(read_plain(run / paths.SUMMARY))
        return LogFold() if isinstance(content, Damage) else _fold_decoder.decode(content)
    except _UNREADABLE:
        return LogFold()


def read_fold(run: Path) -> LogFold:
    """The log of a run folded to its end, starting from the summary where it fits the log."""
    fold = read_summary(run)
    if not _ends_at_offset(fold, run / paths.EVENTS):
        fold = LogFold()
    reader = EventLogReader(run / paths.EVENTS, offset=fold.offset, seq=fold.snapshot.seq)
    batch = reader.read()
    if batch.restarted or batch.damaged or batch.missing:
        # The log is damaged: count from its start.
        fold, reader = LogFold(), EventLogReader(run / paths.EVENTS)
        batch = reader.read()
    while True:
        fold = fold_batch(fold, batch, reader.offset)
        if batch.at_end:
            return fold
        batch = reader.read()


def _ends_at_offset(fold: LogFold, log: Path) -> bool:
    """Whether the line of the log that ends at the fold's offset is the last that was folded."""
    last = event_before(log, fold.offset)
    if isinstance(last, Damage | Unknown):
        return False
    return (last.seq, last.t) == (fold.snapshot.seq, fold.snapshot.last_t)


def read_annotations(run: Path) -> Annotations:
    """What people added to the run; nothing where the file is missing or damaged."""
    try:
        return _decode_annotations(run)
    except _UNREADABLE:
        return Annotations()


def has_damaged_annotations(run: Path) -> bool:
    """Whether people added something to the run that its file does not tell any more."""
    try:
        _decode_annotations(run)
    except FileNotFoundError:
        return False
    except _UNREADABLE:
        return True
    return False


def _decode_annotations(run: Path) -> Annotations:
    content = unseal(read_plain(run / paths.ANNOTATIONS))
    return msgspec.json.decode(content, type=Annotations)


def read_environment(run: Path) -> Environment:
    """Where and how the run was created.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        content = read_plain(run / paths.ENVIRONMENT, _MOST_ENVIRONMENT_BYTES)
        return msgspec.json.decode(content, type=Environment)
    except _UNREADABLE as error:
        raise StorageError(
            f"{run / paths.ENVIRONMENT} is missing or damaged: {error}.",
            "Restore the run folder from a copy.",
        ) from error


def changed_since_start(run: Path, snapshot: RunSnapshot) -> tuple[str, ...]:
    """Of `config.toml` and `environment.json`, those missing or not as when a session last began.

    Where the log does not say how they were, as in those of older versions, they are as they were.
    """
    recorded = {
        paths.CONFIG: snapshot.config_sha256,
        paths.ENVIRONMENT: snapshot.environment_sha256,
    }
    return tuple(name for name, sha256 in recorded.items() if not _has_hash(run / name, sha256))


def _has_hash(file: Path, sha256: str) -> bool:
    try:
        return hash_file(file) == sha256 or not sha256
    except OSError:
        return False


def read_run(folder: RunFolder) -> RunRecord:
    """All that is known of a run now, its state included."""
    lease = look(folder.path)
    fold = read_fold(folder.path)
    return make_record(folder, fold, read_annotations(folder.path), lease)


def _planned(snapshot: RunSnapshot, run: Path) -> RunSnapshot:
    """A run that has not begun, with what it was to be as far as its files say."""
    try:
        config, environment = read_config(run), read_environment(run)
    except StorageError:
        return snapshot
    return msgspec.structs.replace(
        snapshot,
        uuid=environment.uuid,
        dataset=config.data.dataset,
        model=config.model.name,
        epochs=config.training.epochs,
    )


def make_record(
    folder: RunFolder, fold: LogFold, annotations: Annotations, lease: LeaseView
) -> RunRecord:
    """A record from parts that were read, the lease first."""
    if derive_state(fold.snapshot, lease) is RunState.INTERRUPTED:
        # A session may have begun after the look, and have said so before the log was read.
        lease = look(folder.path)
    snapshot = fold.snapshot if fold.snapshot.sessions else _planned(fold.snapshot, folder.path)
    return RunRecord(
        run=folder.run,
        path=str(folder.path),
        state=derive_state(fold.snapshot, lease),
        snapshot=snapshot,
        annotations=annotations,
        damaged=fold.damaged,
        missing=fold.missing,
        newer_version=fold.newer_version,
        pid=lease.pid,
    )
