"""Batches: their order, their numbers, and that nothing but the settings decides on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.samples import CPU, assert_same, make_inputs, make_spec, map_inputs, serve
from tests.tasks import prepare_stripes
from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import Kind
from tui_trainer.data import batches as batches_module
from tui_trainer.data.batches import Batches
from tui_trainer.data.normalize import Normalize
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import ConfigError

_SPEC = make_spec((2, 6, 7))
_ALL_ON = AugmentConfig(crop=2, translate=1, flip=0.5, erase=0.3, mixup=0.4, cutmix=1.0)


@given(
    count=st.integers(1, 70),
    batch_size=st.integers(1, 30),
    seed=st.integers(0, 1 << 40),
    epoch=st.integers(0, 100),
)
def test_an_epoch_holds_every_sample_once(
    count: int, batch_size: int, seed: int, epoch: int
) -> None:
    inputs = np.arange(count, dtype=np.float32)[:, None]
    batches = serve(make_spec((1,), "table"), inputs, batch_size=batch_size)
    parts = list(batches.shuffled(seed, epoch))
    assert len(parts) == batches.num_batches
    assert {len(part.labels_B) for part in parts[:-1]} <= {batch_size}
    values = torch.cat([part.x for part in parts])[:, 0] * 70 + 30
    order = torch.randperm(count, generator=torch.Generator().manual_seed(mix_seed(seed, epoch)))
    assert values.round().long().tolist() == order.tolist()
    labels = torch.cat([part.labels_B for part in parts])
    assert torch.equal(labels, order % 10)


def test_the_order_follows_seed_and_epoch_alone() -> None:
    batches = serve(_SPEC, make_inputs(_SPEC, 50))
    orders = []
    for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0)):
        torch.manual_seed(len(orders))
        orders.append(torch.cat([batch.labels_B for batch in batches.shuffled(seed, epoch)]))
    assert torch.equal(orders[0], orders[1])
    assert len({tuple(order.tolist()) for order in orders}) == 3


@given(chunk_bytes=st.sampled_from([1, 5000, 15_000, 1 << 20]), first=st.integers(0, 13))
def test_chunks_and_the_first_batch_change_no_bit(chunk_bytes: int, first: int) -> None:
    inputs = make_inputs(_SPEC, 101)
    batches = serve(_SPEC, inputs, augment=_ALL_ON, batch_size=8)
    whole = list(batches.shuffled(1, 4))
    assert len(whole) == 13
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(batches_module._CHUNK_BYTES, "cpu", chunk_bytes)
        chunked = serve(_SPEC, inputs, augment=_ALL_ON, batch_size=8)
    assert_same(whole[first:], list(chunked.shuffled(1, 4, first)))


def test_a_batch_lies_alike_in_memory_wherever_a_pass_begins() -> None:
    batches = serve(_SPEC, make_inputs(_SPEC, 101), batch_size=5)
    whole = [batch.x.data_ptr() % 64 for batch in batches.shuffled(0, 0)]
    assert len(set(whole)) > 1
    for first in (1, 2, 7):
        rest = [batch.x.data_ptr() % 64 for batch in batches.shuffled(0, 0, first)]
        assert rest == whole[first:]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_placement_and_workers_change_no_bit(tmp_path: Path, workers: int) -> None:
    inputs = map_inputs(tmp_path, make_inputs(_SPEC, 120))
    indices = np.setdiff1d(np.arange(120), np.arange(0, 120, 7))
    settings: dict[str, Any] = {"augment": _ALL_ON, "seed": 3, "batch_size": 8}
    resident = serve(_SPEC, inputs, indices, **settings)
    with serve(_SPEC, inputs, indices, placement="stream", workers=workers, **settings) as streamed:
        assert len(streamed) == len(resident) == len(indices)
        for epoch, first in ((0, 0), (1, 0), (1, 5), (0, 12)):
            expected = list(resident.shuffled(3, epoch, first))
            assert expected
            assert_same(expected, list(streamed.shuffled(3, epoch, first)))
        assert_same(list(resident.in_order()), list(streamed.in_order()))


@pytest.mark.parametrize("augment", [_ALL_ON, AugmentConfig(translate=2), AugmentConfig()])
def test_held_out_samples_leave_the_others_as_they_are(augment: AugmentConfig) -> None:
    # What becomes of a sample goes by its number in the stored split, not by who else is there.
    config = AugmentConfig(translate=augment.translate, crop=augment.crop, flip=augment.flip)
    inputs = make_inputs(_SPEC, 40)
    seen: list[dict[bytes, int]] = []
    for indices in (None, np.arange(20, 40)):
        batches = serve(_SPEC, inputs, indices, augment=config, batch_size=7)
        images = torch.cat([batch.x for batch in batches.shuffled(0, 0)])
        seen.append({image.numpy().tobytes(): 1 for image in images})
    assert seen[1].keys() <= seen[0].keys()
    assert len(seen[1]) == 20


@pytest.mark.parametrize(
    ("kind", "shape"), [("image", (1, 5, 4)), ("table", (6,)), ("tokens", (9,))]
)
@pytest.mark.parametrize("placement", ["device", "stream"])
def test_every_kind_is_served_as_normalised(
    kind: Kind, shape: tuple[int, ...], placement: str
) -> None:
    spec = make_spec(shape, kind)
    inputs = make_inputs(spec, 33)
    batches = serve(spec, inputs, placement=placement)
    x = torch.cat([batch.x for batch in batches.in_order()])
    assert torch.equal(x, Normalize(spec.mean, spec.std)(torch.from_numpy(inputs)))


def test_a_prepared_dataset_has_mean_zero_and_deviation_one(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    inputs, labels = load_split(tmp_path, "mnist", "train")
    batches = Batches(spec, inputs, labels, batch_size=64, device=CPU)
    x = torch.cat([batch.x for batch in batches.in_order()])
    assert x.dtype == torch.float32
    assert x.mean().item() == pytest.approx(0, abs=1e-4)
    assert x.std(unbiased=False).item() == pytest.approx(1, abs=1e-4)


def test_a_kept_batch_stays_as_it_was() -> None:
    inputs = make_inputs(_SPEC, 400)
    batches = serve(_SPEC, inputs, augment=_ALL_ON, batch_size=8)
    kept = list(batches.shuffled(0, 0))
    copies = [batch._replace(x=batch.x.clone()) for batch in batches.shuffled(0, 0)]
    assert_same(kept, copies)


def test_the_data_on_the_device_are_a_copy() -> None:
    inputs = make_inputs(_SPEC, 20)
    batches = serve(_SPEC, inputs)
    before = [batch.x.clone() for batch in batches.in_order()]
    inputs[:] = 0
    for x in list(batches.shuffled(0, 0)):
        x.x.zero_()
    for x_before, batch in zip(before, batches.in_order(), strict=True):
        assert torch.equal(batch.x, x_before)


def test_channels_last_is_a_layout_not_a_number() -> None:
    inputs = make_inputs(_SPEC, 40)
    plain = list(serve(_SPEC, inputs, augment=_ALL_ON).shuffled(0, 0))
    last = list(serve(_SPEC, inputs, augment=_ALL_ON, channels_last=True).shuffled(0, 0))
    for one, other in zip(plain, last, strict=True):
        assert torch.equal(one.x, other.x)
        assert one.x.is_contiguous()
        assert other.x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_only_the_first_batch_as_often_as_there_are_batches(placement: str) -> None:
    inputs = make_inputs(_SPEC, 50)
    first = next(serve(_SPEC, inputs).shuffled(3, 0))
    batches = serve(_SPEC, inputs, augment=_ALL_ON, only_first=True, placement=placement)
    for epoch in (0, 2):
        assert_same([first] * 4, list(batches.shuffled(3, epoch)))
    assert_same([first], list(batches.shuffled(3, 1, 3)))
    assert len(list(batches.in_order())) == 4


def test_what_are_not_images_is_not_augmented() -> None:
    spec = make_spec((4,), "table")
    with pytest.raises(ConfigError, match=r"augment\.mixup changes images"):
        serve(spec, make_inputs(spec, 8), augment=AugmentConfig(mixup=0.2))


def test_past_the_last_batch_there_is_none() -> None:
    batches = serve(_SPEC, make_inputs(_SPEC, 50))
    assert list(batches.shuffled(0, 0, first=4)) == []
