"""Arrays made by hand, whose hashes are right: what a model could not take is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.data.prepare.making import make_dataset
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data import stored_values
from tui_trainer.data.prepare.source import Facts
from tui_trainer.data.prepared import load_split
from tui_trainer.data.stored_values import check_values, label_rule, offset_rule
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import read_spec, remember_verified

COUNT = 20
CLASSES = ("a", "b", "c")


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the arrays below count as large."""
    if request.param == "large":
        monkeypatch.setattr(stored_values, "_QUICK_BYTES", 0)
        monkeypatch.setattr(stored_values, "_PIECE_ROWS", 3)
    return str(request.param)


def make(data_dir: Path, task: str) -> DatasetSpec:
    """A table, or of the task "texts" texts of 1 to 4 tokens below 10."""
    labels: Any = np.arange(COUNT) % 3
    table = np.arange(2 * COUNT, dtype=np.float32).reshape(COUNT, 2)
    match task:
        case "texts":
            facts = Facts("tokens", "classification", (4,), "made", "made", CLASSES, vocabulary=10)
            lengths = [1 + n % 4 for n in range(COUNT)]
            tokens = np.arange(sum(lengths), dtype=np.int32) % 10
            return make_dataset(data_dir, facts, tokens, labels, lengths=lengths)
        case "multilabel":
            facts = Facts("table", "multilabel", (2,), "made", "made", CLASSES)
            labels = (np.arange(COUNT)[:, None] >> np.arange(3) & 1).astype(np.uint8)
        case "regression":
            facts = Facts("table", "regression", (2,), "made", "made", targets=("x",))
            labels = np.arange(COUNT, dtype=np.float32)[:, None]
        case _:
            facts = Facts("table", "classification", (2,), "made", "made", CLASSES)
    return make_dataset(data_dir, facts, table, labels)


def forge(data_dir: Path, spec: DatasetSpec, part: str, change: Callable[[Any], object]) -> None:
    """Change an array of the training split, and the manifest and the note of hashes with it."""
    folder, train = data_dir / spec.name, spec.splits["train"]
    file = folder / getattr(train, part).file
    array = np.load(file)
    change(array)
    np.save(file, array)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    changed = msgspec.structs.replace(getattr(train, part), sha256=sha256)
    splits = spec.splits | {"train": msgspec.structs.replace(train, **{part: changed})}
    forged = msgspec.structs.replace(spec, splits=splits)
    (folder / "dataset.json").write_bytes(msgspec.json.encode(forged))
    remember_verified(folder, forged)


def put(place: Any, value: float) -> Callable[[Any], object]:
    return lambda array: array.__setitem__(place, value)


@pytest.mark.parametrize(
    ("task", "part", "place", "value", "told"),
    [
        ("classification", "labels", 3, 3, "labels run from 0 to 3, but must lie between 0 and 2"),
        ("classification", "labels", 0, -1, "labels run from -1 to 2"),
        ("classification", "labels", 0, -(1 << 63), "labels run from -9223372036854775808"),
        ("classification", "labels", -1, 1 << 62, "labels run from 0 to 4611686018427387904"),
        ("multilabel", "labels", (5, 2), 2, "labels run from 0 to 2, but must lie between 0 and 1"),
        ("regression", "labels", (7, 0), np.nan, "not finite"),
        ("regression", "labels", (7, 0), np.inf, "not finite"),
        ("regression", "labels", (0, 0), -np.inf, "not finite"),
        ("texts", "labels", 2, 3, "labels run"),
        ("texts", "inputs", 0, 10, "tokens run from 0 to 10, but must lie between 0 and 9"),
        ("texts", "inputs", -1, -1, "tokens run from -1"),
        ("texts", "inputs", 5, (1 << 31) - 1, "tokens run"),
        ("texts", "offsets", 0, 1, "do not divide"),
        ("texts", "offsets", -1, 1, "do not divide"),
        ("texts", "offsets", 4, 0, "texts that have not 0 to 4 tokens"),
        ("texts", "offsets", 4, 1 << 62, "texts that have not 0 to 4 tokens"),
        ("texts", "offsets", 5, -(1 << 62), "texts that have not 0 to 4 tokens"),
        # None is out of place, but one text is longer than the manifest tells.
        ("texts", "offsets", 4, 11, "texts that have not 0 to 4 tokens"),
    ],
)
@pytest.mark.usefixtures("size")
def test_what_a_model_could_not_take_is_refused(
    tmp_path: Path, task: str, part: str, place: Any, value: float, told: str
) -> None:
    spec = make(tmp_path, task)
    for _ in range(2):
        load_split(tmp_path, spec.name, "train")
    forge(tmp_path, spec, part, put(place, value))
    for _ in range(2):
        with pytest.raises(DatasetError, match="is damaged") as caught:
            load_split(tmp_path, spec.name, "train")
        assert told in caught.value.message
        assert f"tuitrain data get {spec.name}" in caught.value.hint
    load_split(tmp_path, spec.name, "test")


