"""Folding events into a snapshot, and deriving the state of a run."""

from __future__ import annotations

import functools
import math

import msgspec
import pytest
from hypothesis import given

from tests import builders
from tests.builders import OTHER_SESSION, SESSION, control_applied, session_start
from tui_trainer.core import events
from tui_trainer.core.progress import remaining_s
from tui_trainer.core.run_state import (
    LeaseView,
    RunSnapshot,
    RunState,
    apply,
    derive_state,
)

_FREE = LeaseView(held=False)
_LAUNCHING = LeaseView(held=False, launching=True)
_HELD = LeaseView(held=True, session=SESSION, pid=42)
_HELD_BY_OTHER = LeaseView(held=True, session=OTHER_SESSION, pid=43)
_NO_LOCKS = LeaseView(held=None)

_STARTED = [session_start()]
_PAUSED = [*_STARTED, control_applied("pause")]
_STOPPING = [*_STARTED, control_applied("stop")]
_FINISHED = [*_STARTED, events.Finished(step=30, epoch=3)]
_STOPPED = [*_STARTED, events.Stopped(step=5, epoch=0, by="someone")]
_FAILED = [*_STARTED, builders.failed()]
_RESUMED = [*_STOPPED, builders.resumed(0)]


def _fold(*history: events.Event) -> RunSnapshot:
    return functools.reduce(apply, builders.numbered(history), RunSnapshot())


@pytest.mark.parametrize(
    ("history", "lease", "state"),
    [
        ([], _HELD, "starting"),
        ([], _LAUNCHING, "starting"),
        ([], _FREE, "failed"),
        (_STARTED, _HELD, "running"),
        (_STARTED, _HELD_BY_OTHER, "starting"),
        (_STARTED, _LAUNCHING, "starting"),
        (_STARTED, _FREE, "interrupted"),
        (_PAUSED, _HELD, "paused"),
        (_PAUSED, _FREE, "interrupted"),
        (_PAUSED, _HELD_BY_OTHER, "starting"),
        ([*_PAUSED, control_applied("continue")], _HELD, "running"),
        ([*_STARTED, control_applied("checkpoint")], _HELD, "running"),
        ([*_PAUSED, control_applied("set")], _HELD, "paused"),
        (_STOPPING, _HELD, "stopping"),
        (_STOPPING, _FREE, "interrupted"),
        (_FINISHED, _FREE, "finished"),
        (_FINISHED, _LAUNCHING, "starting"),
        (_FINISHED, _HELD_BY_OTHER, "starting"),
        (_STOPPED, _FREE, "stopped"),
        (_STOPPED, _HELD_BY_OTHER, "starting"),
        (_FAILED, _FREE, "failed"),
        ([*_FAILED, events.Message(text="late")], _FREE, "failed"),
        (_RESUMED, _HELD_BY_OTHER, "running"),
        (_RESUMED, _FREE, "interrupted"),
        ([*_FAILED, builders.resumed(0)], _FREE, "interrupted"),
        ([*_RESUMED, events.Finished(step=30, epoch=3)], _FREE, "finished"),
        ([], _NO_LOCKS, "unknown"),
        (_STARTED, _NO_LOCKS, "unknown"),
        (_FINISHED, _NO_LOCKS, "unknown"),
    ],
)
def test_the_state_follows_from_lease_and_log(
    history: list[events.Event], lease: LeaseView, state: str
) -> None:
    assert derive_state(_fold(*history), lease) == state


