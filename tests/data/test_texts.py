"""Texts of different lengths: picked, padded, ordered by length and served as batches."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.samples import assert_same, make_spec, serve
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data import batches as batches_module
from tui_trainer.data.order import EpochOrder, bucketed, epoch_order
from tui_trainer.data.texts import Texts, pack_texts
from tui_trainer.errors import WorkerError


def _bucketed_order(lengths_N: torch.Tensor, batch_size: int, seed: int, epoch: int) -> Any:
    order = EpochOrder(epoch_order(len(lengths_N), seed, epoch))
    return bucketed(order, lengths_N, batch_size, seed, epoch).places_N


_LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=60)


def _make_texts(count: int, longest: int = 40, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    lengths = np.clip(generator.lognormal(2, 0.8, count), 1, longest).astype(int)
    return [generator.integers(1, 50, length, dtype=np.int32) for length in lengths]


def _map_texts(folder: Path, texts: list[np.ndarray]) -> Texts:
    """The texts as a prepared dataset gives them: mapped from files."""
    mapped = []
    for name, array in zip(("tokens", "offsets"), pack_texts(texts), strict=True):
        np.save(folder / f"{name}.npy", array)
        mapped.append(np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")))
    return Texts(*mapped)


def _spec(longest: int = 40) -> DatasetSpec:
    return make_spec((longest,), "tokens")


@given(_LENGTHS, st.data())
def test_texts_come_padded_to_the_longest_picked(lengths: list[int], data: st.DataObject) -> None:
    expected = [np.arange(1, length + 1) for length in lengths]
    texts = Texts(*pack_texts(expected))
    assert (len(texts), texts.shape) == (len(lengths), (max(lengths),))
    assert texts.lengths_N.tolist() == lengths
    numbers = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1))
    picked_BL = texts[np.array(numbers)]
    assert picked_BL.dtype == np.int32
    assert picked_BL.shape == (len(numbers), max(1, *(lengths[n] for n in numbers)))
    for row_L, number in zip(picked_BL, numbers, strict=True):
        assert np.array_equal(row_L[: lengths[number]], expected[number])
        assert not row_L[lengths[number] :].any()
    joined = np.concatenate([expected[n] for n in numbers])
    assert np.array_equal(texts.join(np.array(numbers)), joined)
    assert np.array_equal(texts[:2], texts[np.arange(min(2, len(lengths)))])


@pytest.mark.parametrize("offsets", [[], [0, 2], [1, 3], [0, 4]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="do not divide 3 tokens"):
        Texts(np.arange(3, dtype=np.int32), np.array(offsets, np.int64))


def test_mapped_texts_travel_by_their_names(tmp_path: Path) -> None:
    made = _make_texts(300)
    texts = _map_texts(tmp_path, made)
    texts[np.arange(5)]
    assert len(pickle.dumps(texts)) < 1000
    assert np.array_equal(copy.copy(texts)[np.arange(9)], texts[np.arange(9)])
    os.truncate(tmp_path / "tokens.npy", 200)
    with pytest.raises(OSError, match="was changed while it was in use"):
        texts[np.arange(5)]


@given(_LENGTHS, st.integers(1, 9), st.integers(0, 1 << 40), st.integers(0, 50))
def test_an_order_by_length_holds_every_text_once(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    lengths_N = torch.tensor(lengths)
    order_N = _bucketed_order(lengths_N, batch_size, seed, epoch)
    assert sorted(order_N.tolist()) == list(range(len(lengths)))
    assert torch.equal(order_N, _bucketed_order(lengths_N, batch_size, seed, epoch))
    # What is left for the last batch has not been sorted.
    whole = len(lengths) // batch_size * batch_size
    assert torch.equal(order_N[whole:], epoch_order(len(lengths), seed, epoch)[whole:])


def test_texts_of_a_batch_are_about_as_long_and_batches_come_in_any_order() -> None:
    lengths_N = torch.from_numpy(np.random.default_rng(0).integers(1, 500, 64 * 100))
    batches_MB = lengths_N[_bucketed_order(lengths_N, 64, 0, 0)].view(100, 64)
    spread_M = batches_MB.amax(1) - batches_MB.amin(1)
    assert spread_M.max() <= 20
    means_M = batches_MB.float().mean(1)
    assert abs(torch.corrcoef(torch.stack([means_M, torch.arange(100.0)]))[0, 1]) < 0.3
    other_MB = lengths_N[_bucketed_order(lengths_N, 64, 0, 1)].view(100, 64)
    assert not torch.equal(other_MB, batches_MB)


def test_little_of_a_batch_is_padding() -> None:
    made = _make_texts(3000, 200)
    tokens = sum(map(len, made))
    batches = serve(_spec(200), Texts(*pack_texts(made)), batch_size=32)
    served = sum(batch.x.numel() for batch in batches.shuffled(0, 0))
    unsorted = sum(batch.x.numel() for batch in batches.in_order())
    assert served < 1.2 * tokens
    assert unsorted > 2 * tokens


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_batches_hold_the_texts_and_their_labels(placement: str) -> None:
    made = _make_texts(101)
    indices = np.setdiff1d(np.arange(101), np.arange(0, 101, 7))
    texts = Texts(*pack_texts(made))
    batches = serve(_spec(), texts, indices, batch_size=8, placement=placement)
    order = _bucketed_order(torch.tensor([len(made[n]) for n in indices]), 8, 3, 2)
    passes: list[tuple[Any, Any]] = [(batches.shuffled(3, 2), order)]
    passes.append((batches.in_order(), torch.arange(len(indices))))
    for served, numbers in passes:
        for batch, numbers_B in zip(served, torch.split(numbers, 8), strict=True):
            chosen = indices[numbers_B]
            assert batch.x.dtype == torch.int64
            assert batch.x.shape == (len(chosen), max(len(made[n]) for n in chosen))
            assert np.array_equal(batch.x.numpy(), texts[chosen])
            assert batch.labels_B.tolist() == (chosen % 10).tolist()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_placement_and_workers_change_no_bit(tmp_path: Path, workers: int) -> None:
    texts = _map_texts(tmp_path, _make_texts(120))
    indices = np.setdiff1d(np.arange(120), np.arange(0, 120, 7))
    resident = serve(_spec(), texts, indices, batch_size=8)
    settings: dict[str, Any] = {"batch_size": 8, "placement": "stream", "workers": workers}
    with serve(_spec(), texts, indices, **settings) as streamed:
        for epoch, first in ((0, 0), (1, 0), (1, 5), (0, 12)):
            expected = list(resident.shuffled(3, epoch, first))
            assert len(expected) == 13 - first
            assert_same(expected, list(streamed.shuffled(3, epoch, first)))
        assert_same(list(resident.in_order()), list(streamed.in_order()))


@pytest.mark.parametrize("placement", ["device", "stream"])
@given(chunk_bytes=st.sampled_from([1, 4000, 12_000, 1 << 20]), first=st.integers(0, 13))
def test_chunks_and_the_first_batch_change_no_bit(
    placement: str, chunk_bytes: int, first: int
) -> None:
    texts = Texts(*pack_texts(_make_texts(101)))
    whole = list(serve(_spec(), texts, batch_size=8).shuffled(1, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batches_module._CHUNK_BYTES, "cpu", chunk_bytes)
        chunked = serve(_spec(), texts, batch_size=8, placement=placement)
    assert_same(whole[first:], list(chunked.shuffled(1, 4, first)))


def test_only_the_first_batch_is_the_first_one_of_an_epoch() -> None:
    texts = Texts(*pack_texts(_make_texts(50)))
    first = next(serve(_spec(), texts).shuffled(3, 0))
    assert_same([first] * 4, list(serve(_spec(), texts, only_first=True).shuffled(3, 5)))


def test_a_file_that_is_changed_is_not_read_any_more(tmp_path: Path) -> None:
    texts = _map_texts(tmp_path, _make_texts(400))
    with serve(_spec(), texts, placement="stream", workers=1, batch_size=4) as batches:
        batches._batches_per_chunk = 1
        passing = batches.shuffled(0, 0)
        next(passing)
        os.truncate(tmp_path / "tokens.npy", 200)
        with pytest.raises(WorkerError, match="was changed while it was in use"):
            list(passing)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@pytest.mark.parametrize("placement", ["device", "stream"])
def test_texts_are_the_same_on_a_gpu(tmp_path: Path, placement: str) -> None:
    texts = _map_texts(tmp_path, _make_texts(400))
    expected = list(serve(_spec(), texts).shuffled(0, 0))
    device = torch.device("cuda", 0)
    with serve(_spec(), texts, device=device, placement=placement) as batches:
        served = [batch._replace(x=batch.x.cpu()) for batch in batches.shuffled(0, 0)]
    for one, other in zip(expected, served, strict=True):
        assert torch.equal(one.x, other.x)
