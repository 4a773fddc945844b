"""Samples of a user's own class as arrays: images, features or tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import PADDING_TOKEN, Kind
from tui_trainer.data.prepare.arrays.forms import (
    ArrayForm,
    ValueRange,
    choose_form,
    choose_layout,
    needs_range,
)
from tui_trainer.data.prepare.images.image_form import ImageForm, UnreadableImageError, fit_image

_GRAY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_MAX_BYTES = 64 << 20
MAX_VOCABULARY = 1 << 24

Family = Literal["picture", "array", "features", "tokens"]
Label = int | float | str | tuple[int | float, ...]


class UnfitSampleError(Exception):
    """A sample that cannot be used; `reason` is a clause for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_item(item: Any) -> tuple[Any, Label]:
    """Input and label of what a dataset gave; the input is an image of Pillow or an array.

    Raises:
        UnfitSampleError: it is no pair of them.
    """
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise UnfitSampleError(f"it is no pair of input and label but {type(item).__name__}")
    return _read_input(item[0]), _read_label(item[1])


def family_of(sample: Any) -> Family:
    """What kind of sample it is."""
    if isinstance(sample, Image.Image):
        return "picture"
    if sample.ndim == 1:
        return "tokens" if sample.dtype.kind in "iu" else "features"
    return "array"


@dataclass(frozen=True)
class SampleForm:
    """How samples of one family become inputs.

    Attributes:
        sample: The shape of each as it comes; empty where they may differ.
        shape: The shape of each as it is kept; of texts the longest there may be.
    """

    family: Family
    sample: tuple[int, ...]
    shape: tuple[int, ...]
    picture: ImageForm | None = None
    array: ArrayForm | None = None

    @property
    def kind(self) -> Kind:
        """What the inputs are."""
        kinds: dict[Family, Kind] = {
            "picture": "image",
            "array": "image",
            "features": "table",
            "tokens": "tokens",
        }
        return kinds[self.family]

    def check(self, sample: Any) -> None:
        """See whether a sample is like the others, without making an input of it.

        Raises:
            UnfitSampleError: it is not.
        """
        family = family_of(sample)
        if family != self.family:
            raise UnfitSampleError(f"it is of another kind than the first: {family}")
        if family == "tokens":
            trim_tokens(sample, self.shape[0])
            return
        shape = _shape_of(sample)
        if self.sample and shape != self.sample:
            raise UnfitSampleError(f"it is {_by(shape)}, where the first is {_by(self.sample)}")

    def convert(self, sample: Any) -> npt.NDArray[Any]:
        """The input that a sample becomes.

        Raises:
            UnfitSampleError: it cannot.
        """
        self.check(sample)
        if self.family == "tokens":
            return trim_tokens(sample, self.shape[0])
        if self.picture is not None:
            try:
                return np.ascontiguousarray(fit_image(sample, self.picture))
            except UnreadableImageError as error:
                raise UnfitSampleError(error.reason) from error
        assert self.array is not None
        inputs, bad = self.array.convert(sample[None])
        if bad:
            raise UnfitSampleError(bad[0])
        converted: npt.NDArray[Any] = inputs[0]
        return converted


def choose_sample_form(
    first: Any, values: ValueRange, preparation: PreparationConfig
) -> tuple[SampleForm, str]:
    """The form of all samples, by the first and the range of all their values.

    Raises:
        DatasetError: they fit no kind of input.
    """
    family = family_of(first)
    if family == "tokens":
        return SampleForm(family, (), (preparation.max_length,)), ""
    sample = _shape_of(first)
    if isinstance(first, Image.Image):
        color = preparation.color
        if color == "auto":
            color = "gray" if first.mode in _GRAY_MODES else "rgb"
        picture = ImageForm(preparation.size, preparation.fit, color)
        height, width = (preparation.size,) * 2 if preparation.size else sample
        shape = (picture.channels, height, width)
        return SampleForm(family, () if preparation.size else sample, shape, picture), ""
    layout = choose_layout(sample, "A sample")
    array, note = choose_form(sample, layout, first.dtype, values, preparation, "the samples")
    form = SampleForm(
        family, () if preparation.size and family == "array" else sample, array.shape, array=array
    )
    return form, note


def widen_range(values: ValueRange, sample: Any) -> ValueRange:
    """The range of values with those of a further sample, where it matters."""
    if isinstance(sample, Image.Image) or sample.ndim < 2:
        return values
    return values.including(sample) if needs_range("HW", sample.dtype) else values


def trim_tokens(tokens_L: npt.NDArray[Any], longest: int) -> npt.NDArray[np.int32]:
    """Tokens without the padding at their end, cut where they are too many.

    Raises:
        UnfitSampleError: there are none, or one is none.
    """
    used = np.flatnonzero(tokens_L != PADDING_TOKEN)
    if not len(used):
        raise UnfitSampleError("it holds no tokens")
    tokens = tokens_L[: int(used[-1]) + 1][:longest]
    if len(used[used < len(tokens)]) < len(tokens):
        raise UnfitSampleError(f"it holds token {PADDING_TOKEN}, which fills up texts")
    if int(tokens.min()) < 0 or int(tokens.max()) >= MAX_VOCABULARY:
        raise UnfitSampleError(f"it holds a token that is not from 1 to {MAX_VOCABULARY - 1}")
    return tokens.astype(np.int32)


def _read_input(value: Any) -> Any:
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, torch.Tensor):
        array = value.detach().cpu().resolve_conj().resolve_neg()
        value = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    if isinstance(value, (list, tuple)) and all(isinstance(n, (int, float)) for n in value):
        value = np.array(value)
    if not isinstance(value, np.ndarray):
        raise UnfitSampleError(f"its input is no image, array or tensor but {type(value).__name__}")
    if value.dtype.kind not in "biuf" or not value.ndim or not value.size:
        raise UnfitSampleError(f"its input is an array of {value.dtype}, {_by(value.shape) or '1'}")
    if value.nbytes > _MAX_BYTES:
        raise UnfitSampleError(f"its input takes more than {_MAX_BYTES >> 20} MiB")
    return value.astype(value.dtype.newbyteorder("="), copy=False)


def _read_label(value: Any) -> Label:
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(one, (bool, int, float)) for one in value):
            return tuple(one if isinstance(one, float) else int(one) for one in value)
        raise UnfitSampleError("its label is no list of numbers")
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float, str)):
        return value
    raise UnfitSampleError(f"its label is no number or text but {type(value).__name__}")


def _shape_of(sample: Any) -> tuple[int, ...]:
    if isinstance(sample, Image.Image):
        return (sample.height, sample.width)
    return tuple(sample.shape)


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
