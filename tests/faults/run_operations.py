"""The operations of a training session on the files of its run: checkpoints and the log."""

from __future__ import annotations

import tempfile
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from tests import builders
from tests.faults.operations import Operation, Reach
from tui_trainer import paths
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import best_step_of, read_checkpoint, read_newest
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import EpochTotals, Fingerprint, TrainingState
from tui_trainer.checkpoints.write import prune_checkpoints, save_checkpoint
from tui_trainer.core.config import CheckpointConfig, RunConfig
from tui_trainer.core.event_lines import encode_line
from tui_trainer.core.events import Best, CheckpointSaved, Event, Finished, Message
from tui_trainer.core.run_state import LogFold, RunState
from tui_trainer.errors import StorageError
from tui_trainer.store.atomic import sweep_hidden
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.event_writer import EventLogWriter
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, fold_batch, read_fold, read_run
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.saving import CheckpointKeeper

_BEST_STEP = 10


def _state(step: int) -> TrainingState:
    return TrainingState(
        step=step,
        steps_per_epoch=10,
        lr_scale=1.0,
        best=Best(metric="accuracy", value=0.9, step=_BEST_STEP),
        totals=EpochTotals(),
        fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
        average_count=1,
    )


@cache
def _trained(step: int) -> tuple[nn.Module, Optimizer]:
    """A model that has learnt something, other at each step."""
    generator = torch.Generator().manual_seed(step)
    model = nn.Linear(3, 2)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()
    return model, optimizer


def save_step(checkpoints: Path, step: int) -> None:
    """Save the checkpoint that belongs to a step."""
    model, optimizer = _trained(step)
    averaged = model.state_dict()
    save_checkpoint(checkpoints, take_snapshot(model, optimizer, _state(step), averaged))


