"""What is known of a run, folded from its events, and its state, derived from lease and log."""

from __future__ import annotations

import math
from enum import StrEnum
from functools import singledispatch
from typing import Literal

import msgspec
from msgspec.structs import replace

from tui_trainer.core import events
from tui_trainer.core.sealed_json import Integer, Number


class RunState(StrEnum):
    """The nine words for the state of a run."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @property
    def is_live(self) -> bool:
        """Whether a worker is, or may be, at work on the run."""
        return self in _LIVE


_LIVE = {RunState.STARTING, RunState.RUNNING, RunState.PAUSED, RunState.STOPPING}

_SPEED_WINDOW_S = 10.0
_MOST_SPLITS = 8
_ENDED = {"finished", "stopped", "failed"}

Phase = Literal["none", "running", "paused", "stopping", "finished", "stopped", "failed"]


class RunSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run as of one event of its log. Counts are of the live branch.

    `epoch` counts completed epochs and `step` completed optimizer steps; `last` holds, per
    split, the newest figures; `metric` is the one that chooses the best checkpoint;
    `evaluation_s` is how long the last validation took. `reason` says why a finished run ended.
    `checkpoint_is_stale`: newer ones could not be written. `left_out` are spans of steps that are
    not trained. `stop_after_epoch_by` is who asked the session to stop when its epoch ends.
    """

    phase: Phase = "none"
    session: str = ""
    uuid: str = ""
    dataset: str = ""
    model: str = ""
    device: str = ""
    device_name: str = ""
    epoch: Integer = 0
    epochs: Integer = 0
    step: Integer = 0
    steps: Integer = 0
    steps_per_epoch: Integer = 0
    batch_size: Integer = 0
    threads: Integer = 0
    parameters: Integer = 0
    validation_count: Integer = 0
    test_count: Integer = 0
    choices: tuple[str, ...] = ()
    config_sha256: str = ""
    environment_sha256: str = ""
    data_sha256: str = ""
    code: dict[str, str] = {}
    loss: float | None = None
    lr: float | None = None
    metric: str = "accuracy"
    best: events.Best | None = None
    last: dict[str, dict[str, float]] = {}
    last_steps: dict[str, Integer] = {}
    checkpoint_step: Integer | None = None
    checkpoint_is_stale: bool = False
    left_out: tuple[tuple[Integer, Integer], ...] = ()
    samples_per_s: float | None = None
    recent_samples: float = 0.0
    recent_s: float = 0.0
    evaluation_s: float = 0.0
    resources: events.Resources | None = None
    message: str = ""
    reason: str = ""
    stop_after_epoch_by: str = ""
    error: events.Failed | None = None
    started_t: float | None = None
    last_t: float | None = None
    elapsed_s: float = 0.0
    seq: Integer = 0
    sessions: Integer = 0

    @property
    def stops_after_epoch(self) -> bool:
        """Whether the session that began last was asked to stop when its epoch ends."""
        return bool(self.stop_after_epoch_by)

    @property
    def stopped_early(self) -> bool:
        """Whether the run finished because its validation no longer got better."""
        return self.reason.startswith("stopped early")


