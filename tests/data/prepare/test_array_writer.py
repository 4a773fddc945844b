"""Arrays that grow at their end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.data.prepare.array_writer import ArrayWriter
from tui_trainer.store.hashing import hash_file


@given(
    parts=st.lists(st.integers(0, 5), max_size=5),
    row_shape=st.sampled_from([(), (3,), (1, 2, 2)]),
    dtype=st.sampled_from(["uint8", "float32", "int64"]),
    break_at=st.integers(0, 5),
    expected_rows=st.integers(0, 12),
)
def test_the_rows_come_back_wherever_the_writing_was_broken_off(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[int],
    row_shape: tuple[int, ...],
    dtype: str,
    break_at: int,
    expected_rows: int,
) -> None:
    file = tmp_path_factory.mktemp("array") / "a.npy"
    generator = np.random.default_rng(0)
    blocks = [generator.integers(0, 100, (n, *row_shape)).astype(dtype) for n in parts]
    writer = ArrayWriter(file, dtype, row_shape, expected_rows=expected_rows)
    for place, block in enumerate(blocks):
        if place == break_at:
            rows = writer.rows
            # Torn: not all of this counts.
            writer.append(np.ones((2, *row_shape), dtype))
            writer.close()
            writer = ArrayWriter(file, dtype, row_shape, rows, expected_rows=expected_rows)
        writer.append(block)
    told = writer.finish()
    whole = np.concatenate([np.empty((0, *row_shape), dtype), *blocks])
    found = np.load(file, allow_pickle=False)
    assert np.array_equal(found, whole) and found.dtype == whole.dtype
    assert (told.shape, told.dtype) == (whole.shape, dtype)
    assert told.sha256 == hash_file(file)
    assert told.size_bytes == file.stat().st_size


@pytest.mark.parametrize("expected_rows", [0, 3])
def test_a_disk_that_bends_what_it_is_given_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_rows: int
) -> None:
    writer = ArrayWriter(tmp_path / "a.npy", "uint8", (4,), expected_rows=expected_rows)
    real = os.write

    def bend(descriptor: int, content: Any) -> int:
        return real(descriptor, bytes([content[0] ^ 1]) + bytes(content[1:]))

    monkeypatch.setattr(os, "write", bend)
    writer.append(np.zeros((3, 4), np.uint8))
    monkeypatch.undo()
    with pytest.raises(OSError, match="did not give it back"):
        writer.finish()


def test_a_file_that_lost_rows_is_not_gone_on_with(tmp_path: Path) -> None:
    writer = ArrayWriter(tmp_path / "a.npy", "uint8", (4,))
    writer.append(np.zeros((3, 4), np.uint8))
    writer.close()
    with pytest.raises(OSError, match="shorter"):
        ArrayWriter(tmp_path / "a.npy", "uint8", (4,), 4)
