"""Choices on disk: what was chosen comes back, and no damage matters."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.dashboard.preferences import PreferenceKeeper
from tui_trainer.store.preferences import (
    FILE,
    Preferences,
    read_preferences,
    write_preferences,
)

CHOSEN = {
    "theme": "light", "smoothing": 3, "log": False, "x_kind": "wall", "metrics": {"loss": "lr"},
    "sizes": {"2x2": ((60.0, 40.0), (20.0, 22.0))}, "page": 2, "sort": "best", "reverse": True,
}  # fmt: skip


def test_what_was_chosen_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "tuitrain"
    assert read_preferences(folder) == Preferences()
    written = write_preferences(folder, CHOSEN)
    assert read_preferences(folder) == written == Preferences(**CHOSEN)
    assert set(CHOSEN) == {field.name for field in msgspec.structs.fields(Preferences)}
    assert (folder / FILE).stat().st_mode & 0o077 == 0
    assert [file.name for file in folder.iterdir()] == [FILE]


def test_a_keeper_that_only_reads_goes_by_new_choices_and_writes_none(tmp_path: Path) -> None:
    write_preferences(tmp_path, {"theme": "light"})
    keeper = PreferenceKeeper(tmp_path, only_reads=True)
    assert keeper.current.theme == "light"
    keeper.change(theme="dark")
    assert (keeper.current.theme, keeper.write(keeper.take_changes())) == ("dark", "")
    assert read_preferences(tmp_path).theme == "light"


def test_a_choice_leaves_those_of_another_dashboard_alone(tmp_path: Path) -> None:
    first, second = PreferenceKeeper(tmp_path), PreferenceKeeper(tmp_path)
    first.change(theme="light")
    second.change(smoothing=5)
    for keeper in (first, second):
        assert keeper.write(keeper.take_changes()) == ""
    assert read_preferences(tmp_path) == Preferences(theme="light", smoothing=5)
    assert second.current == Preferences(smoothing=5)


def test_a_choice_made_again_is_not_written(tmp_path: Path) -> None:
    keeper = PreferenceKeeper(tmp_path)
    keeper.change(page=None, theme="")
    assert not keeper.take_changes()


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("damage", [[], {"a": {}}, -1, 10**30, "x" * 1000, 1.5])
def test_a_damaged_choice_counts_as_not_made_and_the_others_stand(
    tmp_path: Path, name: str, damage: Any
) -> None:
    (tmp_path / FILE).write_text(json.dumps(CHOSEN | {name: damage, "of a later version": 1}))
    others = {key: value for key, value in CHOSEN.items() if key != name}
    assert read_preferences(tmp_path) == Preferences(**others)


@given(st.binary(max_size=300) | st.just(b"[" * 100_000))
def test_no_content_of_the_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / FILE).write_bytes(content)
    assert isinstance(read_preferences(folder), Preferences)
    write_preferences(folder, {"theme": "dark"})
    assert read_preferences(folder).theme == "dark"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    assert read_preferences(tmp_path) == Preferences()
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert read_preferences(tmp_path) == Preferences()


def test_a_folder_that_cannot_be_made_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keeper = PreferenceKeeper(tmp_path / "file" / "state")
    keeper.change(theme="light")
    assert "not remembered" in keeper.write(keeper.take_changes())
    keeper.change(theme="dark")
    assert keeper.write(keeper.take_changes()) == ""
    assert keeper.current.theme == "dark"