def test_large_arrays_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_values, "_QUICK_BYTES", 0)
    spec = make(tmp_path, "classification")
    folder, labels = tmp_path / spec.name, spec.splits["train"].labels
    array, looked_at = np.load(folder / labels.file), []

    def look(values: Any) -> str:
        looked_at.append(len(values))
        return ""

    rule = stored_values.Rule("good", look)
    for _ in range(3):
        check_values(folder, labels, array, rule)
    assert len(looked_at) == 1
    (folder / labels.file).touch()
    check_values(folder, labels, array, rule)
    assert len(looked_at) == 2


@pytest.mark.parametrize("note", [b"", b"[]", b'{"train-labels.npy": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_note_costs_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: bytes
) -> None:
    monkeypatch.setattr(stored_values, "_QUICK_BYTES", 0)
    spec = make(tmp_path, "texts")
    (tmp_path / spec.name / "checked.json").write_bytes(note)
    load_split(tmp_path, spec.name, "train")
    noted = msgspec.json.decode((tmp_path / spec.name / "checked.json").read_bytes())
    assert len(noted) == 3


def test_a_note_of_another_rule_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest may be changed to tell of fewer classes, and of the same files."""
    monkeypatch.setattr(stored_values, "_QUICK_BYTES", 0)
    spec = make(tmp_path, "classification")
    load_split(tmp_path, spec.name, "train")
    fewer = msgspec.structs.replace(spec, classes=CLASSES[:2])
    with pytest.raises(DatasetError, match="between 0 and 1"):
        load_split(tmp_path, spec.name, "train", fewer)


@given(
    hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(-3, 9)),
    st.integers(1, 6),
)
def test_offsets_pass_if_and_only_if_they_divide_the_tokens(steps: Any, longest: int) -> None:
    offsets = np.cumsum([0, *steps])
    spec = msgspec.structs.replace(_SPEC, shape=(longest,))
    is_sound = all(0 <= step <= longest for step in steps)
    assert (not offset_rule(spec, int(offsets[-1])).find_flaw(offsets)) == is_sound


_SPEC = DatasetSpec(
    name="x",
    title="",
    kind="tokens",
    shape=(4,),
    classes=CLASSES,
    mean=(),
    std=(),
    splits={},
    origin="",
)


@given(hnp.arrays(np.int64, st.integers(1, 20)))
def test_labels_pass_if_and_only_if_each_is_a_class(labels: Any) -> None:
    is_sound = all(0 <= label < len(CLASSES) for label in labels.tolist())
    assert (not label_rule(_SPEC).find_flaw(labels)) == is_sound


def test_what_was_prepared_here_is_read(tmp_path: Path) -> None:
    for task in ("classification", "multilabel", "regression", "texts"):
        spec = make(tmp_path / task, task)
        assert read_spec(tmp_path / task, spec.name) == spec
        for split in spec.splits:
            load_split(tmp_path / task, spec.name, split)
