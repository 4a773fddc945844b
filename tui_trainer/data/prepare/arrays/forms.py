"""What arrays of samples become: images of bytes, or features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import Kind
from tui_trainer.data.prepare.images.image_form import ImageForm, UnreadableImageError, fit_image
from tui_trainer.errors import DatasetError

Layout = Literal["features", "HW", "HWC", "CHW"]

_CHANNELS = (1, 3)
_MAX_SIDE = 4096
_MAX_FEATURES = 1 << 16
_SUM_UP = "Give images as N×H×W, N×H×W×C or N×C×H×W with 1 or 3 channels, features as N×F."


@dataclass(frozen=True)
class ArrayForm:
    """How an array of samples becomes one of inputs.

    Attributes:
        scale: What the values of images are multiplied by before they are rounded.
        shape: Of a sample as it is kept.
        image: What images are brought to; None leaves them as they are.
    """

    layout: Layout
    shape: tuple[int, ...]
    scale: float = 1.0
    image: ImageForm | None = None

    @property
    def kind(self) -> Kind:
        """What the samples are."""
        return "table" if self.layout == "features" else "image"

    def convert(self, samples: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], dict[int, str]]:
        """Samples as they are kept, and why some of them cannot be, by their place."""
        if self.layout == "features":
            return _to_features(samples.reshape(len(samples), -1))
        images_NCHW = _put_channels_first(samples, self.layout)
        images, bad = _to_bytes(images_NCHW, self.scale)
        return (images if self.image is None else _fit(images, self.image)), bad


@dataclass(frozen=True)
class ValueRange:
    """The least and the greatest finite value."""

    low: float
    high: float

    def including(self, samples: npt.NDArray[Any]) -> ValueRange:
        """The range with the values of further samples."""
        finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
        if not finite.size:
            return self
        return ValueRange(min(self.low, float(finite.min())), max(self.high, float(finite.max())))


NO_RANGE = ValueRange(np.inf, -np.inf)


def choose_layout(sample: tuple[int, ...], name: str) -> Layout:
    """What the sizes of one sample say of it.

    Raises:
        DatasetError: they fit neither an image nor features, or both orders of an image's.
    """
    shown = "×".join(map(str, ("N", *sample)))
    layout: Layout | None = None
    if len(sample) < 2:
        layout = "features"
    elif len(sample) == 2:
        layout = "HW"
    elif len(sample) == 3:
        first, last = sample[0] in _CHANNELS, sample[2] in _CHANNELS
        # Of two, what is less than the other sides are the channels.
        if first and last:
            first = sample[1] not in _CHANNELS and sample[0] >= sample[2]
            last = not first
        layout = "CHW" if first else "HWC" if last else None
    if layout is None or 0 in sample:
        raise DatasetError(f"{name} has the shape {shown}: neither images nor features.", _SUM_UP)
    if layout == "features" and sample and sample[0] > _MAX_FEATURES:
        raise DatasetError(f"{name} has {sample[0]} features, more than {_MAX_FEATURES}.", _SUM_UP)
    if layout != "features" and max(sample) > _MAX_SIDE:
        raise DatasetError(f"{name} has images of more than {_MAX_SIDE} pixels a side.", _SUM_UP)
    return layout


def needs_range(layout: Layout, dtype: np.dtype[Any]) -> bool:
    """Whether it takes a look at the values to know how they become bytes."""
    return layout != "features" and dtype not in (np.uint8, np.bool_)


def choose_form(
    sample: tuple[int, ...],
    layout: Layout,
    dtype: np.dtype[Any],
    values: ValueRange,
    preparation: PreparationConfig,
    name: str,
) -> tuple[ArrayForm, str]:
    """The form of the inputs, and what is done to their values, a clause for people.

    Raises:
        DatasetError: they are no pixels.
    """
    if layout == "features":
        return ArrayForm(layout, (sample[0] if sample else 1,)), ""
    scale, note = _choose_scale(dtype, values, name)
    height, width = sample[:2] if layout in ("HW", "HWC") else sample[1:]
    channels = {"HW": 1, "HWC": sample[-1], "CHW": sample[0]}[layout]
    color = preparation.color
    wanted = channels if color == "auto" else 1 if color == "gray" else 3
    if not preparation.size and wanted == channels:
        return ArrayForm(layout, (channels, height, width), scale), note
    size = preparation.size
    form = ImageForm(size, preparation.fit, "gray" if wanted == 1 else "rgb")
    shape = (wanted, size or height, size or width)
    return ArrayForm(layout, shape, scale, form), note


def _choose_scale(dtype: np.dtype[Any], values: ValueRange, name: str) -> tuple[float, str]:
    if dtype == np.uint8:
        return 1.0, ""
    if dtype == np.bool_:
        return 255.0, "pixels of true and false became 255 and 0"
    if dtype.kind == "f" and values.low >= 0 and values.high <= 1:
        return 255.0, "pixels from 0 to 1 were multiplied by 255 and rounded"
    if values.low >= 0 and values.high <= 255:
        return 1.0, "pixels were rounded to whole numbers" if dtype.kind == "f" else ""
    if values.low > values.high:
        raise DatasetError(f"{name} has no finite values.", "See that it is the right array.")
    raise DatasetError(
        f"The pixels in {name} go from {values.low:g} to {values.high:g}.",
        "Bring them to 0 … 255 as bytes, or to 0 … 1.",
    )


def _to_features(samples_NF: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    with np.errstate(over="ignore", invalid="ignore"):
        inputs_NF = samples_NF.astype(np.float32)
    finite_NF = np.isfinite(inputs_NF)
    bad = {}
    for row in np.flatnonzero(~finite_NF.all(axis=1)).tolist():
        feature = int(finite_NF[row].argmin())
        bad[row] = f"its feature {feature} is {samples_NF[row, feature]}"
    return inputs_NF, bad


def _put_channels_first(samples: npt.NDArray[Any], layout: Layout) -> npt.NDArray[Any]:
    if layout == "HW":
        return samples[:, None]
    return samples.transpose(0, 3, 1, 2) if layout == "HWC" else samples


def _to_bytes(
    images_NCHW: npt.NDArray[Any], scale: float
) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    if images_NCHW.dtype == np.uint8:
        return np.ascontiguousarray(images_NCHW), {}
    if images_NCHW.dtype.kind != "f":
        return np.ascontiguousarray(images_NCHW * np.uint8(scale), np.uint8), {}
    finite_N = np.isfinite(images_NCHW).all(axis=(1, 2, 3))
    bad = dict.fromkeys(np.flatnonzero(~finite_N).tolist(), "it has pixels that are no numbers")
    # In float64, in which the product is exact enough that only the rounding counts.
    scaled = np.nan_to_num(images_NCHW.astype(np.float64)) * scale
    return np.rint(scaled).clip(0, 255).astype(np.uint8), bad


def _fit(images_NCHW: npt.NDArray[np.uint8], form: ImageForm) -> npt.NDArray[np.uint8]:
    from PIL import Image

    fitted = []
    for image_CHW in images_NCHW:
        plane = image_CHW[0] if len(image_CHW) == 1 else image_CHW.transpose(1, 2, 0)
        try:
            fitted.append(fit_image(Image.fromarray(np.ascontiguousarray(plane)), form))
        except UnreadableImageError as error:
            raise DatasetError(f"An image cannot be used: {error.reason}.", _SUM_UP) from error
    return np.ascontiguousarray(np.stack(fitted))
