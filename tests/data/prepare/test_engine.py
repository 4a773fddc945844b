"""Preparing: in order, in any number of processes, resumed, with what is unreadable set aside."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name
from tui_trainer.core.specs import DatasetSpec, Skipped, SourceFacts, Task
from tui_trainer.data.prepare import engine, split_writer
from tui_trainer.data.prepare.array_writer import ArrayWriter
from tui_trainer.data.prepare.engine import Preparation
from tui_trainer.data.prepare.measured_block import MeasuredBlock
from tui_trainer.data.prepare.source import (
    LEFT_OUT,
    SPLITS,
    Block,
    Facts,
    ReadTask,
    ReadySource,
    Source,
)
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import DatasetError
from tui_trainer.store.file_lock import locked

_REFERENCE = "folder:/made-up"
_SHAPE = (1, 4, 4)


def read_some(first: int, stop: int, bad: frozenset[int], marks: str = "") -> Block:
    """Images that hold their number; each reading is marked by a file of its own."""
    if marks:
        Path(marks, f"{first}-{os.getpid()}-{time.time_ns()}").touch()
    numbers = [n for n in range(first, stop) if n not in bad]
    images = np.zeros((len(numbers), *_SHAPE), np.uint8)
    images[:, 0, 0, 0] = [n % 251 for n in numbers]
    images[:, 0, 0, 1] = [n // 251 for n in numbers]
    skipped = tuple(Skipped(name=f"{n}.png", reason="torn") for n in range(first, stop) if n in bad)
    return Block(np.array(numbers, np.int64), images, skipped=skipped)


def make_source(
    count: int = 100,
    block: int = 8,
    *,
    bad: frozenset[int] = frozenset(),
    marks: str = "",
    is_heavy: bool = False,
    **changes: Any,
) -> Source:
    """Samples of two classes that take turns."""

    def read() -> Iterator[ReadTask]:
        for first in range(0, count, block):
            yield functools.partial(read_some, first, min(first + block, count), bad, marks)

    facts = Facts("image", "classification", _SHAPE, "made up", "tests", classes=("even", "odd"))
    values: dict[str, Any] = {
        "facts": facts,
        "labels_N": np.arange(count, dtype=np.int64) % 2,
        "read": read,
        "is_heavy": is_heavy,
    }
    return ReadySource(**values | changes)


def prepare(folder: Path, source: Source, processes: int = 1, **settings: Any) -> DatasetSpec:
    preparation = PreparationConfig(**settings)
    facts = SourceFacts(reference=_REFERENCE, preparation=preparation)
    name = prepared_name(_REFERENCE, preparation)
    return Preparation(folder, name, source, facts, processes).run(lambda done, total: None)


def numbers_in(folder: Path, spec: DatasetSpec, split: str) -> list[int]:
    """Which samples a split holds, in its order; their labels are checked."""
    images, labels = load_split(folder, spec.name, split)
    assert isinstance(images, np.ndarray)
    numbers = images[:, 0, 0, 0].astype(int) + 251 * images[:, 0, 0, 1].astype(int)
    assert (labels == numbers % 2).all()
    return [int(n) for n in numbers]


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(8, 60),
    block=st.integers(1, 20),
    bad=st.frozensets(st.integers(0, 59), max_size=4),
)
def test_every_readable_sample_is_in_one_split_in_order(
    tmp_path_factory: pytest.TempPathFactory, count: int, block: int, bad: frozenset[int]
) -> None:
    folder = tmp_path_factory.mktemp("data")
    bad = frozenset(n for n in bad if n < count)
    source = make_source(count, block, bad=bad)
    try:
        spec = prepare(folder, source, max_bad=1)
    except DatasetError as error:
        # Everything of a class or of a split was among the bad.
        assert "can be read" in error.message
        return
    found = {split: numbers_in(folder, spec, split) for split in spec.splits}
    assert all(numbers == sorted(numbers) for numbers in found.values())
    assert sorted(n for numbers in found.values() for n in numbers) == [
        n for n in range(count) if n not in bad
    ]
    assert spec.skipped_count == len(bad)


def test_one_process_and_several_prepare_the_same(tmp_path: Path) -> None:
    alone = prepare(tmp_path / "alone", make_source(200, 7, is_heavy=True), 1)
    several = prepare(tmp_path / "several", make_source(200, 7, is_heavy=True), 3)
    assert alone == several


def test_splits_of_the_source_are_kept(tmp_path: Path) -> None:
    splits_N = np.array([0, 0, 1, 1, 2, 2, -1, 0, 0, 1], np.int8)
    spec = prepare(tmp_path, make_source(10, 3, splits_N=splits_N), max_bad=1)
    assert {split: numbers_in(tmp_path, spec, split) for split in SPLITS} == {
        "train": [0, 1, 7, 8],
        "test": [2, 3, 9],
        "validation": [4, 5],
    }


def test_a_share_of_each_class_is_drawn_for_the_test(tmp_path: Path) -> None:
    spec = prepare(tmp_path, make_source(100), test=0.3)
    assert spec.splits["test"].class_counts == (15, 15)
    again = prepare(tmp_path / "again", make_source(100), test=0.3)
    assert numbers_in(tmp_path, spec, "test") == numbers_in(tmp_path / "again", again, "test")
    other = prepare(tmp_path, make_source(100), test=0.3, seed=1)
    assert numbers_in(tmp_path, spec, "test") != numbers_in(tmp_path, other, "test")


def test_what_cannot_be_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    spec = prepare(tmp_path, make_source(200, bad=frozenset({3, 77})))
    assert spec.skipped_count == 2
    listed = msgspec.json.decode((tmp_path / spec.name / "skipped.json").read_bytes())
    assert listed == [
        {"name": "3.png", "reason": "torn"},
        {"name": "77.png", "reason": "torn"},
    ]


def test_too_much_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"3\.png: torn") as caught:
        prepare(tmp_path, make_source(100, bad=frozenset({3, 4})))
    assert "--max-bad" in caught.value.hint
    assert not [folder for folder in tmp_path.iterdir() if not folder.name.startswith(".")]
    assert prepare(tmp_path, make_source(100, bad=frozenset({3, 4})), max_bad=0.02)


def test_too_much_that_cannot_be_read_is_an_error_however_often_it_is_tried(
    tmp_path: Path,
) -> None:
    """Also where the bad samples come last, and the second time nothing is left to read."""
    source = make_source(100, bad=frozenset({98, 99}))
    for _ in range(2):
        with pytest.raises(DatasetError, match="cannot be read"):
            prepare(tmp_path, source)


def test_equal_samples_in_both_splits_are_counted(tmp_path: Path) -> None:
    splits_N = np.array([0] * 255 + [1] * 10, np.int8)

    def read() -> Iterator[ReadTask]:
        yield functools.partial(read_twins, 265, 251)

    spec = prepare(tmp_path, make_source(265, splits_N=splits_N, read=read))
    assert spec.shared_count == 10


def read_twins(count: int, period: int) -> Block:
    images = np.zeros((count, *_SHAPE), np.uint8)
    images[:, 0, 0, 0] = np.arange(count) % period
    return Block(np.arange(count), images)


def test_what_was_read_before_a_break_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    source = make_source(80, 8, marks=str(marks), bad=frozenset({2}))
    calls = 0

    def break_off(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt

    preparation = PreparationConfig(max_bad=1)
    name = prepared_name(_REFERENCE, preparation)
    facts = SourceFacts(reference=_REFERENCE, preparation=preparation)
    with pytest.raises(KeyboardInterrupt):
        Preparation(tmp_path / "data", name, source, facts, 1).run(break_off)
    assert not (tmp_path / "data" / name).exists()
    before = {mark.name.split("-")[0] for mark in marks.iterdir()}
    assert before == {"0", "8", "16", "24"}
    spec = prepare(tmp_path / "data", source, max_bad=1)
    after = sorted(int(mark.name.split("-")[0]) for mark in marks.iterdir())
    assert after == list(range(0, 80, 8))
    whole = prepare(tmp_path / "whole", make_source(80, 8, bad=frozenset({2})), max_bad=1)
    assert spec == whole
    assert [folder.name for folder in (tmp_path / "data").iterdir()] == [name]


def test_a_break_of_another_preparation_is_not_gone_on_with(tmp_path: Path) -> None:
    def break_off(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    name = prepared_name(_REFERENCE, PreparationConfig())
    facts = SourceFacts(reference=_REFERENCE, preparation=PreparationConfig())
    with pytest.raises(KeyboardInterrupt):
        Preparation(tmp_path, name, make_source(80), facts, 1).run(break_off)
    said: list[str] = []
    work = Preparation(tmp_path, name, make_source(60), facts, 1)
    spec = work.run(lambda done, total: None, said.append)
    assert said == [
        "what was read before is not of the source as it is now: it is read from its start"
    ]
    assert sorted(n for split in spec.splits for n in numbers_in(tmp_path, spec, split)) == [
        *range(60)
    ]


def _prepare_and_be_killed(folder: Path) -> None:
    def kill(done: int, total: int) -> None:
        if done > 40:
            os.kill(os.getpid(), signal.SIGKILL)

    engine._KEPT_S = 0.0
    facts = SourceFacts(reference=_REFERENCE, preparation=PreparationConfig())
    name = prepared_name(_REFERENCE, PreparationConfig())
    Preparation(folder, name, make_source(80), facts, 1).run(kill)


def test_a_killed_preparation_goes_on_where_it_was(tmp_path: Path) -> None:
    child = multiprocessing.get_context("fork").Process(
        target=_prepare_and_be_killed, args=(tmp_path / "data",)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    spec = prepare(tmp_path / "data", make_source(80))
    assert spec == prepare(tmp_path / "whole", make_source(80))


def read_and_die(first: int) -> Block:
    os.kill(os.getpid(), signal.SIGKILL)
    return read_some(first, first + 1, frozenset())


def test_a_reader_that_is_killed_is_told(tmp_path: Path) -> None:
    def read() -> Iterator[ReadTask]:
        for first in range(10):
            yield functools.partial(read_and_die, first)

    with pytest.raises(DatasetError, match="was killed"):
        prepare(tmp_path, make_source(10, is_heavy=True, read=read), 2)


def test_a_disk_that_fills_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.write, 3000

    def write(descriptor: int, content: Any) -> int:
        nonlocal left
        left -= len(content)
        if left < 0:
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(DatasetError, match="No space left") as caught:
        prepare(tmp_path, make_source(200))
    assert "Free some space" in caught.value.hint
    monkeypatch.undo()
    assert not (tmp_path / prepared_name(_REFERENCE, PreparationConfig())).exists()
    spec = prepare(tmp_path, make_source(200))
    assert spec == prepare(tmp_path / "whole", make_source(200))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels_N": np.zeros(0, np.int64)}, "no sample"),
        ({"labels_N": np.zeros(100, np.int64)}, "is of class odd"),
        ({"labels_N": np.full(100, 2, np.int64)}, "must lie between 0 and 1"),
        ({"labels_N": np.full(100, -1, np.int64)}, "must lie between 0 and 1"),
        ({"labels_N": np.zeros((100, 2), np.uint8)}, "is not what a classification takes"),
        ({"splits_N": np.zeros(100, np.int8)}, "too few samples for a test split"),
        ({"splits_N": np.ones(100, np.int8)}, "too few samples for a train split"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_nothing_can_be_learnt_from_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        prepare(tmp_path, make_source(100, **changes))


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_labels_of_every_task_are_kept(tmp_path: Path, task: Task) -> None:
    generator = np.random.default_rng(0)
    if task == "multilabel":
        labels: Any = generator.integers(0, 2, (50, 3), dtype=np.uint8)
        names = {"classes": ("a", "b", "c")}
    else:
        labels = generator.normal(5, 2, (50, 3)).astype(np.float32)
        names = {"targets": ("a", "b", "c")}
    facts = Facts("image", task, _SHAPE, "made up", "tests", **names)
    spec = prepare(tmp_path, make_source(50, facts=facts, labels_N=labels))
    assert spec.num_outputs == 3
    stored = np.concatenate([load_split(tmp_path, spec.name, split)[1] for split in spec.splits])
    assert sorted(map(tuple, stored.tolist())) == sorted(map(tuple, labels.tolist()))
    train = load_split(tmp_path, spec.name, "train")[1]
    if task == "regression":
        assert np.allclose(spec.label_mean, train.mean(0), atol=1e-5)
        assert np.allclose(spec.label_std, train.std(0), atol=1e-5)
    else:
        assert spec.splits["train"].class_counts == tuple(train.sum(0))


def read_slowly(first: int) -> Block:
    time.sleep(0.01)
    return read_some(first, first + 1, frozenset())


def _prepare_in_several_processes(folder: Path, is_reading: Any) -> None:
    def read() -> Iterator[ReadTask]:
        for first in range(10_000):
            yield functools.partial(read_slowly, first)

    source = make_source(10_000, is_heavy=True, read=read)
    facts = SourceFacts(reference=_REFERENCE, preparation=PreparationConfig())
    with locked(folder / "lock"):
        work = Preparation(folder, "made-up-0", source, facts, 2)
        work.run(lambda done, total: is_reading.set() if done else None)


def test_readers_end_with_who_asked_and_leave_the_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    is_reading = context.Event()
    child = context.Process(target=_prepare_in_several_processes, args=(tmp_path, is_reading))
    child.start()
    assert is_reading.wait(60)
    child.kill()
    child.join()
    taken = threading.Event()

    def take() -> None:
        with locked(tmp_path / "lock"):
            taken.set()

    threading.Thread(target=take, daemon=True).start()
    assert taken.wait(60)


def test_what_is_gone_on_with_is_read_back_in_small_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large images, a few thousand together, would be more than the memory."""
    monkeypatch.setattr(engine, "_KEPT_S", 0.0)
    monkeypatch.setattr(split_writer, "_PIECE_BYTES", 50)

    def break_off(done: int, total: int) -> None:
        if done > 40:
            raise KeyboardInterrupt

    sizes: list[int] = []
    real = ArrayWriter.read_back

    def read_back(writer: ArrayWriter, start: int, stop: int) -> Any:
        sizes.append((stop - start) * writer.row_bytes)
        return real(writer, start, stop)

    facts = SourceFacts(reference=_REFERENCE, preparation=PreparationConfig())
    name = prepared_name(_REFERENCE, PreparationConfig())
    with pytest.raises(KeyboardInterrupt):
        Preparation(tmp_path, name, make_source(80), facts, 1).run(break_off)
    monkeypatch.setattr(ArrayWriter, "read_back", read_back)
    Preparation(tmp_path, name, make_source(80), facts, 1)._begin(print)
    assert sizes and max(sizes) <= 50