@pytest.mark.parametrize(
    ("requests", "stops"),
    [
        (["stop-after-epoch"], True),
        (["stop-after-epoch", "continue"], False),
        (["stop-after-epoch", "pause"], True),
        (["stop-after-epoch", "pause", "continue"], True),
        (["stop-after-epoch", "pause", "continue", "continue"], False),
        (["pause", "continue"], False),
    ],
)
def test_a_stop_after_the_epoch_stands_until_a_continue_that_ends_no_pause(
    requests: list[str], stops: bool
) -> None:
    asked = [*_STARTED, *map(control_applied, requests)]
    assert _fold(*asked).stops_after_epoch == stops
    assert derive_state(_fold(*asked), _HELD) == (
        "paused" if requests[-1] == "pause" else "running"
    )
    # A rollback begins the same session anew, a resume another one.
    again = builders.resumed(0, session=SESSION)
    assert _fold(*asked, again).stops_after_epoch == stops
    assert not _fold(*asked, builders.resumed(0, session=OTHER_SESSION)).stops_after_epoch


def test_there_are_nine_states() -> None:
    assert sorted(RunState) == sorted(
        [
            "starting",
            "running",
            "paused",
            "stopping",
            "finished",
            "stopped",
            "failed",
            "interrupted",
            "unknown",
        ]
    )
    live = {state for state in RunState if state.is_live}
    assert live == {"starting", "running", "paused", "stopping"}


@given(builders.any_history)
def test_any_history_folds_and_has_a_state(history: list[events.Event]) -> None:
    snapshot = functools.reduce(apply, history, RunSnapshot())
    for lease in (_FREE, _LAUNCHING, _HELD, _NO_LOCKS):
        state = derive_state(snapshot, lease)
        assert state in RunState
        if state in ("running", "paused", "stopping"):
            assert lease.held
    remaining_s(snapshot)


def test_a_start_says_what_is_trained() -> None:
    snapshot = _fold(session_start())
    assert (snapshot.phase, snapshot.session, snapshot.sessions) == ("running", SESSION, 1)
    assert (snapshot.dataset, snapshot.model, snapshot.device) == ("digits", "convnet", "cpu")
    assert (snapshot.epochs, snapshot.steps, snapshot.step) == (3, 30, 0)
    assert snapshot.started_t == snapshot.last_t == 1_700_000_001.0


def test_why_a_run_ended_is_known_until_it_goes_on() -> None:
    early = events.Finished(step=20, epoch=2, reason="stopped early: nothing got better")
    snapshot = _fold(*_STARTED, early)
    assert (snapshot.reason, snapshot.stopped_early) == (early.reason, True)
    assert not _fold(*_FINISHED).stopped_early
    snapshot = _fold(*_STARTED, early, builders.resumed(20))
    assert (snapshot.reason, snapshot.stopped_early) == ("", False)


def test_steps_move_the_step_and_the_newest_figures() -> None:
    snapshot = _fold(session_start(), builders.steps(first=4, count=3, loss=(3.0, 2.0, 1.5)))
    assert (snapshot.step, snapshot.loss, snapshot.lr) == (6, 1.5, 0.01)
    assert snapshot.samples_per_s == 640.0


def test_a_block_without_steps_keeps_the_figures() -> None:
    snapshot = _fold(
        session_start(), builders.steps(first=1, count=2), builders.steps(first=3, count=0)
    )
    assert (snapshot.step, snapshot.loss) == (2, 0.5)


def test_a_loss_that_is_not_a_number_is_kept() -> None:
    loss = _fold(session_start(), builders.nan_steps()).loss
    assert loss is not None
    assert math.isnan(loss)


def test_figures_are_kept_per_split() -> None:
    snapshot = _fold(
        session_start(),
        events.EpochFinished(
            epoch=1, step=10, train={"loss": 0.6}, samples_per_s=1.0, duration_s=1.0
        ),
        builders.evaluated("validation", metrics={"loss": 0.5, "accuracy": 0.8}),
        builders.evaluated("test", metrics={"loss": 0.4, "accuracy": 0.9}),
    )
    assert snapshot.epoch == 1
    assert snapshot.last == {
        "train": {"loss": 0.6},
        "validation": {"loss": 0.5, "accuracy": 0.8},
        "test": {"loss": 0.4, "accuracy": 0.9},
    }


