"""Initial weights: safe to read from any file, and every key that is not loaded is named."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torch.optim import SGD

from tui_trainer.checkpoints.initial import (
    InitialWeightsError,
    InitReport,
    load_initial,
    read_weights,
)
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import EpochTotals, Fingerprint, TrainingState
from tui_trainer.checkpoints.write import save_checkpoint
from tui_trainer.errors import ExitStatus


def _model(seed: int = 0, classes: int = 3) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, classes))


def _same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(left[k].equal(right[k]) for k in left)


_NESTINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "best": torch.tensor(0.9)},
    "model_state_dict": lambda state: {"model_state_dict": state, "optimizer": {"lr": 0.1}},
    "model": lambda state: {"model": state, "args": ["x"]},
    "both": lambda state: {"model": {"state_dict": state}},
    "extra": lambda state: {**state, "0._extra_state": b"x"},
}


@pytest.mark.parametrize("nesting", _NESTINGS)
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".PT", ".ckpt"])
def test_what_torch_saved_is_read(tmp_path: Path, nesting: str, suffix: str) -> None:
    state, file = _model().state_dict(), tmp_path / f"weights{suffix}"
    torch.save(_NESTINGS[nesting](state), file)
    assert _same(read_weights(file), state)


def test_the_old_format_of_torch_is_read(tmp_path: Path) -> None:
    state, file = _model().state_dict(), tmp_path / "weights.pt"
    torch.save(state, file, _use_new_zipfile_serialization=False)
    assert _same(read_weights(file), state)


def test_safetensors_are_read(tmp_path: Path) -> None:
    state, file = _model().state_dict(), tmp_path / "weights.safetensors"
    save_file(state, file)
    assert _same(read_weights(file), state)


def _checkpoint(folder: Path, model: nn.Module, averaged: dict[str, Tensor] | None) -> Path:
    state = TrainingState(
        step=7,
        steps_per_epoch=7,
        lr_scale=1.0,
        best=None,
        totals=EpochTotals(),
        fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
        average_count=0 if averaged is None else 7,
    )
    optimizer = SGD(model.parameters(), lr=0.1)
    return folder / save_checkpoint(folder, take_snapshot(model, optimizer, state, averaged)).folder


def test_a_checkpoint_of_a_run_is_read(tmp_path: Path) -> None:
    plain, averaged = _model(), _model(1).state_dict()
    folder = _checkpoint(tmp_path / "plain", plain, None)
    assert _same(read_weights(folder), plain.state_dict())
    folder = _checkpoint(tmp_path / "averaged", plain, averaged)
    assert _same(read_weights(folder), averaged)
    assert _same(read_weights(folder / "averaged.safetensors"), averaged)
    assert _same(read_weights(folder / "model.safetensors"), plain.state_dict())


def test_a_checkpoint_is_hashed_before_its_weights_are_used(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, _model(), None)
    body = bytearray((folder / "model.safetensors").read_bytes())
    body[-1] ^= 1
    (folder / "model.safetensors").write_bytes(body)
    for file in (folder, folder / "model.safetensors"):
        with pytest.raises(InitialWeightsError, match="not as it was written"):
            read_weights(file)


class _Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.file,)


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_file_is_never_run(tmp_path: Path, new_format: bool) -> None:
    mark, file = tmp_path / "mark", tmp_path / "weights.pt"
    content = {"state_dict": _model().state_dict(), "hook": _Evil(str(mark))}
    torch.save(content, file, _use_new_zipfile_serialization=new_format)
    _refuses(file, "could run code")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(_Evil(str(mark))))
    _refuses(tmp_path / "raw.pt", "weights")
    assert not mark.exists()


def test_a_whole_model_is_not_unpickled(tmp_path: Path) -> None:
    torch.save(_model(), tmp_path / "model.pt")
    _refuses(tmp_path / "model.pt", "could run code")


def test_a_torchscript_archive_is_not_run(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), buffer)  # type: ignore[no-untyped-call]
    (tmp_path / "script.pt").write_bytes(buffer.getvalue())
    _refuses(tmp_path / "script.pt", "TorchScript")


def _refuses(file: Path, reason: str) -> None:
    with pytest.raises(InitialWeightsError, match=reason) as caught:
        read_weights(file)
    assert caught.value.hint
    assert caught.value.exit_status is ExitStatus.USAGE
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(".")
    assert not caught.value.message.endswith("..")


def _safetensors(
    header: dict[str, Any] | bytes, body: bytes, *, length: int | None = None
) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


_ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}

_BROKEN = {
    "empty": b"",
    "short": b"\x08",
    "header of another length": _safetensors({"w": _ENTRY}, bytes(8), length=1 << 62),
    "no JSON": _safetensors(b"{{{{", bytes(8)),
    "cut": save({"w": torch.ones(100)})[:-1],
    "more than it says": save({"w": torch.ones(100)}) + b"x",
    "a shape that lies": _safetensors({"w": _ENTRY | {"shape": [1 << 40]}}, bytes(8)),
    "a shape that overflows": _safetensors({"w": _ENTRY | {"shape": [1 << 33, 1 << 33]}}, bytes(8)),
    "offsets that lie": _safetensors({"w": _ENTRY | {"data_offsets": [0, 1 << 40]}}, bytes(8)),
    "offsets backwards": _safetensors({"w": _ENTRY | {"data_offsets": [8, 0]}}, bytes(8)),
    "an unknown type": _safetensors({"w": _ENTRY | {"dtype": "F99"}}, bytes(8)),
}


@pytest.mark.parametrize("fault", _BROKEN)
def test_broken_safetensors_are_refused(tmp_path: Path, fault: str) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(_BROKEN[fault])
    _refuses(file, "cannot be read")


@pytest.mark.parametrize("new_format", [True, False])
def test_a_truncated_pickle_is_refused(tmp_path: Path, new_format: bool) -> None:
    file = tmp_path / "weights.pt"
    torch.save(_model().state_dict(), file, _use_new_zipfile_serialization=new_format)
    whole = file.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 50)):
        file.write_bytes(whole[:length])
        _refuses(file, "weights")


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    """The pickle says 2×3 where its file holds 3 numbers."""
    file = tmp_path / "weights.pt"
    tensor = torch.zeros(3)
    torch.save({"w": tensor}, file)
    whole = file.read_bytes()
    # BININT1 3, TUPLE1: the size; the checksum of the archive's entry is not looked at.
    lying = whole.replace(b"K\x03\x85", b"K\xff\x85")
    assert lying != whole
    file.write_bytes(lying)
    _refuses(file, "cannot be read")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0), bit=st.integers(0, 7), kind=st.sampled_from(["new", "old", "safe"]))
def test_a_flipped_bit_is_read_or_refused_but_no_more(
    tmp_path: Path, position: int, bit: int, kind: str
) -> None:
    file = tmp_path / f"weights.{'safetensors' if kind == 'safe' else 'pt'}"
    state = nn.Linear(2, 2).state_dict()
    if kind == "safe":
        save_file(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=kind == "new")
    body = bytearray(file.read_bytes())
    body[position % len(body)] ^= 1 << bit
    file.write_bytes(body)
    try:
        tensors = read_weights(file)
        load_initial(nn.Linear(2, 2), tensors)
    except InitialWeightsError as error:
        assert error.hint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([torch.zeros(2)], "holds a list"),
        (torch.zeros(2), "holds a Tensor"),
        ({}, "holds no weights"),
        ({"state_dict": OrderedDict()}, "holds no weights"),
        ({"w": torch.zeros(2), "epoch": 3}, "'epoch' is a int"),
        ({"state_dict": {"w": [1.0]}}, "'w' is a list"),
        ({3: torch.zeros(2)}, "3 is a Tensor"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: Any, reason: str) -> None:
    torch.save(content, tmp_path / "weights.pt")
    _refuses(tmp_path / "weights.pt", reason)


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path) -> None:
    _refuses(tmp_path / "none.pt", "does not exist")
    _refuses(tmp_path, "folder without a checkpoint")
    (tmp_path / "table.csv").write_text("1,2")
    _refuses(tmp_path / "table.csv", "no kind")
    os.mkfifo(tmp_path / "pipe.pt")
    _refuses(tmp_path / "pipe.pt", "no regular file")
    (tmp_path / "loop.pt").symlink_to(tmp_path / "loop.pt")
    _refuses(tmp_path / "loop.pt", "loop.pt")


def test_everything_is_loaded_where_all_fits() -> None:
    model, state = _model(0), _model(1).state_dict()
    report = load_initial(model, state)
    assert _same(dict(model.state_dict()), dict(state))
    assert report == InitReport(
        loaded=tuple(state), stripped=(), missing=(), unexpected=(), misfits=(), non_finite=()
    )
    assert report.lines == [f"{len(state)} of the model's {len(state)} tensors loaded"]
    assert report.warnings == []


def test_every_key_that_is_not_loaded_is_named() -> None:
    model, before = _model(0, classes=5), _model(0, classes=5).state_dict()
    state = {f"module.{name}": value for name, value in _model(1).state_dict().items()}
    del state["module.0.bias"]
    state |= {"module.aux.weight": torch.zeros(2), "1.running_var": torch.ones(2, dtype=torch.int)}
    report = load_initial(model, state)
    assert report.missing == ("0.bias",)
    assert report.unexpected == ("module.1.running_var", "module.aux.weight")
    assert report.misfits == (
        "1.running_var (int32 in the file, float32 in the model)",
        "2.weight (3×2 in the file, 5×2 in the model)",
        "2.bias (3 in the file, 5 in the model)",
    )
    told = "\n".join([*report.lines, *report.warnings])
    assert "5 of the model's 9 tensors loaded, module. taken off their names" in told
    for name in (*report.missing, *report.unexpected, *report.misfits):
        assert name in told
    for name, value in model.state_dict().items():
        expected = state[f"module.{name}"] if name in report.loaded else before[name]
        assert value.equal(expected), name


_shapes = st.lists(st.integers(1, 3), max_size=2).map(tuple)
_states = st.dictionaries(st.sampled_from("abcdef"), _shapes, min_size=1)


@given(_states, _states)
def test_a_report_leaves_out_nothing(
    ours: dict[str, tuple[int, ...]], theirs: dict[str, tuple[int, ...]]
) -> None:
    model = nn.ParameterDict({name: torch.zeros(shape) for name, shape in ours.items()})
    tensors = {name: torch.ones(shape) for name, shape in theirs.items()}
    fitting = {name for name in ours if theirs.get(name) == ours[name]}
    if not fitting:
        with pytest.raises(InitialWeightsError, match="None of the weights"):
            load_initial(model, tensors)
        return
    report = load_initial(model, tensors)
    assert set(report.loaded) == fitting
    assert {*report.missing} == ours.keys() - theirs.keys()
    assert {*report.unexpected} == theirs.keys() - ours.keys()
    assert {name.partition(" ")[0] for name in report.misfits} == (
        (ours.keys() & theirs.keys()) - fitting
    )
    assert all((value == float(name in fitting)).all() for name, value in model.items())


def test_long_lists_are_told_whole() -> None:
    tensors = {f"w{n}": torch.zeros(1) for n in range(1000)} | {"0.bias": torch.zeros(2)}
    lines = load_initial(_model(), tensors).lines
    assert max(map(len, lines)) < 1000
    told = {name.strip() for line in lines for name in line.partition(": ")[2].split(",")}
    assert tensors.keys() - {"0.bias"} <= told


def test_names_in_a_file_reach_no_terminal_as_they_are() -> None:
    tensors = {"\x1b[2J\nevil" + "x" * 10_000: torch.zeros(1), "0.bias": torch.zeros(2)}
    lines = load_initial(_model(), tensors).lines
    assert not any("\x1b" in line or "\n" in line or len(line) > 1000 for line in lines)


def test_numbers_that_are_not_finite_are_warned_of() -> None:
    state = _model(1).state_dict()
    state["2.bias"][1] = torch.nan
    state["0.weight"][0] = -torch.inf
    state["1.weight"] = torch.full((2,), 1e300, dtype=torch.float64)
    report = load_initial(_model(), state)
    assert report.warnings == ["3 initial weights hold NaN or infinity: 0.weight, 1.weight, 2.bias"]


def test_infinities_that_the_model_has_itself_are_no_fault() -> None:
    model = _model()
    model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    assert load_initial(model, model.state_dict()).warnings == []


def test_other_precisions_are_converted() -> None:
    model, state = (
        _model(0),
        {k: v.to(torch.bfloat16) for k, v in _model(1)[0].state_dict().items()},
    )
    load_initial(model, {f"0.{name}": value for name, value in state.items()})
    assert model[0].weight.dtype == torch.float32
    assert model[0].weight.equal(state["weight"].float())


@pytest.mark.parametrize(
    "odd",
    [
        torch.zeros(2).to_sparse(),
        torch.zeros(2, device="meta"),
    ],
    ids=["sparse", "meta"],
)
def test_tensors_of_unusual_kinds_do_not_fit(odd: Tensor) -> None:
    report = load_initial(_model(), {"0.bias": odd, "2.bias": torch.ones(3)})
    assert report.misfits == ("0.bias (no plain tensor in the file)",)


def test_nothing_that_fits_is_an_error() -> None:
    before = _model().state_dict()
    model = _model()
    with pytest.raises(
        InitialWeightsError, match=r"has fc\.weight; the model has 0\.weight, 0\.bias"
    ):
        load_initial(model, {"fc.weight": torch.zeros(2)})
    with pytest.raises(InitialWeightsError, match="3 in the file, 2 in the model"):
        load_initial(model, {"0.bias": torch.zeros(3)})
    assert _same(dict(model.state_dict()), dict(before))