def test_a_break_right_after_a_block_does_not_read_it_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal may come when a block is written and not yet counted."""
    real = Preparation._append

    def append(work: Preparation, block: MeasuredBlock) -> None:
        real(work, block)
        if any(40 in part.numbers_B for part in block.parts):
            raise KeyboardInterrupt

    monkeypatch.setattr(engine, "_KEPT_S", 0.0)
    monkeypatch.setattr(Preparation, "_append", append)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "data", make_source(80))
    monkeypatch.undo()
    spec = prepare(tmp_path / "data", make_source(80))
    assert spec == prepare(tmp_path / "whole", make_source(80))


def test_a_source_that_gives_less_than_it_listed_is_refused(tmp_path: Path) -> None:
    def read() -> Iterator[ReadTask]:
        yield functools.partial(read_some, 0, 30, frozenset())

    with pytest.raises(DatasetError, match="40 samples were listed, but 30 came"):
        prepare(tmp_path, make_source(40, read=read))
    assert prepare(tmp_path, make_source(40))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_table_that_is_gone_on_with_has_the_same_moments(tmp_path: Path, processes: int) -> None:
    """To the last bit: they are part of what runs are compared by."""
    facts = Facts("table", "regression", (3,), "made up", "tests", targets=("t",))
    rows = np.random.default_rng(1).normal(3, 7, (500, 3)).astype(np.float32)

    def read() -> Iterator[ReadTask]:
        for first in range(0, 500, 7):
            stop = min(first + 7, 500)
            block = Block(np.arange(first, stop), rows[first:stop])
            yield functools.partial(_give, block)

    source = make_source(500, facts=facts, labels_N=rows[:, :1].copy(), read=read)

    def break_off(done: int, total: int) -> None:
        if done > 200:
            raise KeyboardInterrupt

    origin = SourceFacts(reference=_REFERENCE, preparation=PreparationConfig())
    name = prepared_name(_REFERENCE, PreparationConfig())
    with pytest.raises(KeyboardInterrupt):
        Preparation(tmp_path / "data", name, source, origin, processes).run(break_off)
    spec = prepare(tmp_path / "data", source, processes)
    assert spec == prepare(tmp_path / "whole", source)


def _give(block: Block) -> Block:
    return block


def read_or_lose(first: int, stop: int, lost: int) -> Block:
    """Images, but a file of the system's telling where `lost` is among them."""
    if first <= lost < stop:
        raise FileNotFoundError(2, "No such file or directory", "/share/part-3.h5")
    return read_some(first, stop, frozenset())


