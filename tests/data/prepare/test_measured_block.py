"""Blocks that are divided into splits and measured by whoever reads them."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as np_arrays

from tui_trainer.data.prepare.measured_block import BlockReader, SplitPart
from tui_trainer.data.prepare.source import LEFT_OUT, SPLITS, Block, Facts
from tui_trainer.errors import DatasetError

_IMAGES = Facts("image", "classification", (2, 3, 3), "made up", "tests", classes=("a", "b"))
_TEXTS = Facts("tokens", "classification", (9,), "made up", "tests", ("a", "b"), vocabulary=50)
_TABLE = Facts("table", "regression", (2,), "made up", "tests", targets=("t",))
_SPLITS = st.lists(st.sampled_from([LEFT_OUT, 0, 1, 2]), min_size=1, max_size=12)


def read(facts: Facts, splits: list[int], block: Block) -> dict[str, SplitPart]:
    reader = BlockReader(facts, np.array(splits, np.int8), "folder:/made-up")
    parts = reader(lambda: block).parts
    names = [part.split for part in parts]
    assert names == [split for split in SPLITS if split in names]
    return dict(zip(names, parts, strict=True))


def digest(content: bytes) -> int:
    return int(np.frombuffer(hashlib.blake2b(content, digest_size=8).digest(), np.uint64)[0])


@given(_SPLITS, st.data())
def test_each_split_gets_its_samples_in_order_with_their_measures(
    splits: list[int], data: st.DataObject
) -> None:
    images = data.draw(np_arrays(np.uint8, (len(splits), *_IMAGES.shape)))
    parts = read(_IMAGES, splits, Block(np.arange(len(splits)), images))
    assert set(parts) == {SPLITS[number] for number in splits if number != LEFT_OUT}
    for split, part in parts.items():
        numbers = [n for n, number in enumerate(splits) if number == SPLITS.index(split)]
        assert part.numbers_B.tolist() == numbers
        assert np.array_equal(part.inputs, images[numbers])
        assert part.digests_B.tolist() == [digest(images[n].tobytes()) for n in numbers]
        assert part.levels_CV is not None
        for channel, levels_V in enumerate(part.levels_CV):
            pixels = images[numbers, channel].ravel()
            assert np.array_equal(levels_V, np.bincount(pixels, minlength=256))


@given(_SPLITS, st.data())
def test_texts_keep_their_tokens(splits: list[int], data: st.DataObject) -> None:
    texts = [
        data.draw(st.lists(st.integers(0, 49), min_size=1, max_size=5)) for _ in range(len(splits))
    ]
    tokens = np.array([token for text in texts for token in text], np.int32)
    lengths = np.array([len(text) for text in texts], np.int64)
    parts = read(_TEXTS, splits, Block(np.arange(len(splits)), tokens, lengths))
    for split, part in parts.items():
        numbers = [n for n, number in enumerate(splits) if number == SPLITS.index(split)]
        assert part.lengths_B is not None
        assert part.lengths_B.tolist() == [len(texts[n]) for n in numbers]
        assert part.inputs.tolist() == [token for n in numbers for token in texts[n]]
        wanted = [digest(np.array(texts[n], np.int32).tobytes()) for n in numbers]
        assert part.digests_B.tolist() == wanted


def test_a_zero_and_a_minus_zero_are_one_sample() -> None:
    rows = np.array([[0.0, 1.0], [-0.0, 1.0]], np.float32)
    part = read(_TABLE, [0, 0], Block(np.arange(2), rows))["train"]
    assert part.digests_B[0] == part.digests_B[1]
    # What is stored is what came.
    assert np.signbit(part.inputs[1, 0])


def fail_with(error: Exception) -> Any:
    def task() -> Block:
        raise error

    return task


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/b.h5"), "/a/b.h5 cannot be read"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "folder:/made-up cannot be read: Input"),
        (OSError("the file is torn."), "folder:/made-up cannot be read: the file is torn.$"),
        (OSError(errno.EIO, "\x1b[31mred", b"/a\x1b[2J"), r"^/a[^\x1b]*cannot be read: [^\x1b]*$"),
    ],
    ids=["named", "unnamed", "unnumbered", "hostile"],
)
def test_a_source_that_cannot_be_read_is_told_by_its_file(error: OSError, told: str) -> None:
    reader = BlockReader(_IMAGES, np.zeros(1, np.int8), "folder:/made-up")
    with pytest.raises(DatasetError, match=told) as caught:
        reader(fail_with(error))
    assert "go on with the same command" in caught.value.hint


def test_a_full_disk_is_not_told_as_a_source_that_is_lost() -> None:
    reader = BlockReader(_IMAGES, np.zeros(1, np.int8), "folder:/made-up")
    with pytest.raises(OSError, match="No space"):
        reader(fail_with(OSError(errno.ENOSPC, "No space left on device")))
