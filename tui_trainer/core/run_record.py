"""A run as the registry knows it, and the field names that `--json` promises."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from tui_trainer.core.events import WORST_LOSS, Best
from tui_trainer.core.format import format_utc
from tui_trainer.core.run_state import RunSnapshot, RunState
from tui_trainer.core.sealed_json import Integer
from tui_trainer.core.text_safety import sanitize


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """What people add to a run."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False


class GitState(msgspec.Struct, frozen=True, kw_only=True):
    """The commit a run was started from, and the tracked changes on top of it."""

    commit: str
    branch: str
    dirty: bool
    diff: str = ""
    diff_truncated: bool = False


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how a run was created; written once, before its first session."""

    uuid: str
    run: str
    created_t: float
    command: tuple[str, ...]
    folder: str
    host: str
    user: str
    system: str
    python: str
    packages: dict[str, str]
    cores: Integer
    host_memory_bytes: Integer
    devices: tuple[str, ...] = ()
    git: GitState | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run: its state, its folded log, what people added, and the health of its log.

    `problem` says why the run could not be read, where it could not.
    """

    run: str
    path: str
    state: RunState
    snapshot: RunSnapshot
    annotations: Annotations
    damaged: int = 0
    missing: int = 0
    newer_version: int = 0
    pid: int = 0
    problem: str = ""

    @property
    def title(self) -> str:
        """The name given to the run, or `runN`; fit to be printed."""
        return sanitize(self.annotations.name, limit=64) or self.run


def describe(record: RunRecord) -> dict[str, Any]:
    """The record under the field names that `--json` promises; unknown values are None."""
    snapshot = record.snapshot
    best = snapshot.best
    return {
        "run": record.run,
        "uuid": snapshot.uuid or None,
        "name": record.annotations.name or None,
        "state": record.state.value,
        "dataset": snapshot.dataset or None,
        "model": snapshot.model or None,
        "device": snapshot.device or None,
        "epoch": snapshot.epoch,
        "epochs": snapshot.epochs or None,
        "step": snapshot.step,
        "steps": snapshot.steps or None,
        "best": _describe_best(best) if best else None,
        "last": {split: _describe_metrics(snapshot, split) for split in _SPLITS},
        "started": None if snapshot.started_t is None else format_utc(snapshot.started_t),
        "elapsed_s": round(snapshot.elapsed_s, 3),
        "tags": list(record.annotations.tags),
        "path": record.path,
        "parameters": snapshot.parameters or None,
        "samples_per_s": _finite(snapshot.samples_per_s),
        "checkpoint_step": snapshot.checkpoint_step,
        "checkpoint_is_stale": snapshot.checkpoint_is_stale,
        "error": _describe_error(record),
        "damaged_lines": record.damaged,
        "missing_events": record.missing,
        "problem": record.problem or None,
    }


_SPLITS = ("train", "validation", "test")


def _describe_metrics(snapshot: RunSnapshot, split: str) -> dict[str, float | None] | None:
    metrics = snapshot.last.get(split)
    if metrics is None:
        return None
    return {name: _finite(value) for name, value in metrics.items()}


def _describe_best(best: Best) -> dict[str, Any]:
    loss = best.loss if best.loss < WORST_LOSS else None
    return {"metric": best.metric, "value": _finite(best.value), "step": best.step, "loss": loss}


def _finite(value: float | None) -> float | None:
    """The value where JSON can hold it."""
    return value if value is not None and math.isfinite(value) else None


def _describe_error(record: RunRecord) -> dict[str, str] | None:
    error = record.snapshot.error
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "hint": error.hint}
