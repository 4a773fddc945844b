"""The desk answers people and signals between two steps."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tui_trainer.core import events
from tui_trainer.errors import StorageError
from tui_trainer.store.control import Inbox, submit
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train import control
from tui_trainer.train.control import ControlDesk
from tui_trainer.train.interrupts import Interrupts


class Desk:
    """A desk over a run folder, the loop it steers, and what it logged."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.writer = RunWriter(folder)
        self.interrupts = Interrupts()
        self.desk = ControlDesk(Inbox(folder), self.writer, self.interrupts, "now", **options)
        self.next_lr = 0.1
        self.saves = 0
        self.figures: dict[str, float] | None = None

    def set_lr(self, lr: float) -> None:
        self.next_lr = lr

    def save(self) -> None:
        self.saves += 1

    def evaluate(self) -> dict[str, float] | None:
        return self.figures

    def attend(self, step: int) -> bool:
        self.desk._poll_due = 0.0
        assert self.desk.has_work(step)
        return self.desk.attend(step, self)

    @property
    def log(self) -> list[events.Event]:
        return EventLogReader(self.folder / "events.jsonl").read().events


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_nothing_asked_is_nothing_to_do(desk: Desk) -> None:
    assert not desk.desk.has_work(1)
    assert not desk.desk.is_urgent(1)


def test_a_stop_is_obeyed_and_logged_with_who_and_when(desk: Desk) -> None:
    asked = submit(desk.folder, "now", "stop")
    assert not desk.attend(7)
    (event,) = desk.log
    assert isinstance(event, events.ControlApplied)
    assert (event.id, event.request, event.step, event.by) == (asked.id, "stop", 7, asked.by)
    assert list((desk.folder / "control").iterdir()) == []
    assert not desk.desk.has_work(8)


def test_a_request_for_another_session_is_refused(desk: Desk) -> None:
    submit(desk.folder, "before", "stop")
    assert desk.attend(3)
    (event,) = desk.log
    assert isinstance(event, events.ControlRefused)
    assert "earlier session" in event.reason


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf"), "fast"])
def test_a_learning_rate_that_is_none_is_refused(desk: Desk, lr: Any) -> None:
    submit(desk.folder, "now", "set", {"lr": lr} if lr == lr and lr != float("inf") else {})
    assert desk.attend(3)
    assert desk.next_lr == 0.1
    assert isinstance(desk.log[0], events.ControlRefused)


