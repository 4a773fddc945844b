"""Random changes of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.samples import make_inputs, make_spec
from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.randomness import mix_seed
from tui_trainer.data.augment import (
    Augmenter,
    changes_images,
    check_augment,
    erased_side,
)
from tui_trainer.data.mix import Mixer
from tui_trainer.data.normalize import Normalize
from tui_trainer.errors import ConfigError

_SHAPES = st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))
_CONFIGS = st.builds(
    AugmentConfig,
    crop=st.integers(0, 10),
    translate=st.integers(0, 3),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    erase=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
)


def _augment(
    config: AugmentConfig, images: Any, numbers: list[int], seed: int = 5, epoch: int = 2
) -> Any:
    augmenter = Augmenter(config, images.shape[1:], seed)
    return augmenter(torch.from_numpy(images), torch.tensor(numbers), epoch).numpy()


def _one_by_one(
    config: AugmentConfig, image: Any, number: int, seed: int = 5, epoch: int = 2
) -> Any:
    """What has to become of one image, written without haste."""

    def draw(which: int, limit: int) -> int:
        word = mix_seed(seed, epoch, 0x61756764, number, which)
        return ((word >> 32) * limit) >> 32

    _, height, width = image.shape
    if draw(4, 1 << 32) < config.flip * (1 << 32):
        image = image[:, :, ::-1]
    for axis, size, which in ((1, height, 0), (2, width, 1)):
        border = [(0, 0)] * 3
        border[axis] = (config.crop, config.crop)
        image = np.pad(image, border, mode="reflect" if config.crop < size else "edge")
        first = draw(which, 2 * config.crop + 1)
        image = image.take(range(first, first + size), axis)
    by = config.translate
    image = np.pad(image, ((0, 0), (by, by), (by, by)))
    top, left = draw(2, 2 * by + 1), draw(3, 2 * by + 1)
    image = image[:, top : top + height, left : left + width].copy()
    if config.erase:
        side = erased_side(config.erase, height, width)
        top, left = draw(5, height - side + 1), draw(6, width - side + 1)
        image[:, top : top + side, left : left + side] = 0
    return image


@given(config=_CONFIGS, shape=_SHAPES, seed=st.integers(0, 1 << 40))
def test_a_batch_is_changed_as_its_images_would_be_one_by_one(
    config: AugmentConfig, shape: tuple[int, int, int], seed: int
) -> None:
    images = make_inputs(make_spec(shape), 6, seed)
    numbers = [0, 7, 7, 3, 1 << 33, 2]
    changed = _augment(config, images, numbers)
    assert changed.dtype == np.uint8
    for image, number, result in zip(images, numbers, changed, strict=True):
        assert np.array_equal(result, _one_by_one(config, image, number))


@given(config=_CONFIGS, seed=st.integers(0, 1 << 40))
def test_a_sample_changes_alike_in_any_company(config: AugmentConfig, seed: int) -> None:
    images = make_inputs(make_spec((2, 6, 7)), 8, seed)
    together = _augment(config, images, list(range(8)), seed)
    apart = [_augment(config, images[i : i + 1], [i], seed)[0] for i in range(8)]
    assert np.array_equal(together, np.stack(apart))


def test_nothing_changes_when_all_is_off() -> None:
    images = make_inputs(make_spec((1, 6, 6)), 4)
    assert not changes_images(AugmentConfig(mixup=0.4, cutmix=1.0))
    assert np.array_equal(_augment(AugmentConfig(), images, [0, 1, 2, 3]), images)


def test_every_window_of_a_crop_occurs_and_lies_inside() -> None:
    # Values tell where a pixel comes from, so a window is known by its first one.
    image = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
    cropped = _augment(AugmentConfig(crop=2), np.repeat(image[None], 400, 0), list(range(400)))
    bordered = np.pad(image[0], 2, mode="reflect")
    windows = {
        bordered[top : top + 6, left : left + 6].tobytes() for top in range(5) for left in range(5)
    }
    assert {result[0].tobytes() for result in cropped} == windows


def test_a_shift_leaves_black_behind() -> None:
    image = np.full((1, 1, 5, 5), 9, np.uint8)
    shifted = _augment(AugmentConfig(translate=2), np.repeat(image, 300, 0), list(range(300)))
    left_over = {int((result > 0).sum()) for result in shifted}
    assert left_over == {height * width for height in (3, 4, 5) for width in (3, 4, 5)}


def test_about_so_many_are_mirrored() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    mirrored = _augment(AugmentConfig(flip=0.25), np.repeat(image, 4000, 0), list(range(4000)))
    is_mirrored = (mirrored == image[..., ::-1]).all(axis=(1, 2, 3))
    assert (is_mirrored | (mirrored == image).all(axis=(1, 2, 3))).all()
    assert 0.22 < is_mirrored.mean() < 0.28


@given(share=st.floats(0.01, 0.99), shape=_SHAPES)
def test_the_erased_square_has_its_area(share: float, shape: tuple[int, int, int]) -> None:
    images = np.full((20, *shape), 255, np.uint8)
    erased = _augment(AugmentConfig(erase=share), images, list(range(20)))
    side = erased_side(share, *shape[1:])
    assert 1 <= side <= min(shape[1:])
    assert ((erased == 0).sum(axis=(2, 3)) == side**2).all()


def test_epochs_and_seeds_draw_apart() -> None:
    images = make_inputs(make_spec((1, 8, 8)), 16)
    config, numbers = AugmentConfig(translate=3), list(range(16))
    first = _augment(config, images, numbers, seed=1, epoch=0)
    assert not np.array_equal(first, _augment(config, images, numbers, seed=1, epoch=1))
    assert not np.array_equal(first, _augment(config, images, numbers, seed=2, epoch=0))


@pytest.mark.parametrize("setting", ["crop", "translate", "flip", "erase", "mixup", "cutmix"])
def test_only_images_are_augmented(setting: str) -> None:
    value = 1 if setting in ("crop", "translate") else 0.5
    config = AugmentConfig(**{setting: value})
    check_augment(config, make_spec((1, 8, 8)))
    for kind in ("table", "tokens"):
        with pytest.raises(ConfigError, match=f"augment.{setting} changes images"):
            check_augment(config, make_spec((8,), kind))
        check_augment(AugmentConfig(), make_spec((8,), kind))


def test_nothing_waits_for_the_device() -> None:
    # Tensors on the meta device have no values: whatever asks for one raises.
    with torch.device("meta"):
        images = torch.empty(8, 3, 9, 9, dtype=torch.uint8)
        config = AugmentConfig(crop=2, translate=2, flip=0.5, erase=0.4, mixup=1.0, cutmix=1.0)
        changed = Augmenter(config, (3, 9, 9), seed=0)(images, torch.arange(8), 0)
        assert (changed.shape, changed.dtype) == (images.shape, torch.uint8)
        x = Normalize((1.0, 2.0, 3.0), (1.0, 2.0, 3.0)).fresh(changed)
        for number in range(8):
            batch = Mixer(config, 0, 0, 8)(number, x, torch.arange(8))
            assert batch.x.shape == images.shape


def test_a_shift_out_of_sight_is_refused() -> None:
    with pytest.raises(ConfigError, match="out of sight: they are 8 × 6 pixels"):
        check_augment(AugmentConfig(translate=6), make_spec((1, 8, 6)))
