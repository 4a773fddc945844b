"""Preparations that were cut off: found, told of and deleted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name
from tui_trainer.core.specs import Skipped
from tui_trainer.data.prepare import prepare_dataset
from tui_trainer.data.prepare.progress_file import Progress, write_progress
from tui_trainer.data.prepare.split_writer import Reached
from tui_trainer.store.datasets import lock_of
from tui_trainer.store.file_lock import locked
from tui_trainer.store.unfinished import (
    Beginning,
    find_unfinished,
    list_unfinished,
    note_beginning,
    remove_unfinished,
)

_WAY = PreparationConfig(size=8)


def begin(data_dir: Path, reference: str = "folder:/pets", total: int = 40) -> str:
    """A preparation that was cut off after 13 samples."""
    name = prepared_name(reference, _WAY)
    note_beginning(data_dir, name, Beginning(reference=reference, preparation=_WAY, total=total))
    progress = Progress(
        identity="x",
        blocks=2,
        reached={"train": Reached(samples=8), "test": Reached(samples=4)},
        skipped=(Skipped(name="a", reason="b"),),
    )
    write_progress(data_dir / f".unfinished-{name}", progress)
    return name


def test_it_is_told_of_what_it_is_and_how_far(tmp_path: Path) -> None:
    name = begin(tmp_path)
    (tmp_path / ".originals" / "mnist").mkdir(parents=True)
    (tmp_path / ".originals" / "mnist" / "images.gz").write_bytes(bytes(100))
    first, second = list_unfinished(tmp_path)
    assert (first.name, first.beginning, first.samples, first.size_bytes) == ("mnist", None, 0, 100)
    assert second.name == name and second.samples == 13 and second.size_bytes > 100
    assert second.beginning == Beginning(reference="folder:/pets", preparation=_WAY, total=40)
    assert list_unfinished(tmp_path / "nowhere") == []


def test_nothing_was_begun_where_nothing_was_had(tmp_path: Path) -> None:
    (tmp_path / ".originals" / "mnist" / "mnist").mkdir(parents=True)
    assert list_unfinished(tmp_path) == []
    with locked(lock_of(tmp_path, "mnist")):
        assert [one.name for one in list_unfinished(tmp_path)] == ["mnist"]


def test_a_damaged_note_is_nothing_known(tmp_path: Path) -> None:
    name = begin(tmp_path)
    for file in (tmp_path / f".unfinished-{name}").iterdir():
        file.write_bytes(b"\xff{")
    (one,) = list_unfinished(tmp_path)
    assert (one.beginning, one.samples) == (None, 0)


def test_it_is_found_by_its_name_and_by_what_it_is_of(tmp_path: Path) -> None:
    name = begin(tmp_path)
    for text in (name, "folder:/pets", "folder:pets"):
        found = find_unfinished(tmp_path, text, Path("/"))
        assert found is not None and found.name == name
    for text in ("folder:/other", "mnist", "pets", "folder:", ""):
        assert find_unfinished(tmp_path, text, Path("/")) is None


def test_it_is_deleted_once_nobody_is_at_it(tmp_path: Path) -> None:
    name = begin(tmp_path)
    is_waiting = threading.Event()
    thread = threading.Thread(target=remove_unfinished, args=(tmp_path, name, is_waiting.set))
    with locked(lock_of(tmp_path, name)):
        (one,) = list_unfinished(tmp_path)
        assert one.is_running
        thread.start()
        assert is_waiting.wait(20)
        assert (tmp_path / f".unfinished-{name}").exists()
    thread.join(20)
    assert list_unfinished(tmp_path) == []


def test_a_preparation_leaves_a_note_while_it_goes_on_and_none_after(tmp_path: Path) -> None:
    table = tmp_path / "ages.csv"
    table.write_text("age,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20)))
    seen = []

    def report(done: int, total: int) -> None:
        seen.extend(list_unfinished(tmp_path / "data"))
        if not done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(tmp_path / "data", f"csv:{table}", report=report)
    (one,) = list_unfinished(tmp_path / "data")
    assert one.beginning is not None and one.beginning.total == 20
    assert seen[0].is_running and not one.is_running
    prepare_dataset(tmp_path / "data", f"csv:{table}")
    assert list_unfinished(tmp_path / "data") == []
    assert [path.name for path in (tmp_path / "data").iterdir()] == [one.name]
