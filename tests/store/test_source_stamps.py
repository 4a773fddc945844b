"""Stamps of a source's files: none that changed is missed, none that stayed is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_trainer.store.source_stamps import ABSENT, any_differs, list_stamps, stamp_present

# What may stand in a path on Linux, bytes that are no UTF-8 included.
NAMES = (
    st.binary(min_size=1, max_size=20)
    .filter(lambda name: not {0, ord("/")} & set(name) and name not in (b".", b".."))
    .map(os.fsdecode)
)


def stamp_all(paths: list[Path]) -> bytes:
    return list_stamps((str(path), stamp_present(path)) for path in paths)


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b 1 2"]), NAMES), min_size=1, unique=True),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_whichever_file_changes_it_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[str, str]], data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("source")
    # A digit or a slash at the front of a name is no record of another kind.
    paths = [root / "files" / folder / f"x{name}" for folder, name in places]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"before")
    records = stamp_all(paths)
    assert not any_differs(records)
    assert not any_differs(records + records)
    chosen = data.draw(st.sampled_from(paths))
    match data.draw(st.sampled_from(["longer", "later", "gone", "folder"])):
        case "longer":
            chosen.write_bytes(b"after it")
        case "later":
            os.utime(chosen, ns=(0, chosen.stat().st_mtime_ns + 1))
        case "gone":
            chosen.unlink()
        case "folder":
            chosen.unlink()
            chosen.mkdir()
    assert any_differs(records)
    assert any_differs(stamp_all(paths[:0]) + records)
    shutil.rmtree(root)
    assert not any_differs(records)


def test_what_was_missing_is_noticed_once_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "later.png"
    records = stamp_all([file])
    assert stamp_present(file) == ABSENT
    assert not any_differs(records)
    file.touch()
    assert any_differs(records)


@pytest.mark.parametrize("records", [b"1 2\0", b"a b c\0", b"\0", b"-1 -1 \xff\0x\0"])
def test_what_is_no_list_is_told(records: bytes) -> None:
    with pytest.raises(ValueError):
        any_differs(b"/tmp\0" + records)
