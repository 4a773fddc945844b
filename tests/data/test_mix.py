"""Mixup and cutmix."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.samples import CPU, assert_same, make_inputs, make_spec, serve
from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.data.batches import Batch, Batches
from tui_trainer.data.mix import Mixer, box
from tui_trainer.evaluate.loss import build_loss

_SPEC = make_spec((2, 6, 7))
_INPUTS = make_inputs(_SPEC, 90)


def _batches(seed: int = 0, epoch: int = 0, first: int = 0, **settings: float) -> list[Batch]:
    batches = serve(_SPEC, _INPUTS, augment=AugmentConfig(**settings), seed=seed, batch_size=8)
    return list(batches.shuffled(0, epoch, first))


def test_mixup_blends_each_image_with_its_neighbour() -> None:
    for plain, mixed in zip(_batches(), _batches(mixup=0.5), strict=True):
        assert 0 <= mixed.share <= 1
        blend = mixed.share * plain.x + (1 - mixed.share) * plain.x.roll(1, 0)
        assert torch.allclose(mixed.x, blend, atol=1e-6)
        assert torch.equal(mixed.labels_B, plain.labels_B)
        assert mixed.mixed_labels_B is not None
        assert torch.equal(mixed.mixed_labels_B, plain.labels_B.roll(1, 0))


def test_cutmix_shares_by_the_area_that_was_pasted() -> None:
    shares = set()
    for plain, mixed in zip(_batches(), _batches(cutmix=1.0), strict=True):
        is_pasted = mixed.x != plain.x
        assert torch.equal(mixed.x, torch.where(is_pasted, plain.x.roll(1, 0), plain.x))
        # All random pixels differ in some image, so the batch shows where was pasted.
        area = is_pasted.any(dim=0)[0].float().mean().item()
        assert mixed.share == pytest.approx(1 - area)
        shares.add(mixed.share)
    assert len(shares) > 5


def test_a_coin_chooses_where_both_are_on() -> None:
    both = _batches(mixup=0.5, cutmix=1.0)
    is_cut = Mixer(AugmentConfig(mixup=0.5, cutmix=1.0), 0, 0, len(both))._is_cut_N
    assert 0 < is_cut.sum() < len(both)
    only = {True: _batches(cutmix=1.0), False: _batches(mixup=0.5)}
    for number, batch in enumerate(both):
        assert_same([batch], [only[bool(is_cut[number])][number]])


def test_shares_follow_seed_epoch_and_number() -> None:
    def shares(**place: int) -> list[float]:
        return [batch.share for batch in _batches(mixup=1.0, **place)]

    assert shares() == shares()
    assert shares(first=4) == shares()[4:]
    assert shares(seed=1) != shares() != shares(epoch=1)
    draws = np.array([share for epoch in range(60) for share in shares(epoch=epoch)])
    # Beta(1, 1) is uniform: a mean of ½ and a deviation of √(1/12).
    assert abs(draws.mean() - 0.5) < 0.05
    assert abs(draws.std() - (1 / 12) ** 0.5) < 0.03


def test_what_is_evaluated_is_not_mixed() -> None:
    config = AugmentConfig(mixup=1.0, cutmix=1.0, crop=2)
    batches = serve(_SPEC, _INPUTS, augment=config)
    assert_same(list(batches.in_order()), list(serve(_SPEC, _INPUTS).in_order()))


@given(
    share=st.floats(0, 1),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    place_y=st.floats(0, 1, exclude_max=True),
    place_x=st.floats(0, 1, exclude_max=True),
)
def test_the_pasted_box_lies_inside_and_is_no_larger_than_drawn(
    share: float, height: int, width: int, place_y: float, place_x: float
) -> None:
    top, bottom, left, right = box(share, height, width, place_y, place_x)
    assert 0 <= top <= bottom <= height
    assert 0 <= left <= right <= width
    area = (bottom - top) * (right - left) / (height * width)
    assert area <= 1 - share + 1e-9


def test_targets_are_blended_as_their_inputs_are() -> None:
    spec = msgspec.structs.replace(_SPEC, task="regression", targets=("one", "two"))
    labels_NT = np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32)
    config = AugmentConfig(mixup=0.5)
    plain, mixed = (
        list(
            Batches(spec, _INPUTS, labels_NT, batch_size=8, device=CPU, augment=augment).shuffled(
                0, 0
            )
        )
        for augment in (None, config)
    )
    shares = Mixer(config, 0, 0, len(plain))._shares_N
    for share, one, other in zip(shares.tolist(), plain, mixed, strict=True):
        assert other.mixed_labels_B is None
        blend = share * one.labels_B + (1 - share) * one.labels_B.roll(1, 0)
        torch.testing.assert_close(other.labels_B, blend)


def test_several_labels_weigh_as_their_shares() -> None:
    spec = msgspec.structs.replace(_SPEC, task="multilabel")
    labels_NK = np.random.default_rng(0).integers(0, 2, (90, 10), dtype=np.uint8)
    serving = {"batch_size": 8, "device": CPU, "augment": AugmentConfig(mixup=0.5)}
    batch = next(Batches(spec, _INPUTS, labels_NK, **serving).shuffled(0, 0))
    assert batch.mixed_labels_B is not None
    loss = build_loss(LossConfig(label_smoothing=0.1), labels_NK, spec, CPU)
    logits_BK = torch.randn(8, 10)
    # Binary cross-entropy is linear in its targets: two losses are that of mixed labels.
    mixed_BK = batch.share * batch.labels_B + (1 - batch.share) * batch.mixed_labels_B
    parts = [loss(logits_BK, labels) for labels in (batch.labels_B, batch.mixed_labels_B)]
    blend = batch.share * parts[0] + (1 - batch.share) * parts[1]
    torch.testing.assert_close(blend, loss(logits_BK, mixed_BK))
