"""Random changes of whole batches of stored images, each sample's a function of its number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.specs import KIND_NOUNS, DatasetSpec
from tui_trainer.data.counter import below, chance, draw_bits
from tui_trainer.errors import ConfigError

_AUGMENT = 0x61756764

# Every purpose has a draw of its own, so that a setting changes nothing that another one draws.
_CROP_Y, _CROP_X, _SHIFT_Y, _SHIFT_X, _FLIP, _ERASE_Y, _ERASE_X, _NUM_DRAWS = range(8)


class Augmenter:
    """Mirrors, crops, shifts and blackens uint8 images B×C×H×W, in this order.

    What happens to a sample follows from (seed, epoch, its number in the stored split) alone:
    batch size, placement and workers have no part in it. Nothing waits for the device.
    """

    def __init__(self, config: AugmentConfig, shape: tuple[int, ...], seed: int) -> None:
        """Prepare for images of `shape` (C, H, W)."""
        self._config = config
        self._seed = seed
        self._height, self._width = shape[1:]

    def __call__(self, images_BCHW: Tensor, samples_B: Tensor, epoch: int) -> Tensor:
        """Change a batch; `samples_B` are the samples' numbers in the stored split, int64."""
        config = self._config
        bits_BD = draw_bits((self._seed, epoch, _AUGMENT), samples_B, _NUM_DRAWS)
        is_flipped_B = chance(bits_BD[:, _FLIP], config.flip) if config.flip else None
        if config.crop:
            images_BCHW = self._crop(images_BCHW, is_flipped_B, bits_BD)
            is_flipped_B = None
        if config.translate:
            images_BCHW = self._shift(images_BCHW, is_flipped_B, bits_BD)
        elif is_flipped_B is not None:
            twins_NCHW, sources_B = _with_twins(images_BCHW, is_flipped_B)
            images_BCHW = twins_NCHW.index_select(0, sources_B)
        if config.erase:
            images_BCHW = self._erase(images_BCHW, bits_BD)
        return images_BCHW

    def _crop(self, images_BCHW: Tensor, is_flipped_B: Tensor | None, bits_BD: Tensor) -> Tensor:
        """Random windows of the size of the images into the images with a border."""
        border, height = self._config.crop, self._height
        lines_H = torch.arange(height, device=bits_BD.device)
        rows_BH = lines_H + (below(bits_BD[:, _CROP_Y], 2 * border + 1) - border)[:, None]
        if border < height:
            rows_BH = (height - 1) - ((height - 1) - rows_BH.abs()).abs()
        rows_BH = rows_BH.clamp(0, height - 1)
        left_B = below(bits_BD[:, _CROP_X], 2 * border + 1)
        canvas_BCHV = _widen(images_BCHW, border)
        return _windows(canvas_BCHV, is_flipped_B, rows_BH, left_B, self._width)

    def _shift(self, images_BCHW: Tensor, is_flipped_B: Tensor | None, bits_BD: Tensor) -> Tensor:
        """The images moved by up to so many pixels; black takes the place left behind."""
        by, height = self._config.translate, self._height
        lines_H = torch.arange(height, device=bits_BD.device)
        rows_BH = lines_H + (below(bits_BD[:, _SHIFT_Y], 2 * by + 1) - by)[:, None]
        # Rows that lie outside are read from a black one below the image.
        rows_BH = torch.where((rows_BH < 0) | (rows_BH >= height), height, rows_BH)
        left_B = below(bits_BD[:, _SHIFT_X], 2 * by + 1)
        canvas_BCHV = F.pad(images_BCHW, (by, by, 0, 1))
        return _windows(canvas_BCHV, is_flipped_B, rows_BH, left_B, self._width)

    def _erase(self, images_BCHW: Tensor, bits_BD: Tensor) -> Tensor:
        side = erased_side(self._config.erase, self._height, self._width)
        outside_BH = _outside(bits_BD[:, _ERASE_Y], side, self._height)
        outside_BW = _outside(bits_BD[:, _ERASE_X], side, self._width)
        # In bytes, which are combined many times as fast as truth values.
        return images_BCHW & (outside_BH[:, :, None] | outside_BW[:, None, :])[:, None]


