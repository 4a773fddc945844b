"""The loop: what it logs, and that stopping and resuming changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.tasks import configure, make_task, prepare_stripes
from tests.train.runs import (
    Runs,
    assert_same_run,
    evaluations,
    live_steps,
    messages,
    read_log,
)
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.core.exactness import Exactness
from tui_trainer.errors import (
    DeviceError,
    DiskFullError,
    ExactnessError,
    ModelError,
    ReportedError,
    RunStateError,
)
from tui_trainer.store.control import RequestName, submit
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.train import control, figures, judging, reporting, saving, setup
from tui_trainer.train.control import ControlDesk

_STEPS_PER_EPOCH = 10  # 290 of 320 samples in batches of 32


def _metrics(folder: RunFolder) -> dict[Any, Any]:
    last: dict[Any, Any] = {}
    for event in read_log(folder):
        if isinstance(event, events.Evaluated):
            last[event.split, event.step] = event.metrics
        if isinstance(event, events.EpochFinished):
            last["train", event.step] = event.train
    return last


def test_a_run_tells_its_whole_story(runs: Runs) -> None:
    folder, config = runs.create(model__name="convnet")
    runs.train(folder, config)
    log = read_log(folder)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    start = log[0]
    assert isinstance(start, events.RunStarted)
    assert (start.steps, start.steps_per_epoch) == (2 * _STEPS_PER_EPOCH, _STEPS_PER_EPOCH)
    assert (start.train_count, start.validation_count, start.test_count) == (290, 30, 80)
    assert list(live_steps(folder)) == list(range(1, 21))
    kinds = [type(event) for event in log]
    assert kinds.count(events.EpochFinished) == 2
    splits = [event.split for event in log if isinstance(event, events.Evaluated)]
    assert splits == ["validation", "validation", "test"]
    assert isinstance(log[-1], events.Finished)
    record = read_run(folder)
    assert record.state == "finished"
    assert record.snapshot.epoch == 2
    assert record.snapshot.best is not None
    assert any(event.process_bytes > 0 for event in log if isinstance(event, events.Resources))


def test_the_model_learns(runs: Runs) -> None:
    folder, config = runs.create(model__name="convnet", training__epochs=6)
    runs.train(folder, config)
    assert read_run(folder).snapshot.last["test"]["accuracy"] > 0.9


@pytest.mark.parametrize("model", ["convnet", "mnist-example", "mlp"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stopped_and_resumed_is_the_same_run_to_the_bit(
    runs: Runs, model: str, optimizer: str
) -> None:
    settings = {
        "model__name": model,
        "optimizer__name": optimizer,
        "data__validation": 0.1,
        "schedule__name": "one-cycle",
        "schedule__warmup": 0.3,
        "loss__label_smoothing": 0.1,
    }
    whole, config = runs.create(**settings)
    runs.train(whole, config)
    cut, config = runs.create(**settings)
    runs.train(cut, config, stop_at=4)
    assert read_run(cut).state == "stopped"
    runs.train(cut, config, resume=True, stop_at=10)
    runs.train(cut, config, resume=True, stop_at=17)
    runs.train(cut, config, resume=True)
    assert read_run(cut).state == "finished"
    assert live_steps(cut) == live_steps(whole)
    assert _metrics(cut) == _metrics(whole)
    _assert_same_checkpoint(whole, cut, 20)


def test_stopped_after_an_epoch_and_resumed_is_the_same_run_to_the_bit(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "optimizer__name": "adamw",
        "data__validation": 0.1,
        "schedule__name": "plateau",
        "average__name": "ema",
    }
    whole, config = runs.create(**settings)
    runs.train(whole, config)
    cut, config = runs.create(**settings)
    _attend_to_every_step(monkeypatch)
    runs.train(cut, config, at_step=_ask_once(cut, 2, "stop-after-epoch"))
    (stopped,) = [event for event in read_log(cut) if isinstance(event, events.Stopped)]
    (asked,) = [event for event in read_log(cut) if isinstance(event, events.ControlApplied)]
    assert asked.request == "stop-after-epoch"
    assert (stopped.epoch, stopped.step, stopped.by) == (1, _STEPS_PER_EPOCH, asked.by)
    assert list(evaluations(cut, "validation")) == [_STEPS_PER_EPOCH]
    assert read_run(cut).snapshot.checkpoint_step == _STEPS_PER_EPOCH
    runs.train(cut, config, resume=True)
    assert read_run(cut).state == "finished"
    assert not read_run(cut).snapshot.stops_after_epoch
    assert_same_run(whole, cut, 20)


def _assert_same_checkpoint(one: RunFolder, other: RunFolder, step: int) -> None:
    first, second = (read_checkpoint(run.checkpoints / folder_name(step)) for run in (one, other))
    assert first.state == second.state
    for name, tensor in first.model.items():
        assert torch.equal(tensor, second.model[name]), name
    for name, tensor in first.optimizer_tensors.items():
        assert torch.equal(tensor, second.optimizer_tensors[name]), name


def test_a_run_killed_before_its_test_is_judged_when_resumed(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = runs.create(model__name="mlp")
    with monkeypatch.context() as patch:
        patch.setattr(judging.Judge, "test", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            runs.train(folder, config)
    runs.train(folder, config, resume=True)
    record = read_run(folder)
    assert record.state == "finished"
    assert "test" in record.snapshot.last
    assert list(live_steps(folder)) == list(range(1, 21))
    with pytest.raises(RunStateError, match="trained all its 2 epochs"):
        runs.train(folder, config, resume=True)


def _interrupt(self: object, *arguments: object) -> None:
    raise KeyboardInterrupt


def _both(*watchers: Callable[[int], None]) -> Callable[[int], None]:
    def at_step(step: int) -> None:
        for watch in watchers:
            watch(step)

    return at_step


def _raise_at(last: int) -> Callable[[int], None]:
    def at_step(step: int) -> None:
        if step == last:
            raise KeyboardInterrupt

    return at_step


def test_a_poisoned_batch_stops_the_run_before_it_harms(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = runs.create(model__name="mlp", data__validation=0.1)
    real = nn.Sequential.forward
    calls = []

    def forward(self: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        calls.append(self.training)
        out = real(self, x)
        return out * float("nan") if sum(calls) == 12 and self.training else out

    monkeypatch.setattr(nn.Sequential, "forward", forward)
    with pytest.raises(ReportedError, match="not finite at step 12"):
        runs.train(folder, config)
    record = read_run(folder)
    assert record.state == "failed"
    assert record.snapshot.error is not None
    assert record.snapshot.error.code == "non-finite"
    steps = list_steps(folder.checkpoints)
    assert steps
    assert max(steps) <= 11
    for step in steps:
        checkpoint = read_checkpoint(folder.checkpoints / folder_name(step))
        assert all(torch.isfinite(tensor).all() for tensor in checkpoint.model.values())


def test_without_validation_the_last_checkpoint_is_kept_and_none_is_best(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp", data__validation=0.0)
    runs.train(folder, config)
    snapshot = read_run(folder).snapshot
    assert snapshot.best is None
    assert snapshot.validation_count == 0
    assert list_steps(folder.checkpoints) == [20]
    tested = [e for e in read_log(folder) if isinstance(e, events.Evaluated)]
    assert [(e.split, e.step) for e in tested] == [("test", 20)]


def test_the_test_split_is_judged_with_the_best_weights(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = runs.create(model__name="mlp", training__epochs=3)
    accuracies = iter([0.9, 0.5, 0.4, 0.7])
    real = judging.judge

    def judge(model: nn.Module, batches: Any, criteria: Any) -> Any:
        judgement = real(model, batches, criteria)
        accuracy = next(accuracies)
        labels = torch.zeros(100, dtype=torch.int64).numpy()
        predicted = labels.copy()
        predicted[round(100 * accuracy) :] = 1
        return replace(judgement, labels_N=labels, predicted_N=predicted)

    monkeypatch.setattr(judging, "judge", judge)
    runs.train(folder, config)
    tested = [e for e in read_log(folder) if isinstance(e, events.Evaluated) and e.split == "test"]
    assert [e.step for e in tested] == [_STEPS_PER_EPOCH]
    assert _STEPS_PER_EPOCH in list_steps(folder.checkpoints)


def test_a_finished_run_goes_on_with_a_larger_total(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config)
    longer = configure(
        model__name="mlp", training__epochs=3, hardware__device="cpu", hardware__threads=1
    )
    runs.train(folder, longer, resume=True)
    snapshot = read_run(folder).snapshot
    assert (snapshot.epoch, snapshot.epochs, snapshot.step) == (3, 3, 30)
    assert sorted(live_steps(folder)) == list(range(1, 31))


def test_a_run_goes_on_less_exactly_only_where_that_is_accepted(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=5)
    other = configure(model__name="mlp", hardware__device="cpu", hardware__threads=2)
    change = "the number of threads changed from 1 to 2"
    with pytest.raises(ExactnessError) as caught:
        runs.train(folder, other, resume=True)
    assert caught.value.message == f"It would not go on exactly: {change}."
    assert caught.value.hint.endswith("tuitrain resume run1 --accept sample-exact.")
    assert read_run(folder).state == "stopped"
    runs.train(folder, other, resume=True, accept=Exactness.SAMPLE_EXACT, stop_at=7)
    assert f"sample-exact: {change}" in messages(folder)
    (resumed,) = (e for e in read_log(folder) if isinstance(e, events.Resumed))
    assert (resumed.exactness, resumed.differences) == ("sample-exact", (change,))


def test_a_changed_setting_is_named_and_makes_a_run_approximate(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=5)
    changes = {"optimizer__weight_decay": 0.25, "training__seed": 4}
    _, other = runs.create(model__name="mlp", **changes)
    with pytest.raises(ExactnessError, match=r"training\.seed changed from 0 to 4") as caught:
        runs.train(folder, other, resume=True, accept=Exactness.SAMPLE_EXACT)
    assert "optimizer.weight_decay changed from" in caught.value.message
    assert "--accept approximate" in caught.value.hint
    runs.train(folder, other, resume=True, accept=Exactness.APPROXIMATE)
    assert read_run(folder).state == "finished"


def test_a_file_that_was_changed_since_the_last_session_is_named(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=5)
    runs.train(folder, config, resume=True, stop_at=9)
    assert not [text for text in messages(folder) if "not as it was" in text]
    file = folder.path / "environment.json"
    file.write_bytes(file.read_bytes().replace(b'"command":["test"]', b'"command":["tent"]'))
    runs.train(folder, config, resume=True)
    assert "environment.json is not as it was when the run last began" in messages(folder)


def test_settings_that_change_no_number_keep_a_resume_exact(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=5)
    _, other = runs.create(
        model__name="mlp",
        checkpoints__keep=7,
        data__placement="stream",
        data__workers=0,
        tensorboard__every_s=9.0,
        training__early_stopping=8,
    )
    runs.train(folder, other, resume=True)
    (resumed,) = (e for e in read_log(folder) if isinstance(e, events.Resumed))
    assert (resumed.exactness, resumed.differences) == ("exact", ())


def test_a_disk_that_checkpoints_may_fill_is_told_of(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = runs.create(model__name="mlp")
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=3 << 20))
    runs.train(folder, config)
    (told,) = (text for text in messages(folder) if "are free where the run is kept" in text)
    assert told.startswith("3.0 MiB are free")
    assert read_run(folder).state == "finished"


def test_a_batch_larger_than_the_data_is_refused(runs: Runs) -> None:
    with pytest.raises(setup.DatasetError, match="larger than the 290 samples"):
        make_task(runs.data_dir, data__batch_size=291)


def test_a_share_that_leaves_nothing_to_validate_on_is_refused(runs: Runs) -> None:
    with pytest.raises(setup.DatasetError, match="leaves nothing to validate on"):
        make_task(runs.data_dir, data__validation=1e-6)


def _attend_to_every_step(patch: pytest.MonkeyPatch) -> None:
    """Every step is a block, and the inbox is looked into after each."""
    patch.setattr(figures, "_BLOCK_S", 0.0)
    patch.setattr(reporting, "_LARGEST_SHARE", 1e9)
    patch.setattr(control, "_INBOX_POLL_S", 0.0)


@pytest.mark.parametrize(
    ("asked_at", "killed_at"),
    [(10, [15]), (14, [17]), (14, [17, 12]), (3, [17, 12, 19])],
    ids=["at the checkpoint", "after it", "killed twice", "before it"],
)
def test_a_learning_rate_set_live_outlives_any_kills(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, asked_at: int, killed_at: list[int]
) -> None:
    _attend_to_every_step(monkeypatch)
    settings = {
        "model__name": "mlp",
        "checkpoints__every_s": 1e6,
        "schedule__name": "one-cycle",
        "optimizer__lr": 0.01,
    }
    whole, config = runs.create(**settings)
    runs.train(whole, config, at_step=_ask_once(whole, asked_at))
    cut, config = runs.create(**settings)
    with pytest.raises(KeyboardInterrupt):
        runs.train(cut, config, at_step=_both(_ask_once(cut, asked_at), _raise_at(killed_at[0])))
    for step in killed_at[1:]:
        with pytest.raises(KeyboardInterrupt):
            runs.train(cut, config, resume=True, at_step=_raise_at(step))
    runs.train(cut, config, resume=True)
    assert live_steps(cut) == live_steps(whole)
    assert live_steps(whole)[asked_at + 1][1] == pytest.approx(0.0007)


def _ask_once(folder: RunFolder, at: int, request: RequestName = "set") -> Callable[[int], None]:
    arguments: dict[str, float | str] = {"lr": 0.0007} if request == "set" else {}

    def at_step(step: int) -> None:
        if step == at:
            submit(folder.path, read_run(folder).snapshot.session, request, arguments)

    return at_step


def test_a_validation_that_someone_asks_for_changes_nothing_of_the_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _attend_to_every_step(monkeypatch)
    settings = {"model__name": "convnet-small", "average__name": "ema"}
    whole = runs.finish(**settings)
    asked, config = runs.create(**settings)
    runs.train(asked, config, at_step=_ask_once(asked, 13, "evaluate"))
    judged = [e for e in read_log(asked) if isinstance(e, events.Evaluated) and e.by_request]
    (answer,) = (e for e in read_log(asked) if isinstance(e, events.ControlApplied))
    assert [event.step for event in judged] == [answer.step]
    assert answer.step == 13
    assert answer.arguments == judged[0].metrics
    assert live_steps(asked) == live_steps(whole)
    assert read_run(asked).snapshot.best == read_run(whole).snapshot.best
    states = (read_checkpoint(run.checkpoints / folder_name(20)) for run in (whole, asked))
    first, second = states
    assert first.state == second.state
    assert all(torch.equal(first.model[name], second.model[name]) for name in first.model)


@pytest.mark.parametrize("ended_by", ["room", "signal"])
def test_a_run_waits_at_its_end_for_room_on_a_full_disk(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, ended_by: str
) -> None:
    real, tries = saving.save_checkpoint, []

    def save(folder: Path, snapshot: Any) -> Any:
        if snapshot.state.step == 20:
            tries.append(snapshot.state.step)
            if len(tries) < 4:
                raise DiskFullError("It could not be written: No space left.", "Free some.")
        return real(folder, snapshot)

    def rest(self: ControlDesk, duration_s: float) -> bool:
        assert duration_s == saving.END_RETRY_S
        return ended_by == "room"

    monkeypatch.setattr(saving, "save_checkpoint", save)
    monkeypatch.setattr(ControlDesk, "rest", rest)
    folder, config = runs.create(model__name="mlp", data__validation=0.0)
    if ended_by == "room":
        runs.train(folder, config)
        assert (read_run(folder).state, len(tries)) == ("finished", 4)
    else:
        with pytest.raises(ReportedError, match="No space left"):
            runs.train(folder, config)
        assert (read_run(folder).state, len(tries)) == ("failed", 1)
    failed = [e for e in read_log(folder) if isinstance(e, events.CheckpointFailed)]
    assert [(event.step, event.newest_step) for event in failed] == [(20, 0)]
    assert read_run(folder).snapshot.checkpoint_is_stale == (ended_by == "signal")


def test_a_resume_that_cannot_begin_leaves_a_finished_run_finished(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config)
    with monkeypatch.context() as patch:
        patch.setattr(setup, "choose_device", _refuse_device)
        with pytest.raises(DeviceError):
            runs.train(folder, config, resume=True)
    assert read_run(folder).state == "finished"
    told = [e.text for e in read_log(folder) if isinstance(e, events.Message)]
    assert told[-1] == "not resumed: no such device"


def _refuse_device(config: object) -> None:
    raise DeviceError("no such device", "")


def test_a_stray_file_among_the_checkpoints_is_left_alone(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=5)
    stray = folder.checkpoints / ".DS_Store"
    stray.write_bytes(b"")
    runs.train(folder, config, resume=True)
    assert read_run(folder).state == "finished"
    assert stray.exists()


def test_a_damaged_best_checkpoint_does_not_cost_the_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = runs.create(model__name="mlp", training__epochs=3)

    def best_at_once(best: object, metrics: object, step: int, metric: str) -> events.Best:
        return events.Best(metric="accuracy", value=0.9, step=_STEPS_PER_EPOCH)

    def damage(step: int) -> None:
        if step == 25:
            best = folder.checkpoints / folder_name(_STEPS_PER_EPOCH)
            (best / "model.safetensors").write_bytes(b"")

    monkeypatch.setattr(events.Best, "choose", best_at_once)
    runs.train(folder, config, at_step=damage)
    assert read_run(folder).state == "finished"
    told = [e.text for e in read_log(folder) if isinstance(e, events.Message)]
    assert "The last weights are judged instead" in told[-1]
    tested = [e for e in read_log(folder) if isinstance(e, events.Evaluated) and e.split == "test"]
    assert [e.step for e in tested] == [30]


def test_a_new_total_is_told_in_the_log(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp", schedule__name="cosine")
    runs.train(folder, config, stop_at=5)
    longer = configure(
        model__name="mlp",
        schedule__name="cosine",
        training__epochs=4,
        hardware__device="cpu",
        hardware__threads=1,
    )
    runs.train(folder, longer, resume=True)
    told = " ".join(e.text for e in read_log(folder) if isinstance(e, events.Message))
    assert "cosine schedule is now spread over 4 epochs, not 2" in told


@pytest.mark.parametrize("batch_size", [1, 17])
def test_a_batch_of_one_that_batch_norm_cannot_take_is_refused(
    tmp_path: Path, batch_size: int
) -> None:
    prepare_stripes(tmp_path, "digits")
    options = {"data__dataset": "digits", "model__name": "convnet", "hardware__device": "cpu"}
    with pytest.raises(ModelError, match="batch of one sample") as caught:
        make_task(tmp_path, **options, data__batch_size=batch_size)
    assert "--batch-size" in caught.value.hint
    make_task(tmp_path, **options | {"model__name": "mlp"}, data__batch_size=batch_size)
