"""Checkpoints: whole, verified, exact."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tui_trainer.checkpoints import write
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import best_step_of, find_checkpoint, read_checkpoint, read_newest
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import (
    EpochTotals,
    Fingerprint,
    TrainingState,
    unpack_optimizer,
)
from tui_trainer.checkpoints.write import prune_checkpoints, save_checkpoint
from tui_trainer.core.events import Best
from tui_trainer.core.schedules import PlateauWatch
from tui_trainer.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ModelError,
    StorageError,
)

_OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9, fused=True),
    "plain-sgd": lambda p: SGD(p, lr=0.1, fused=True),
    "adam": lambda p: Adam(p, lr=0.01, fused=True),
    "adamw": lambda p: AdamW(p, lr=0.01, weight_decay=0.1, fused=True),
}


def _state(step: int, **changes: Any) -> TrainingState:
    state = TrainingState(
        step=step,
        steps_per_epoch=10,
        lr_scale=0.5,
        best=Best(metric="accuracy", value=0.9, step=10),
        totals=EpochTotals(loss=1.5, correct=3.0, count=4),
        fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
    )
    return msgspec.structs.replace(state, **changes)


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
    saved = save_checkpoint(tmp_path, take_snapshot(model, optimizer, _state(5)))
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
    saved = save_checkpoint(tmp_path, take_snapshot(model, optimizer, _state(1)))
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
    return folder / save_checkpoint(folder, take_snapshot(model, optimizer, _state(step))).folder


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


def test_a_manifest_of_another_step_is_found(tmp_path: Path) -> None:
    folder = _save(tmp_path, 7)
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(manifest.replace(b'"step":7', b'"step":5'))
    with pytest.raises(CheckpointError, match="of different steps"):
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


@pytest.mark.parametrize("part", ["state.json", "manifest.json"])
def test_what_the_disk_does_not_give_back_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def write_badly(path: Path, content: bytes) -> None:
        path.write_bytes(content if path.name != part else content[:-1] + b" ")

    _save(tmp_path, 10)
    monkeypatch.setattr(write, "write_durable", write_badly)
    with pytest.raises(StorageError, match="did not give back the checkpoint of step 20"):
        _save(tmp_path, 20)
    assert [folder.name for folder in tmp_path.iterdir()] == [folder_name(10)]


def test_a_snapshot_does_not_follow_the_training(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    snapshot = take_snapshot(model, optimizer, _state(1))
    before = {name: tensor.clone() for name, tensor in snapshot.model.items()}
    with torch.no_grad():
        model.weight.add_(1.0)
    assert all(torch.equal(snapshot.model[name], before[name]) for name in before)
    memory = {tensor.data_ptr() for tensor in snapshot.model.values()}
    again = take_snapshot(model, optimizer, _state(2), reuse=snapshot)
    assert torch.equal(again.model["weight"], model.weight)
    assert {tensor.data_ptr() for tensor in again.model.values()} == memory


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
    told: list[str] = []
    (newest / "state.json").write_bytes(b"torn")
    assert best_step_of(tmp_path, told.append) == 10
    assert len(told) == 1
    assert told[0].startswith(f"{newest.name} is damaged")


_types = st.sampled_from(
    [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
_shapes = st.lists(st.integers(0, 3), max_size=3)


@st.composite
def _tensors(draw: st.DrawFn) -> Tensor:
    """Tensors of random bytes: NaNs of every kind, negative zeros, numbers next to nothing."""
    dtype, shape = draw(_types), draw(_shapes)
    if dtype is torch.bool:
        return torch.tensor(draw(st.booleans())).expand(shape)
    count = torch.Size(shape).numel() * dtype.itemsize
    body = bytearray(draw(st.binary(min_size=count, max_size=count)))
    flat = torch.frombuffer(body, dtype=dtype) if count else torch.zeros(0, dtype=dtype)
    tensor = flat.reshape(shape)
    return tensor.transpose(0, -1) if len(shape) > 1 and draw(st.booleans()) else tensor


@settings(max_examples=40, deadline=None)
@given(averaged=st.dictionaries(st.text("ab.é", min_size=1), _tensors(), max_size=5))
def test_averaged_weights_come_back_to_the_bit(averaged: dict[str, Tensor]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = nn.Linear(2, 2)
        optimizer = SGD(model.parameters(), lr=0.1)
        state = _state(3, average_count=9)
        saved = save_checkpoint(Path(folder), take_snapshot(model, optimizer, state, averaged))
        checkpoint = read_checkpoint(Path(folder) / saved.folder)
    assert checkpoint.state.average_count == 9
    assert checkpoint.averaged is not None
    assert checkpoint.judged is checkpoint.averaged
    assert checkpoint.averaged.keys() == averaged.keys()
    for name, value in averaged.items():
        again = checkpoint.averaged[name]
        assert (again.dtype, again.shape) == (value.dtype, value.shape)
        assert _bytes(again) == _bytes(value)


def _bytes(tensor: Tensor) -> list[int]:
    flat = tensor.contiguous().flatten()
    return flat.view(torch.uint8).tolist() if flat.numel() else []


def test_without_averages_the_plain_weights_are_judged(tmp_path: Path) -> None:
    folder = _save(tmp_path, 7)
    assert not (folder / "averaged.safetensors").exists()
    checkpoint = read_checkpoint(folder)
    assert checkpoint.averaged is None
    assert checkpoint.judged is checkpoint.model


def _save_averaged(folder: Path, step: int) -> Path:
    model = _model()
    optimizer = _OPTIMIZERS["sgd"](model.parameters())
    state, averaged = _state(step, average_count=2), model.state_dict()
    return folder / save_checkpoint(folder, take_snapshot(model, optimizer, state, averaged)).folder


def test_damaged_averaged_weights_are_found(tmp_path: Path) -> None:
    folder = _save_averaged(tmp_path, 7)
    file = folder / "averaged.safetensors"
    whole = file.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 20)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="not as it was written"):
            read_checkpoint(folder)
    file.unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(folder)


def test_averaged_weights_cannot_go_unnoticed(tmp_path: Path) -> None:
    """A manifest whose name for them is damaged, or that lists them no more."""
    folder = _save_averaged(tmp_path, 7)
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(manifest.replace(b"averaged.s", b"averaged.t"))
    with pytest.raises(CheckpointError, match=r"averaged\.tafetensors"):
        read_checkpoint(folder)
    content = msgspec.json.decode(manifest)
    del content["files"]["averaged.safetensors"]
    (folder / "manifest.json").write_bytes(msgspec.json.encode(content))
    with pytest.raises(CheckpointError, match="contradict"):
        read_checkpoint(folder)


def test_everything_of_the_state_comes_back(tmp_path: Path) -> None:
    model = _model()
    optimizer = _OPTIMIZERS["adamw"](model.parameters())
    state = _state(
        3,
        plateau=PlateauWatch(),
        scaler={"scale": 65536.0, "growth_tracker": 3.0},
        micro_batch=16,
        code={"net.py": "ab12"},
    )
    saved = save_checkpoint(tmp_path, take_snapshot(model, optimizer, state))
    assert read_checkpoint(tmp_path / saved.folder).state == state


def test_a_checkpoint_of_before_the_averages_is_read() -> None:
    old = (
        b'{"step":7,"steps_per_epoch":10,"lr_scale":0.5,"best":null,'
        b'"totals":{"loss":1.5,"correct":3.0,"count":4,"duration_s":0.0},'
        b'"fingerprint":{"data_sha256":"d","torch":"t","device":"cpu","threads":1}}'
    )
    assert msgspec.json.decode(old, type=TrainingState) == _state(7, best=None)


def test_tied_weights_are_saved_and_tied_again(tmp_path: Path) -> None:
    def make() -> nn.Sequential:
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        return model

    model = make()
    saved = save_checkpoint(
        tmp_path, take_snapshot(model, SGD(model.parameters(), lr=0.1), _state(3))
    )
    again = make()
    again.load_state_dict(read_checkpoint(tmp_path / saved.folder).model)
    assert again[1].weight is again[0].weight
    assert all(v.equal(again.state_dict()[k]) for k, v in model.state_dict().items())


class _Talkative(nn.Linear):
    def get_extra_state(self) -> Any:
        """Something that is no tensor."""
        return {"mood": "good"}


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (_Talkative(2, 2), "'_extra_state'"),
        (nn.Linear(2, 2, dtype=torch.complex128), "complex128"),
        (nn.ParameterDict({"w": nn.Parameter(torch.eye(2).to_sparse())}), "'w'"),
    ],
)
def test_a_state_that_cannot_be_saved_is_named(
    tmp_path: Path, model: nn.Module, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        save_checkpoint(tmp_path, take_snapshot(model, SGD(model.parameters(), lr=0.1), _state(3)))
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_optimizer_of_other_parameters_is_refused(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(_save(tmp_path, 7))
    fewer = _OPTIMIZERS["sgd"](list(_model().parameters())[:2])
    with pytest.raises(CheckpointError, match="other parameters"):
        unpack_optimizer(fewer, checkpoint.optimizer_tensors, checkpoint.optimizer)


@pytest.mark.parametrize(
    ("number", "is_lost"), [(errno.EMFILE, False), (errno.EACCES, False), (errno.EIO, True)]
)
def test_a_checkpoint_that_cannot_be_read_now_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_lost: bool
) -> None:
    older, newest = _save(tmp_path, 10), _save(tmp_path, 20)
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == newest / "model.safetensors":
            raise OSError(number, os.strerror(number))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read_bytes)
        if is_lost:
            checkpoint, notes = read_newest(tmp_path)
            assert checkpoint is not None
            assert (checkpoint.folder, len(notes)) == (older.name, 1)
            return
        with pytest.raises(StorageError, match="cannot be read"):
            read_newest(tmp_path)
    assert list_steps(tmp_path) == [10, 20]
