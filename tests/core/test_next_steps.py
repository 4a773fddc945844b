"""What can be done with a run follows from its state."""

from __future__ import annotations

import pytest

from tui_trainer.core.config.training import TrainingConfig
from tui_trainer.core.events import Best
from tui_trainer.core.next_steps import check_resumable, next_commands
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState
from tui_trainer.errors import RunStateError

_TRAINED = RunSnapshot(epochs=5, epoch=3, step=35, steps=50, steps_per_epoch=10)


_STUCK = RunSnapshot(
    epochs=60, epoch=10, step=100, steps=600, steps_per_epoch=10,
    best=Best(metric="accuracy", value=0.9, step=70),
    reason="stopped early: validation was not better for 3 epochs",
)  # fmt: skip


def _training(epochs: int, early_stopping: int = 0) -> TrainingConfig:
    return TrainingConfig(epochs=epochs, early_stopping=early_stopping)


def _record(state: RunState, snapshot: RunSnapshot = _TRAINED, newer: int = 0) -> RunRecord:
    return RunRecord(
        run="run7",
        path="runs/run7",
        state=state,
        snapshot=snapshot,
        annotations=Annotations(),
        newer_version=newer,
        pid=42,
    )


@pytest.mark.parametrize("state", RunState)
def test_every_state_has_a_next_step_that_names_the_run(state: RunState) -> None:
    commands = next_commands(_record(state))
    assert commands
    assert all("run7" in command for command in commands)
    expected = {
        RunState.FINISHED: "tuitrain eval run7",
        RunState.RUNNING: "tuitrain attach run7",
        RunState.STOPPED: "tuitrain resume run7",
        RunState.INTERRUPTED: "tuitrain resume run7",
    }
    assert commands[0] == expected.get(state, commands[0])


@pytest.mark.parametrize(
    ("record", "epochs", "words"),
    [
        (_record(RunState.UNKNOWN), 5, "locks do not work"),
        (_record(RunState.RUNNING), 5, "running .process 42."),
        (_record(RunState.STOPPED, newer=2), 5, "newer tuitrain"),
        (_record(RunState.FINISHED), 5, "trained all its 5 epochs"),
        (_record(RunState.STOPPED), 3, "in epoch 4 already; 3 cannot"),
    ],
)
def test_what_cannot_go_on_is_told(record: RunRecord, epochs: int, words: str) -> None:
    with pytest.raises(RunStateError, match=words) as caught:
        check_resumable(record, _training(epochs), force=False)
    assert caught.value.hint


def test_what_can_go_on_may() -> None:
    check_resumable(_record(RunState.UNKNOWN), _training(5), force=True)
    check_resumable(_record(RunState.INTERRUPTED), _training(5), force=False)
    check_resumable(_record(RunState.STOPPED), _training(4), force=False)
    check_resumable(_record(RunState.FINISHED), _training(6), force=False)
    check_resumable(_record(RunState.FAILED, RunSnapshot()), _training(5), force=False)


@pytest.mark.parametrize("epochs", [10, 60, 70])
@pytest.mark.parametrize("patience", [1, 3])
def test_a_run_that_would_stop_early_at_once_again_is_told_how_it_goes_on(
    epochs: int, patience: int
) -> None:
    ended = _record(RunState.FINISHED, _STUCK)
    with pytest.raises(RunStateError, match="run7 stopped early after 10 of 60 epochs") as caught:
        check_resumable(ended, _training(epochs, patience), force=False)
    assert "to 0, or above 3," in caught.value.hint


@pytest.mark.parametrize("patience", [0, 4])
def test_a_run_that_stopped_early_may_go_on_with_more_patience(patience: int) -> None:
    ended = _record(RunState.FINISHED, _STUCK)
    for epochs in (11, 60, 70):
        check_resumable(ended, _training(epochs, patience), force=False)
    with pytest.raises(RunStateError, match="trained all its 10 epochs"):
        check_resumable(ended, _training(10, patience), force=False)