@pytest.mark.parametrize("processes", [1, 2])
def test_a_source_that_goes_away_is_told_as_that_and_gone_on_with(
    tmp_path: Path, processes: int
) -> None:
    def read(lost: int = 50) -> Iterator[ReadTask]:
        for first in range(0, 100, 8):
            yield functools.partial(read_or_lose, first, min(first + 8, 100), lost)

    source = make_source(100, is_heavy=True, read=read)
    with pytest.raises(DatasetError, match=r"^/share/part-3\.h5 cannot be read") as caught:
        prepare(tmp_path / "data", source, processes)
    assert "go on" in caught.value.hint and "--data-dir" not in caught.value.hint
    back = make_source(100, is_heavy=True, read=functools.partial(read, -1))
    assert prepare(tmp_path / "data", back, processes) == prepare(tmp_path / "whole", back)


def test_a_source_whose_blocks_cannot_be_found_is_told_as_that(tmp_path: Path) -> None:
    def read() -> Iterator[ReadTask]:
        yield functools.partial(read_some, 0, 8, frozenset())
        raise OSError(5, "Input/output error", "/share/table.csv")

    with pytest.raises(DatasetError, match=r"^/share/table\.csv cannot be read: Input/output"):
        prepare(tmp_path, make_source(100, read=read))