@cache
def _as_written(step: int) -> dict[str, bytes]:
    """The files of the checkpoint of a step, where nothing went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        save_step(Path(folder), step)
        return _files(Path(folder) / folder_name(step))


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def _check_whole(checkpoints: Path) -> list[int]:
    """Every checkpoint there is, loaded and compared; their steps."""
    steps = list_steps(checkpoints)
    for step in steps:
        folder = checkpoints / folder_name(step)
        assert _files(folder) == _as_written(step)
        assert read_checkpoint(folder).state == _state(step)
    return steps


class Saving(Operation):
    """Three checkpoints are saved beside one that stays the best; two are kept beside it."""

    name = "save-checkpoints"
    refusals = (StorageError,)
    _required = ({10}, {10, 20}, {10, 20, 30}, {10, 30, 40})

    def prepare(self, folder: Path) -> None:
        save_step(folder / "checkpoints", _BEST_STEP)

    def act(self, folder: Path, reach: Reach) -> None:
        for number, step in enumerate((20, 30, 40), start=1):
            save_step(folder / "checkpoints", step)
            reach(number)
            # As training does: what cannot be deleted now is tried again next time.
            with suppress(OSError):
                prune_checkpoints(folder / "checkpoints", keep=2, best_step=_BEST_STEP)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        checkpoints = folder / "checkpoints"
        steps = _check_whole(checkpoints)
        assert self._required[reached] <= set(steps)
        assert best_step_of(checkpoints) == _BEST_STEP
        newest, notes = read_newest(checkpoints)
        assert newest is not None
        assert (newest.state.step, notes) == (steps[-1], [])

    def mend(self, folder: Path) -> None:
        sweep_hidden(folder / "checkpoints")

    def go_on(self, folder: Path) -> None:
        checkpoints = folder / "checkpoints"
        before = list_steps(checkpoints)
        save_step(checkpoints, before[-1] + 10)
        prune_checkpoints(checkpoints, keep=2, best_step=_BEST_STEP)
        kept = [*before[-1:], before[-1] + 10]
        assert _check_whole(checkpoints) == sorted({_BEST_STEP, *kept})


class Logging(Operation):
    """Events are appended to a log that ends in a given way, or is not there."""

    refusals = (StorageError,)
    _texts = ("one", "two " * 500, "three", "four " * 900, "five")
    # After each milestone: how many events were appended, and how many of them are durable.
    _done = ((0, 0), (1, 0), (2, 0), (2, 2), (3, 2), (4, 2), (4, 4), (5, 4), (5, 5))

    def __init__(self, name: str, before: bytes, texts: list[str], durable: int) -> None:
        """Of what is in the log before, `texts` can be read, and `durable` of it not be lost."""
        self.name = name
        self._before = before
        self._texts_before = texts
        self._durable_before = durable

    def prepare(self, folder: Path) -> None:
        if self._before:
            (folder / paths.EVENTS).write_bytes(self._before)

    def act(self, folder: Path, reach: Reach) -> None:
        with closing(EventLogWriter(folder / paths.EVENTS)) as writer:
            for milestone, (appended, durable) in enumerate(self._done[1:-1], start=1):
                if appended == durable:
                    writer.sync()
                else:
                    writer.append(Message(t=1.0, text=self._texts[appended - 1]))
                # What waits for room was not promised to be there.
                if not writer.is_waiting:
                    reach(milestone)
        reach(len(self._done) - 1)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        batch = EventLogReader(folder / paths.EVENTS).read()
        texts = [event.text for event in batch.events if isinstance(event, Message)]
        assert len(texts) == len(batch.events)
        planned = [*self._texts_before, *self._texts]
        appended, durable = self._done[reached]
        if power_cut:
            count = len(self._texts_before) + durable if durable else self._durable_before
        else:
            assert (batch.damaged, batch.missing) == (0, 0)
            assert texts == planned[: len(texts)]
            count = len(self._texts_before) + appended
        assert texts[:count] == planned[:count]
        # What was not promised may have holes, but is not changed.
        rest = iter(planned[count:])
        assert all(text in rest for text in texts[count:])

    def mend(self, folder: Path) -> None:
        EventLogWriter(folder / paths.EVENTS).close()

    def go_on(self, folder: Path) -> None:
        log = folder / paths.EVENTS
        before = EventLogReader(log).read()
        writer = EventLogWriter(log)
        written = writer.append(Message(text="after"))
        writer.close()
        after = EventLogReader(log).read()
        assert after.events == [*before.events, written]
        assert written.seq == max((event.seq for event in before.events), default=0) + 1
        assert after.missing == before.missing
        assert log.read_bytes().endswith(b"\n")


def _message(seq: int) -> bytes:
    return encode_line(Message(seq=seq, t=1.0, text=f"before {seq}"))


LOGS = (
    Logging("log-missing", b"", [], 0),
    Logging("log-whole", _message(1) + _message(2), ["before 1", "before 2"], 2),
    Logging("log-torn", _message(1) + _message(2)[:40], ["before 1"], 1),
    Logging("log-unended", _message(1) + _message(2)[:-1], ["before 1", "before 2"], 1),
    Logging("log-zeros", _message(1) + bytes(5000), ["before 1"], 1),
)


class Session(Operation):
    """A run trains, saves, and finishes; a first time, or after a session that was killed."""

    refusals = (StorageError,)

    def __init__(self, *, resumes: bool) -> None:
        self.name = "resumed-session" if resumes else "first-session"
        self._from_step = 20 if resumes else 0

    def prepare(self, folder: Path) -> None:
        Registry(folder).create(builders.environment(), encode_config(RunConfig()))
        if self._from_step:
            # Killed: no event ends it.
            with closing(RunWriter(folder / "run1")) as writer:
                self._train(writer, builders.session_start(), range(10, 21, 10), lambda _: None)

    def act(self, folder: Path, reach: Reach) -> None:
        start = builders.resumed(20) if self._from_step else builders.session_start()
        steps = range(self._from_step + 10, self._from_step + 31, 10)
        with closing(RunWriter(folder / "run1")) as writer:
            self._train(writer, start, steps, reach)
            writer.emit(Finished(step=steps[-1], epoch=3))
        reach(5)

    def _train(self, writer: RunWriter, start: Event, steps: range, reach: Reach) -> None:
        writer.emit(start)
        reach(1)
        checkpoints = writer.run / paths.CHECKPOINTS
        keeper = CheckpointKeeper(checkpoints, CheckpointConfig(keep=1), writer, None)
        with closing(keeper):
            for number, step in enumerate(steps, start=2):
                writer.emit(builders.steps(first=step - 9, count=10))
                model, optimizer = _trained(step)
                keeper.save(model, optimizer, _state(step), dict(model.state_dict()))
                keeper.wait()
                reach(number)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        run = RunFolder(folder / "run1")
        steps = _check_whole(run.checkpoints)
        newest = max(self._from_step, self._from_step + 10 * (min(reached, 4) - 1))
        assert not newest or steps[-1] >= newest
        log = _read_log(run.path)
        for event in log:
            if isinstance(event, CheckpointSaved):
                assert steps[-1] >= event.step
                if event.step in steps:
                    folder = run.checkpoints / folder_name(event.step)
                    assert read_checkpoint(folder).manifest_sha256 == event.manifest_sha256
        assert read_fold(run.path) == _fold_from_scratch(run.path)
        self._check_state(run, reached)

    def _check_state(self, run: RunFolder, reached: int) -> None:
        state = read_run(run).state
        if reached == 5:
            assert state is RunState.FINISHED
        elif reached or self._from_step:
            assert state in (RunState.INTERRUPTED, RunState.FINISHED)
        else:
            assert state in (RunState.FAILED, RunState.INTERRUPTED)

    def mend(self, folder: Path) -> None:
        sweep_hidden(folder / "run1" / paths.CHECKPOINTS)
        RunWriter(folder / "run1").close()

    def go_on(self, folder: Path) -> None:
        run = RunFolder(folder / "run1")
        newest, notes = read_newest(run.checkpoints)
        assert notes == []
        step = newest.state.step if newest is not None else 0
        with closing(RunWriter(run.path)) as writer:
            self._train(writer, builders.resumed(step), range(step + 10, step + 11), lambda _: None)
            writer.emit(Finished(step=step + 10, epoch=9))
        assert _check_whole(run.checkpoints) == sorted({10, step + 10})
        assert read_run(run).state is RunState.FINISHED
        assert read_run(run).snapshot.checkpoint_step == step + 10


def _read_log(run: Path) -> list[Event]:
    return EventLogReader(run / paths.EVENTS).read().events


def _fold_from_scratch(run: Path) -> LogFold:
    reader = EventLogReader(run / paths.EVENTS)
    batch = reader.read()
    return fold_batch(LogFold(), batch, reader.offset)
