"""Checkpoints: whole, verified, exact."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import best_step_of, find_checkpoint, read_checkpoint, read_newest
from tui_trainer.checkpoints.state import (
    EpochTotals,
    Fingerprint,
    TrainingState,
    unpack_optimizer,
)
from tui_trainer.checkpoints.write import prune_checkpoints, save_checkpoint
from tui_trainer.core.events import Best
from tui_trainer.errors import CheckpointError, CheckpointNotFoundError, StorageError

_OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9, fused=True),
    "plain-sgd": lambda p: SGD(p, lr=0.1, fused=True),
    "adam": lambda p: Adam(p, lr=0.01, fused=True),
    "adamw": lambda p: AdamW(p, lr=0.01, weight_decay=0.1, fused=True),
}


def _state(step: int) -> TrainingState:
    return TrainingState(
        step=step,
        steps_per_epoch=10,
        lr_scale=0.5,
        best=Best(metric="accuracy", value=0.9, step=10),
        totals=EpochTotals(loss=1.5, correct=3.0, count=4),
        fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
    )


def _model() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    )
    return layers.to(memory_format=torch.channels_last)


def _train(model: nn.Module, optimizer: Optimizer, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        x = torch.randn(5, 2, 4, 4, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", _OPTIMIZERS)
def test_training_goes_on_to_the_bit(tmp_path: Path, kind: str) -> None:
    model = _model()
    optimizer = _OPTIMIZERS[kind](model.parameters())
    _train(model, optimizer, 5, seed=1)
    saved = save_checkpoint(tmp_path, model, optimizer, _state(5))
    _train(model, optimizer, 5, seed=2)

    checkpoint = read_checkpoint(tmp_path / saved.folder)
    again = _model()
    again.load_state_dict(checkpoint.model)
    optimizer_again = _OPTIMIZERS[kind](again.parameters())
    unpack_optimizer(optimizer_again, checkpoint.optimizer_tensors, checkpoint.optimizer)
    _train(again, optimizer_again, 5, seed=2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert checkpoint.state == _state(5)
    assert checkpoint.manifest_sha256 == saved.manifest_sha256


def test_another_optimizer_is_refused(tmp_path: Path) -> None:
    model = _model()
    optimizer = _OPTIMIZERS["adamw"](model.parameters())
    _train(model, optimizer, 1, seed=1)
    saved = save_checkpoint(tmp_path, model, optimizer, _state(1))
    checkpoint = read_checkpoint(tmp_path / saved.folder)
    with pytest.raises(CheckpointError, match="another optimizer"):
        unpack_optimizer(
            _OPTIMIZERS["sgd"](model.parameters()),
            checkpoint.optimizer_tensors,
            checkpoint.optimizer,
        )


def _save(folder: Path, step: int) -> Path:
    model = _model()
    optimizer = _OPTIMIZERS["sgd"](model.parameters())
    _train(model, optimizer, 1, seed=step)
    return folder / save_checkpoint(folder, model, optimizer, _state(step)).folder


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "optimizer.safetensors", "optimizer.json", "state.json", "manifest.json"],
)
def test_a_flipped_bit_in_any_file_is_found(tmp_path: Path, name: str) -> None:
    folder = _save(tmp_path, 7)
    file = folder / name
    whole = file.read_bytes()
    original = read_checkpoint(folder)
    for position in range(0, len(whole), max(1, len(whole) // 40)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        file.write_bytes(damaged)
        try:
            loaded = read_checkpoint(folder)
        except CheckpointError:
            continue
        # Only a manifest has bits that change nothing that is used.
        assert name == "manifest.json"
        assert loaded.state == original.state
        assert all(torch.equal(loaded.model[key], original.model[key]) for key in original.model)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_a_missing_or_cut_file_is_found(tmp_path: Path, name: str) -> None:
    folder = _save(tmp_path, 7)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)
    (folder / name).unlink()
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = _save(tmp_path, 7)
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(manifest.replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(CheckpointError, match="another version"):
        read_checkpoint(folder)


def test_a_damaged_newest_is_set_aside_and_the_one_before_used(tmp_path: Path) -> None:
    _save(tmp_path, 10)
    newest = _save(tmp_path, 20)
    (newest / "model.safetensors").write_bytes(b"torn")
    checkpoint, said = read_newest(tmp_path)
    assert checkpoint is not None
    assert checkpoint.state.step == 10
    assert len(said) == 1
    assert "step-00000020 is damaged" in said[0]
    assert list_steps(tmp_path) == [10]
    assert (tmp_path / "damaged-step-00000020").is_dir()


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert read_newest(tmp_path / "none") == (None, [])


@pytest.mark.parametrize(
    ("which", "best", "found"),
    [("best", 10, 10), ("best", None, 30), ("last", 10, 30), ("20", 10, 20), ("020", 10, 20)],
)
def test_a_checkpoint_is_found(tmp_path: Path, which: str, best: int | None, found: int) -> None:
    for step in (10, 20, 30):
        (tmp_path / folder_name(step)).mkdir()
    assert find_checkpoint(tmp_path, which, best) == tmp_path / folder_name(found)


@pytest.mark.parametrize(
    ("which", "best"), [("best", 15), ("40", None), ("bset", 10), ("-1", 10), ("²", 10)]
)
def test_a_checkpoint_that_is_not_there_is_an_error(
    tmp_path: Path, which: str, best: int | None
) -> None:
    (tmp_path / folder_name(10)).mkdir()
    with pytest.raises(CheckpointNotFoundError) as caught:
        find_checkpoint(tmp_path, which, best)
    assert caught.value.hint
    with pytest.raises(CheckpointNotFoundError, match="no checkpoint yet"):
        find_checkpoint(tmp_path / "none", which, best)


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 50):
        (tmp_path / folder_name(step)).mkdir()
    (tmp_path / "damaged-step-00000005").mkdir()
    prune_checkpoints(tmp_path, keep=2, best_step=20)
    assert list_steps(tmp_path) == [20, 40, 50]
    assert (tmp_path / "damaged-step-00000005").exists()


def test_a_full_disk_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path, 10)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="step 20 could not be written: No space left"):
        _save(tmp_path, 20)
    assert [folder.name for folder in tmp_path.iterdir()] == [folder_name(10)]


def test_a_folder_that_cannot_be_emptied_does_not_end_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (10, 20, 30):
        (tmp_path / folder_name(step)).mkdir()

    def refuse(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    prune_checkpoints(tmp_path, keep=1, best_step=None)
    assert list_steps(tmp_path) == [30]


def test_the_best_is_what_the_newest_readable_checkpoint_says(tmp_path: Path) -> None:
    assert best_step_of(tmp_path) is None
    _save(tmp_path, 10)
    newest = _save(tmp_path, 20)
    assert best_step_of(tmp_path) == 10
    (newest / "state.json").write_bytes(b"torn")
    assert best_step_of(tmp_path) == 10