def test_only_validation_decides_the_best() -> None:
    snapshot = _fold(
        session_start(),
        builders.evaluated("validation", step=10, metrics={"accuracy": 0.8}),
        builders.evaluated("test", step=10, metrics={"accuracy": 0.99}),
        builders.evaluated("validation", step=20, metrics={"accuracy": 0.7}),
    )
    assert snapshot.best == events.Best(metric="accuracy", value=0.8, step=10)


def test_resuming_cuts_back_step_epoch_and_best() -> None:
    kept = events.Best(metric="accuracy", value=0.6, step=10)
    snapshot = _fold(
        session_start(),
        builders.steps(first=1, count=25),
        builders.evaluated("validation", step=20, metrics={"accuracy": 0.9}),
        builders.failed(25),
        builders.resumed(13, best=kept),
    )
    assert (snapshot.step, snapshot.epoch, snapshot.best) == (13, 1, kept)
    assert (snapshot.phase, snapshot.error, snapshot.sessions) == ("running", None, 2)
    assert snapshot.started_t == 1_700_000_001.0


def test_resuming_without_a_best_forgets_the_abandoned_one() -> None:
    snapshot = _fold(session_start(), builders.evaluated(step=10), builders.resumed(5))
    assert snapshot.best is None


def test_a_failure_is_kept_for_the_reader() -> None:
    error = _fold(*_FAILED).error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "it broke")


def test_time_and_sequence_follow_every_event() -> None:
    snapshot = _fold(session_start(), events.Message(text="hello"))
    assert (snapshot.seq, snapshot.last_t, snapshot.elapsed_s) == (2, 1_700_000_002.0, 2.0)
    assert snapshot.message == "hello"


def test_remaining_time_counts_training_and_evaluations() -> None:
    snapshot = _fold(
        session_start(),
        builders.steps(first=1, count=10),
        events.EpochFinished(epoch=1, step=10, train={}, samples_per_s=640.0, duration_s=1.0),
        builders.evaluated("validation", step=10, duration_s=2.0),
    )
    training_s = 20 * 64 / 640.0
    validations_s = 2 * 2.0
    test_s = 200 * 2.0 / 100
    assert remaining_s(snapshot) == pytest.approx(training_s + validations_s + test_s)
    judged = apply(snapshot, builders.evaluated("test", step=30))
    assert remaining_s(judged) == pytest.approx(training_s + validations_s)


def test_remaining_time_without_validation_is_training_alone() -> None:
    snapshot = _fold(session_start(validation_count=0), builders.steps(first=1, count=10))
    assert remaining_s(snapshot) == pytest.approx(20 * 64 / 640.0)


def test_remaining_time_is_unknown_before_a_speed_is() -> None:
    assert remaining_s(RunSnapshot()) is None
    assert remaining_s(_fold(session_start())) is None


def test_the_speed_is_that_of_the_last_seconds_not_of_one_step() -> None:
    snapshot = apply(RunSnapshot(), builders.session_start(batch_size=100))
    for n in range(50):
        # Ten steps a block, 10 000 samples a second: 0.1 s each.
        snapshot = apply(snapshot, builders.steps(1 + 10 * n, 10, samples_per_s=10_000.0))
    slow = apply(snapshot, builders.steps(501, 1, samples_per_s=500.0))
    assert slow.samples_per_s == pytest.approx(9_600, rel=0.03)
    for n in range(400):
        slow = apply(slow, builders.steps(502 + n, 1, samples_per_s=500.0))
    assert slow.samples_per_s == pytest.approx(500, rel=0.05)
    strange = apply(snapshot, builders.steps(501, 1, samples_per_s="nan"))
    assert strange.samples_per_s == snapshot.samples_per_s


def test_a_paused_run_does_not_say_when_it_ends() -> None:
    snapshot = apply(RunSnapshot(), builders.session_start())
    snapshot = apply(snapshot, builders.steps())
    assert remaining_s(snapshot) is not None
    assert remaining_s(msgspec.structs.replace(snapshot, phase="paused")) is None