def test_a_pause_is_sat_out_until_continued(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(desk.folder, "now", "pause")
    naps: list[float] = []
    saved_at: list[int] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            submit(desk.folder, "now", "checkpoint")
        if desk.saves and not saved_at:
            saved_at.append(len(naps))
        if len(naps) == 4:
            submit(desk.folder, "now", "continue")

    monkeypatch.setattr(control.time, "sleep", nap)
    assert desk.attend(5)
    assert len(naps) == 4
    assert saved_at == [3]
    requests = [event.request for event in desk.log if isinstance(event, events.ControlApplied)]
    assert requests == ["pause", "checkpoint", "continue"]


def test_a_paused_run_can_be_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(desk.folder, "now", "pause")

    def interrupt(seconds: float) -> None:
        desk.interrupts.stop_signal = signal.SIGTERM

    monkeypatch.setattr(control.time, "sleep", interrupt)
    assert not desk.attend(5)
    assert desk.desk.stopped_by == "SIGTERM"
    assert isinstance(desk.log[-1], events.ControlApplied)
    assert (desk.log[-1].request, desk.log[-1].by) == ("stop", "SIGTERM")


def test_a_request_whose_file_is_damaged_is_refused_by_its_name(desk: Desk) -> None:
    asked = submit(desk.folder, "now", "stop")
    (file,) = (desk.folder / "control").iterdir()
    file.write_bytes(file.read_bytes().replace(b"stop", b"step"))
    assert desk.attend(7)
    (event,) = desk.log
    assert isinstance(event, events.ControlRefused)
    assert (event.id, event.reason) == (asked.id, "its file is damaged")
    assert not file.exists()


def test_continue_without_a_pause_is_refused(desk: Desk) -> None:
    submit(desk.folder, "now", "continue")
    desk.attend(2)
    assert isinstance(desk.log[0], events.ControlRefused)


def test_a_stop_after_the_epoch_waits_for_its_end(desk: Desk) -> None:
    assert desk.desk.goes_past_epoch()
    asked = submit(desk.folder, "now", "stop-after-epoch")
    assert desk.attend(3)
    (event,) = desk.log
    assert isinstance(event, events.ControlApplied)
    assert (event.id, event.request) == (asked.id, "stop-after-epoch")
    assert not desk.desk.goes_past_epoch()
    assert desk.desk.stopped_by == asked.by


def test_a_stop_after_the_epoch_is_taken_back_by_continue(desk: Desk) -> None:
    submit(desk.folder, "now", "stop-after-epoch")
    assert desk.attend(3)
    submit(desk.folder, "now", "continue")
    assert desk.attend(4)
    assert desk.desk.goes_past_epoch()
    requests = [event.request for event in desk.log if isinstance(event, events.ControlApplied)]
    assert requests == ["stop-after-epoch", "continue"]


def test_continue_ends_a_pause_and_leaves_the_stop_after_the_epoch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(desk.folder, "now", "stop-after-epoch")
    submit(desk.folder, "now", "pause")
    monkeypatch.setattr(
        control.time, "sleep", lambda seconds: submit(desk.folder, "now", "continue")
    )
    assert desk.attend(5)
    assert not desk.desk.goes_past_epoch()


def test_a_session_that_rolled_back_still_stops_after_its_epoch(tmp_path: Path) -> None:
    desk = Desk(tmp_path, stop_after_epoch_by="ann")
    assert not desk.desk.goes_past_epoch()
    assert desk.desk.stopped_by == "ann"


def test_signals_stop_and_save(desk: Desk) -> None:
    desk.interrupts.wants_checkpoint = True
    assert desk.attend(4)
    assert desk.saves == 1
    desk.interrupts.stop_signal = signal.SIGINT
    assert not desk.attend(5)
    assert desk.desk.stopped_by == "SIGINT"


def test_a_learning_rate_is_replayed_at_its_step(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lr_changes=[(10, 0.05), (12, 0.02)])
    assert not desk.desk.is_urgent(9)
    assert desk.attend(10)
    assert desk.next_lr == 0.05
    assert not desk.desk.is_urgent(11)
    assert desk.attend(12)
    assert desk.next_lr == 0.02
    told = [e.arguments for e in desk.log if isinstance(e, events.ControlApplied)]
    assert told == [{"lr": 0.05, "before": 0.1}, {"lr": 0.02, "before": 0.05}]


def test_a_validation_is_answered_with_its_figures(desk: Desk) -> None:
    submit(desk.folder, "now", "evaluate")
    desk.figures = {"loss": float("nan"), "accuracy": 0.5}
    assert desk.attend(4)
    (event,) = desk.log
    assert isinstance(event, events.ControlApplied)
    assert (event.request, event.step) == ("evaluate", 4)
    assert event.arguments == {"loss": "nan", "accuracy": 0.5}


def test_a_validation_of_a_run_that_holds_nothing_out_is_refused(desk: Desk) -> None:
    submit(desk.folder, "now", "evaluate")
    assert desk.attend(4)
    (event,) = desk.log
    assert isinstance(event, events.ControlRefused)
    assert "holds out no samples" in event.reason


@pytest.mark.parametrize("at_first", [None, signal.SIGTERM])
def test_a_rest_lasts_until_a_signal_asks_to_stop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at_first: int | None
) -> None:
    desk.interrupts.stop_signal = at_first
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            desk.interrupts.stop_signal = signal.SIGINT

    monkeypatch.setattr(control.time, "sleep", nap)
    assert not desk.desk.rest(1e6)
    assert len(naps) == 3
    assert desk.desk.rest(0.0)


def test_a_rest_ends_where_the_folder_of_the_run_goes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = desk.folder.with_name("away")
    monkeypatch.setattr(control.time, "sleep", lambda _: desk.folder.rename(away))
    with pytest.raises(StorageError, match="was removed or moved"):
        desk.desk.rest(1e6)
