"""Batches in which two samples are mixed, in a share that their labels share too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.randomness import mix_seed

_MIXUP, _CUTMIX, _COIN, _PLACE = 0x6D6978, 0x637574, 0x636F696E, 0x706C6163


class Batch(NamedTuple):
    """What a step trains on or judges, on the device.

    `x` is float32 B×C×H×W for images and B×F for tables, int64 B×L for tokens; `labels_B` are
    int64 classes, or float32 B×K of 0 and 1 where a sample may have several, or float32 B×T of
    targets. In a mixed batch the labels `labels_B` weigh `share`, `mixed_labels_B` the rest.
    """

    x: Tensor
    labels_B: Tensor
    mixed_labels_B: Tensor | None = None
    share: float = 1.0

    @property
    def main_labels_B(self) -> Tensor:
        """The labels of the larger share: those by which a step's accuracy is counted."""
        if self.mixed_labels_B is None or self.share >= 0.5:
            return self.labels_B
        return self.mixed_labels_B


class Mixer:
    """Mixes every batch of an epoch with itself, rolled by one: its order is random anyway.

    Mixup blends two images (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR
    2018); cutmix pastes a rectangle of one into the other (Yun et al., "CutMix", ICCV 2019). With
    both on, a coin chooses for each batch. All is drawn from (seed, epoch, number of the batch).
    """

    def __init__(
        self,
        config: AugmentConfig,
        seed: int,
        epoch: int,
        num_batches: int,
        *,
        blends_labels: bool = False,
    ) -> None:
        """`blends_labels`: of numbers, the loss of the blend is not the blend of two losses."""
        self._blends_labels = blends_labels
        self._is_cut_N = _choose(config, seed, epoch, num_batches)
        # Beta(α, α) by the number of the batch: a stream's numbers do not depend on how many are
        # drawn from it.
        self._shares_N = np.where(
            self._is_cut_N,
            _stream(seed, epoch, _CUTMIX).beta(config.cutmix or 1, config.cutmix or 1, num_batches),
            _stream(seed, epoch, _MIXUP).beta(config.mixup or 1, config.mixup or 1, num_batches),
        )
        self._places_N2 = _stream(seed, epoch, _PLACE).random((num_batches, 2))

    def __call__(self, number: int, x_BCHW: Tensor, labels_B: Tensor) -> Batch:
        """Mix the batch of the 0-based `number`, in place, with itself."""
        share = float(self._shares_N[number])
        if self._is_cut_N[number]:
            share = self._paste(number, share, x_BCHW)
        else:
            rolled_BCHW = x_BCHW.roll(1, 0)
            x_BCHW.mul_(share).add_(rolled_BCHW.mul_(1 - share))
        if self._blends_labels:
            return Batch(x_BCHW, share * labels_B + (1 - share) * labels_B.roll(1, 0))
        return Batch(x_BCHW, labels_B, labels_B.roll(1, 0), share)

    def _paste(self, number: int, share: float, x_BCHW: Tensor) -> float:
        """Paste a rectangle of about 1 − `share` of the area; the share that is left in truth."""
        height, width = x_BCHW.shape[2:]
        top, bottom, left, right = box(share, height, width, *self._places_N2[number].tolist())
        part_BCHW = x_BCHW[:, :, top:bottom, left:right]
        part_BCHW.copy_(part_BCHW.roll(1, 0))
        return 1 - (bottom - top) * (right - left) / (height * width)


def box(
    share: float, height: int, width: int, place_y: float, place_x: float
) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of cutmix's rectangle, its ends beyond the last line.

    Its centre lies at `place_y` and `place_x` (0 to 1) of the image, which cuts off what hangs
    over its edges.
    """
    edges = []
    for size, place in ((height, place_y), (width, place_x)):
        half = int(size * (1 - share) ** 0.5) // 2
        centre = int(place * size)
        edges += [max(0, centre - half), min(size, centre + half)]
    top, bottom, left, right = edges
    return top, bottom, left, right


def _choose(config: AugmentConfig, seed: int, epoch: int, count: int) -> npt.NDArray[np.bool_]:
    if config.mixup and config.cutmix:
        return _stream(seed, epoch, _COIN).random(count) < 0.5
    return np.full(count, bool(config.cutmix))


def _stream(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=mix_seed(seed, epoch, purpose)))