@pytest.mark.parametrize(("unreadable", "is_allowed"), [(10, True), (11, False)])
def test_what_was_left_out_while_listing_counts_once(
    tmp_path: Path, unreadable: int, is_allowed: bool
) -> None:
    """Of 100 samples a tenth may be bad; those left out have a number and are listed as well."""
    splits_N = np.array([0, 0, 1, 1] * 25, np.int8)
    splits_N[1:11:2] = LEFT_OUT
    left_out = tuple(Skipped(name=f"{n}.png", reason="torn") for n in range(1, 11, 2))
    bad = frozenset(range(1, 11, 2)) | frozenset(range(20, 20 + unreadable - 5))

    def read() -> Iterator[ReadTask]:
        for first in range(0, 100, 10):
            yield functools.partial(read_but_left_out, first, first + 10, bad, left_out)

    source = make_source(100, splits_N=splits_N, skipped=left_out, read=read)
    seen: list[tuple[int, int]] = []
    preparation = PreparationConfig(max_bad=0.1)
    name = prepared_name(_REFERENCE, preparation)
    facts = SourceFacts(reference=_REFERENCE, preparation=preparation)
    work = Preparation(tmp_path, name, source, facts, 1)
    if is_allowed:
        assert work.run(lambda done, total: seen.append((done, total))).skipped_count == 10
        assert seen[-1] == (100, 100)
    else:
        with pytest.raises(DatasetError, match="of the first samples of 100 cannot be read"):
            work.run(lambda done, total: None)