class LogFold(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot and how far into the log it reaches: what `summary.json` holds."""

    snapshot: RunSnapshot = RunSnapshot()
    offset: Integer = 0
    damaged: Integer = 0
    missing: Integer = 0
    newer_version: Integer = 0


def apply(snapshot: RunSnapshot, event: events.Event) -> RunSnapshot:
    """The snapshot after one more event."""
    snapshot = replace(snapshot, seq=event.seq, last_t=event.t, elapsed_s=max(event.elapsed_s, 0.0))
    return _fold(event, snapshot)


@singledispatch
def _fold(event: events.Event, snapshot: RunSnapshot) -> RunSnapshot:
    return snapshot


@_fold.register
def _(event: events.SessionStart, snapshot: RunSnapshot) -> RunSnapshot:
    from_step = event.from_step if isinstance(event, events.Resumed) else 0
    return replace(
        snapshot,
        phase="running",
        session=event.session,
        uuid=event.uuid,
        dataset=event.dataset,
        model=event.model,
        device=event.device,
        device_name=event.device_name,
        epochs=event.epochs,
        steps=event.steps,
        steps_per_epoch=event.steps_per_epoch,
        batch_size=event.batch_size,
        threads=event.threads,
        parameters=event.parameters,
        validation_count=event.validation_count,
        test_count=event.test_count,
        choices=event.choices,
        config_sha256=event.config_sha256,
        environment_sha256=event.environment_sha256,
        data_sha256=event.data_sha256,
        code=event.code,
        metric=event.metric,
        step=from_step,
        loss=snapshot.loss if snapshot.step == from_step else None,
        last=_last_up_to(snapshot, from_step),
        checkpoint_step=from_step or None,
        checkpoint_is_stale=False,
        left_out=event.left_out if isinstance(event, events.Resumed) else (),
        epoch=from_step // max(1, event.steps_per_epoch),
        best=event.best if isinstance(event, events.Resumed) else None,
        reason="",
        # A session that rolls back begins anew, and what was asked of it still stands.
        stop_after_epoch_by=(
            snapshot.stop_after_epoch_by if event.session == snapshot.session else ""
        ),
        error=None,
        samples_per_s=None,
        recent_samples=0.0,
        recent_s=0.0,
        started_t=snapshot.started_t if snapshot.started_t is not None else event.t,
        sessions=snapshot.sessions + 1,
    )


@_fold.register
def _(event: events.Steps, snapshot: RunSnapshot) -> RunSnapshot:
    snapshot = replace(
        snapshot,
        step=event.first + len(event.loss) - 1,
        loss=float(event.loss[-1]) if event.loss else snapshot.loss,
        lr=float(event.lr[-1]) if event.lr else snapshot.lr,
    )
    return _with_speed(snapshot, len(event.loss) * snapshot.batch_size, float(event.samples_per_s))


def _with_speed(snapshot: RunSnapshot, samples: int, samples_per_s: float) -> RunSnapshot:
    """The speed over the last seconds: a single block may be one step, fast or slow by chance."""
    if not (samples and math.isfinite(samples_per_s) and samples_per_s > 0):
        return snapshot
    duration_s = samples / samples_per_s
    fading = math.exp(-duration_s / _SPEED_WINDOW_S)
    recent_samples = snapshot.recent_samples * fading + samples
    recent_s = snapshot.recent_s * fading + duration_s
    return replace(
        snapshot,
        samples_per_s=recent_samples / recent_s,
        recent_samples=recent_samples,
        recent_s=recent_s,
    )


@_fold.register
def _(event: events.EpochFinished, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(
        snapshot,
        epoch=event.epoch,
        step=event.step,
        last=snapshot.last | {"train": _floats(event.train)},
        last_steps=snapshot.last_steps | {"train": event.step},
    )


@_fold.register
def _(event: events.Evaluated, snapshot: RunSnapshot) -> RunSnapshot:
    if event.split not in snapshot.last and len(snapshot.last) >= _MOST_SPLITS:
        return snapshot
    metrics = _floats(event.metrics)
    snapshot = replace(
        snapshot,
        last=snapshot.last | {event.split: metrics},
        last_steps=snapshot.last_steps | {event.split: event.step},
    )
    if not event.chooses:
        return snapshot
    best = events.Best.choose(snapshot.best, metrics, event.step, snapshot.metric)
    return replace(snapshot, best=best, evaluation_s=event.duration_s)


@_fold.register
def _(event: events.CheckpointSaved, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(snapshot, checkpoint_step=event.step, checkpoint_is_stale=False)


@_fold.register
def _(event: events.CheckpointFailed, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(snapshot, checkpoint_step=event.newest_step or None, checkpoint_is_stale=True)


@_fold.register
def _(event: events.Resources, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(snapshot, resources=event)


@_fold.register
def _(event: events.ControlApplied, snapshot: RunSnapshot) -> RunSnapshot:
    if snapshot.phase == "stopping":
        # What was asked together with a stop is answered too, and changes nothing any more.
        return snapshot
    if event.request == "stop-after-epoch":
        return replace(snapshot, stop_after_epoch_by=event.by)
    if event.request == "continue" and snapshot.phase != "paused":
        return replace(snapshot, stop_after_epoch_by="")
    phases: dict[str, Phase] = {"pause": "paused", "continue": "running", "stop": "stopping"}
    return replace(snapshot, phase=phases.get(event.request, snapshot.phase))


@_fold.register
def _(event: events.Message, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(snapshot, message=event.text)


@_fold.register
def _(event: events.Finished, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(
        snapshot, phase="finished", step=event.step, epoch=event.epoch, reason=event.reason
    )


@_fold.register
def _(event: events.Stopped, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(snapshot, phase="stopped", step=event.step, epoch=event.epoch)


@_fold.register
def _(event: events.Failed, snapshot: RunSnapshot) -> RunSnapshot:
    return replace(snapshot, phase="failed", error=event)


def _last_up_to(snapshot: RunSnapshot, step: int) -> dict[str, dict[str, float]]:
    """The figures that still stand when training goes on from `step`; the test is yet to come."""
    return {
        split: metrics
        for split, metrics in snapshot.last.items()
        if split != "test" and snapshot.last_steps.get(split, 0) <= step
    }


def _floats(metrics: dict[str, Number]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


class LeaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a run's locks told: None where locks do not work.

    `launched` is the session that is being started; `pid` is who holds the lease, or starts it.
    """

    held: bool | None
    session: str = ""
    launching: bool = False
    launched: str = ""
    pid: int = 0


def derive_state(snapshot: RunSnapshot, lease: LeaseView) -> RunState:
    """The state of a run from its log and its locks, read in that order of trust.

    The lease must have been looked at before the log was read to its end: a terminal event
    written in between is then seen, and a lease seen free cannot hide one.
    """
    if lease.held is None:
        return RunState.UNKNOWN
    # Whoever started the session may hold on to that lock: a process can be suspended anywhere.
    has_begun = bool(lease.launched) and snapshot.session == lease.launched
    if lease.launching and not has_begun:
        return RunState.STARTING
    if lease.held:
        if snapshot.phase == "none" or snapshot.session != lease.session:
            return RunState.STARTING
        if snapshot.phase in _ENDED:
            # The last event is written; the worker is closing its files.
            return RunState.STOPPING
        return RunState(snapshot.phase)
    if snapshot.phase == "none":
        return RunState.FAILED
    return RunState(snapshot.phase) if snapshot.phase in _ENDED else RunState.INTERRUPTED