def changes_images(config: AugmentConfig) -> bool:
    """Whether an `Augmenter` has anything to do; mixup and cutmix are done elsewhere."""
    return bool(config.crop or config.translate or config.flip or config.erase)


def check_augment(config: AugmentConfig, spec: DatasetSpec) -> None:
    """Refuse settings that the samples of a dataset cannot be augmented with.

    Raises:
        ConfigError: the samples are not images, or would be shifted out of sight.
    """
    wanted = [name for name in config.__struct_fields__ if getattr(config, name)]
    if not wanted:
        return
    if spec.kind != "image":
        raise ConfigError(
            f"augment.{wanted[0]} changes images, but the samples of {spec.name} are "
            f"{KIND_NOUNS[spec.kind]}.",
            f"Set augment.{wanted[0]} to 0.",
        )
    shortest = min(spec.shape[1:])
    if config.translate >= shortest:
        raise ConfigError(
            f"augment.translate = {config.translate} can shift images of {spec.name} out of "
            f"sight: they are {spec.shape[1]} × {spec.shape[2]} pixels.",
            f"Set augment.translate below {shortest}.",
        )


def erased_side(share: float, height: int, width: int) -> int:
    """The side in pixels of the erased square: a share of the shorter side, at least one."""
    return max(1, round(share * min(height, width)))


def _outside(bits_B: Tensor, side: int, size: int) -> Tensor:
    """255 for lines outside a stretch of `side` placed at random, 0 within; uint8 B×size."""
    first_B1 = below(bits_B, size - side + 1)[:, None]
    lines_S = torch.arange(size, device=bits_B.device)
    return ((lines_S < first_B1) | (lines_S >= first_B1 + side)).to(torch.uint8) * 255


def _with_twins(images_BCHW: Tensor, is_flipped_B: Tensor) -> tuple[Tensor, Tensor]:
    """The images with their mirrored twins behind them, and which of these to take for each."""
    sources_B = torch.arange(len(images_BCHW), device=images_BCHW.device)
    sources_B += is_flipped_B * len(images_BCHW)
    return torch.cat([images_BCHW, images_BCHW.flip(3)]), sources_B


def _widen(images_BCHW: Tensor, border: int) -> Tensor:
    """The images with `border` more columns on either side: reflected ones, or else the edge."""
    width = images_BCHW.shape[3]
    if border < width:
        left = images_BCHW[..., 1 : border + 1].flip(3)
        right = images_BCHW[..., width - border - 1 : width - 1].flip(3)
    else:
        left = images_BCHW[..., :1].expand(-1, -1, -1, border)
        right = images_BCHW[..., -1:].expand(-1, -1, -1, border)
    return torch.cat([left, images_BCHW, right], 3)


def _windows(
    canvas_BCHV: Tensor, is_flipped_B: Tensor | None, rows_BH: Tensor, left_B: Tensor, width: int
) -> Tensor:
    """Of each image the given rows from column `left_B` on, mirrored before: B×C×H×`width`."""
    num_images, num_channels, height, canvas_width = canvas_BCHV.shape
    sources_B = torch.arange(num_images, device=rows_BH.device)
    if is_flipped_B is not None:
        canvas_BCHV, sources_B = _with_twins(canvas_BCHV, is_flipped_B)
    planes_BC = sources_B[:, None] * num_channels
    planes_BC = planes_BC + torch.arange(num_channels, device=rows_BH.device)
    starts_BH = rows_BH * canvas_width + left_B[:, None]
    starts_BCH = planes_BC[:, :, None] * (height * canvas_width) + starts_BH[:, None, :]
    # Every stretch of `width` pixels as a row of its own: overlapping views of the same memory,
    # from which whole rows are copied instead of pixels.
    stretches = canvas_BCHV.view(-1).unfold(0, width, 1)
    return stretches.index_select(0, starts_BCH.view(-1)).view(*starts_BCH.shape, width)
