"""IDX files: read exactly, refused when damaged."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tests.data.idx_files import encode_idx
from tui_trainer.data.idx import md5_of_idx, read_idx
from tui_trainer.errors import DatasetError

_ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=5)), st.booleans())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, zipped: bool
) -> None:
    content = encode_idx(array)
    file = tmp_path_factory.mktemp("idx") / "file"
    file.write_bytes(gzip.compress(content) if zipped else content)
    assert np.array_equal(read_idx(file, array.shape), array)


@pytest.mark.parametrize("cut", range(len(encode_idx(_ARRAY))))
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(encode_idx(_ARRAY)[:cut])
    with pytest.raises(DatasetError):
        read_idx(file, _ARRAY.shape)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PNG" + encode_idx(_ARRAY)[3:], "does not begin like an IDX file"),
        (encode_idx(_ARRAY) + b"\0", "bytes after its end"),
        (encode_idx(_ARRAY.reshape(2, 4, 3)), "shape 2×4×3, not 2×3×4"),
        (encode_idx(_ARRAY.reshape(6, 4)), "2-dimensional data of type 8, not 3-dimensional"),
        (encode_idx(_ARRAY, type_code=13), "type 13"),
        (gzip.compress(encode_idx(_ARRAY))[:-9], "damaged"),
        (b"", "does not begin"),
    ],
    ids=["start", "rest", "shape", "dimensions", "type", "gzip", "empty"],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read_idx(file, _ARRAY.shape)
    assert words in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.hint


def test_a_flipped_byte_in_a_gzipped_file_is_found(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8)
    whole = gzip.compress(encode_idx(noise))
    file = tmp_path / "file.gz"
    for position in range(30, len(whole) - 8, 37):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(DatasetError):
            read_idx(file, noise.shape)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(encode_idx(_ARRAY) + bytes(50_000_000)))
    with pytest.raises(DatasetError, match="bytes after its end"):
        read_idx(file, _ARRAY.shape)


def test_integers_of_32_bits_are_read(tmp_path: Path) -> None:
    array = np.array([[1, -2], [70_000, 1 << 30]], np.int32)
    header = bytes([0, 0, 12, 2]) + np.array(array.shape, ">u4").tobytes()
    (tmp_path / "file").write_bytes(header + array.astype(">i4").tobytes())
    assert np.array_equal(read_idx(tmp_path / "file", (2, 2), "int32"), array)
    with pytest.raises(DatasetError, match="not 2-dimensional bytes"):
        read_idx(tmp_path / "file", (2, 2))


def test_the_md5_is_that_of_the_unpacked_file() -> None:
    expected = hashlib.md5(encode_idx(_ARRAY), usedforsecurity=False).hexdigest()
    assert md5_of_idx(_ARRAY) == expected
    assert md5_of_idx(_ARRAY.transpose(0, 2, 1)) != expected


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_idx(tmp_path / "pipe", (1,))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_idx(tmp_path / "none", (1,))
