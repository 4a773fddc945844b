"""Mean and deviation of training samples, gathered block by block."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import Kind

Moments = tuple[tuple[float, ...], tuple[float, ...]]
"""Means and standard deviations, of channels or of columns."""

_LEVELS = 256
_LEAST_DEVIATION = 1e-6
_PIECE_BYTES = 1 << 20
# What rounding leaves of a constant column would blow up the least change in it.
_CONSTANT = 1e-7


class MomentsGatherer(Protocol):
    """Takes blocks of stored samples, and tells their moments at the end."""

    def add(self, samples: npt.NDArray[Any]) -> None:
        """Take a block into account."""

    def result(self) -> Moments:
        """Mean and standard deviation of all that was added."""


class PixelMoments:
    """Of uint8 images N×C×H×W, by channel: from a histogram, and so exact."""

    def __init__(self, num_channels: int) -> None:
        self._histogram_CV = np.zeros((num_channels, _LEVELS), np.int64)

    def add(self, samples: npt.NDArray[Any]) -> None:
        """Count the pixels of images N×C×H×W."""
        self.add_levels(count_levels(samples))

    def add_levels(self, levels_CV: npt.NDArray[np.int64]) -> None:
        """Take pixels into account that were counted elsewhere, by `count_levels`."""
        self._histogram_CV += levels_CV

    def result(self) -> Moments:
        """Mean and standard deviation of each channel, in stored units."""
        levels_V = np.arange(_LEVELS, dtype=np.float64)
        total_C = self._histogram_CV.sum(1).clip(min=1)
        mean_C = self._histogram_CV @ levels_V / total_C
        variance_C = (self._histogram_CV * (levels_V - mean_C[:, None]) ** 2).sum(1) / total_C
        deviation_C = np.sqrt(variance_C).clip(min=_LEAST_DEVIATION)
        return tuple(mean_C.tolist()), tuple(deviation_C.tolist())


def count_levels(images_NCHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How many pixels of each channel have each of the 256 levels, int64 C×256."""
    # Here, as whoever only reads what is prepared needs none of it.
    from PIL import Image

    num_images, num_channels = images_NCHW.shape[:2]
    levels_CV = np.zeros((num_channels, _LEVELS), np.int64)
    if images_NCHW.size:
        for channel in range(num_channels):
            # Three times as fast as numpy, which makes 64 bits of each pixel first.
            plane = Image.fromarray(images_NCHW[:, channel].reshape(num_images, -1))
            levels_CV[channel] = plane.histogram()
    return levels_CV


class FeatureMoments:
    """Of float32 columns N×F; the deviation of a constant column counts as 1.

    The same rows give the same to the last bit, whatever the blocks they come in. Pieces are
    merged as in Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", COMPSTAT 1982.
    """

    def __init__(self, num_features: int) -> None:
        self._count = 0
        self._mean_F = np.zeros(num_features)
        self._squares_F = np.zeros(num_features)
        self._waiting_NF = np.empty((0, num_features), np.float32)
        self._piece_rows = max(1, _PIECE_BYTES // (4 * max(1, num_features)))

    def add(self, samples: npt.NDArray[Any]) -> None:
        """Take rows N×F into account."""
        waiting_NF = np.concatenate([self._waiting_NF, samples])
        whole = len(waiting_NF) - len(waiting_NF) % self._piece_rows
        for start in range(0, whole, self._piece_rows):
            self._merge(waiting_NF[start : start + self._piece_rows])
        self._waiting_NF = waiting_NF[whole:].copy()

    def _merge(self, samples: npt.NDArray[Any]) -> None:
        wide_NF = samples.astype(np.float64)
        mean_F = wide_NF.mean(0)
        count = self._count + len(wide_NF)
        distance_F = mean_F - self._mean_F
        self._squares_F += ((wide_NF - mean_F) ** 2).sum(0)
        self._squares_F += distance_F**2 * (self._count * len(wide_NF) / count)
        self._mean_F += distance_F * (len(wide_NF) / count)
        self._count = count

    def result(self) -> Moments:
        """Mean and standard deviation of each column."""
        if len(self._waiting_NF):
            self._merge(self._waiting_NF)
            self._waiting_NF = self._waiting_NF[:0]
        std_F = np.sqrt(self._squares_F / max(1, self._count))
        std_F[std_F <= _CONSTANT * np.abs(self._mean_F)] = 1.0
        return tuple(self._mean_F.tolist()), tuple(std_F.tolist())


class _NoMoments:
    """Of tokens, which are names of words."""

    def add(self, samples: npt.NDArray[Any]) -> None:
        """Nothing to take."""

    def result(self) -> Moments:
        """Nothing."""
        return (), ()


def moments_of(kind: Kind, shape: tuple[int, ...]) -> MomentsGatherer:
    """What gathers the moments of samples of a kind and shape."""
    if kind == "tokens":
        return _NoMoments()
    return PixelMoments(shape[0]) if kind == "image" else FeatureMoments(shape[0])