def read_but_left_out(
    first: int, stop: int, bad: frozenset[int], left_out: tuple[Skipped, ...]
) -> Block:
    """What is listed as left out is not told again."""
    block = read_some(first, stop, bad)
    told = tuple(one for one in block.skipped if one not in left_out)
    return dataclasses.replace(block, skipped=told)


def read_or_hang(first: int, hangs_from: int) -> Block:
    while first >= hangs_from:
        time.sleep(1)
    return read_some(first, first + 1, frozenset())


def test_readers_are_killed_at_once_where_it_is_broken_off(tmp_path: Path) -> None:
    """They would have gone on for ever; what was read before is kept."""

    def read(hangs_from: int = 20) -> Iterator[ReadTask]:
        for first in range(40):
            yield functools.partial(read_or_hang, first, hangs_from)

    def break_off(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    others = set(multiprocessing.active_children())
    source = make_source(40, is_heavy=True, read=read)
    facts = SourceFacts(reference=_REFERENCE, preparation=PreparationConfig())
    name = prepared_name(_REFERENCE, PreparationConfig())
    with pytest.raises(KeyboardInterrupt):
        Preparation(tmp_path / "data", name, source, facts, 2).run(break_off)
    deadline = time.monotonic() + 60
    while set(multiprocessing.active_children()) - others:
        assert time.monotonic() < deadline, "a reader is still there"
        time.sleep(0.01)
    counts: list[int] = []
    again = make_source(40, is_heavy=True, read=functools.partial(read, 40))
    spec = Preparation(tmp_path / "data", name, again, facts, 2).run(
        lambda done, total: counts.append(done)
    )
    assert counts[0] == 10
    assert spec == prepare(tmp_path / "whole", again)
