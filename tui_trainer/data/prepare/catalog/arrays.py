"""Sources of what lies in memory or in plain files of bytes, a block of samples after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import INPUT_DTYPES
from tui_trainer.data.prepare.source import (
    SPLITS,
    AnyLabels,
    Block,
    Facts,
    ReadTask,
    ReadySource,
    Source,
)
from tui_trainer.errors import DatasetError

if TYPE_CHECKING:
    # Pillow takes time to import that images which are left as they are need not wait for.
    from tui_trainer.data.prepare.images.image_form import Color, ImageForm

_BLOCK_BYTES = 4 << 20
_BLOCK_SAMPLES = 512
# From this side on, resizing takes long enough to be worth several processes.
_HEAVY_SIDE = 64


@dataclass(frozen=True)
class OriginalPart:
    """Samples that belong together, in the order of their file.

    Attributes:
        split: Which of `SPLITS` they are of.
        inputs: N×H×W or N×C×H×W, of bytes, or N×F; a block of it is a view that costs nothing.
        labels_N: Theirs.
    """

    split: str
    inputs: npt.NDArray[Any]
    labels_N: AnyLabels


@dataclass(frozen=True)
class ArrayTask:
    """Reads a block out of an array: `inputs` is a view of it, and only that view is pickled."""

    first: int
    inputs: npt.NDArray[Any]
    dtype: str
    form: ImageForm | None = None

    def __call__(self) -> Block:
        """The block, in the form that was asked for."""
        inputs = self.inputs if self.form is None else _resize(self.inputs, self.form)
        numbers_B = np.arange(self.first, self.first + len(inputs), dtype=np.int64)
        return Block(numbers_B, np.ascontiguousarray(inputs, dtype=self.dtype))


def open_arrays(
    entry: DatasetEntry,
    parts: Sequence[OriginalPart],
    preparation: PreparationConfig,
    origin: str,
    *,
    splits_N: npt.NDArray[np.int8] | None = None,
    features: tuple[str, ...] = (),
) -> Source:
    """A source of arrays; `splits_N` where the splits of the parts are not what counts.

    Raises:
        DatasetError: inputs and labels do not pair up, or a label means nothing.
    """
    for part in parts:
        _check_part(entry, part)
    form = image_form(entry, preparation) if entry.kind == "image" else None
    shape = entry.shape if form is None else _shape_in(form, entry.shape)
    if splits_N is None:
        counts = [len(part.labels_N) for part in parts]
        splits_N = np.repeat([SPLITS.index(part.split) for part in parts], counts).astype(np.int8)
    return ReadySource(
        facts=facts_of(entry, origin, shape, features=features),
        labels_N=np.concatenate([part.labels_N for part in parts]),
        read=lambda: _list_tasks(entry, parts, form, shape),
        splits_N=splits_N,
        is_heavy=form is not None and form.size >= _HEAVY_SIDE,
    )


def facts_of(
    entry: DatasetEntry,
    origin: str,
    shape: tuple[int, ...],
    *,
    classes: tuple[str, ...] = (),
    features: tuple[str, ...] = (),
) -> Facts:
    """What is known of a dataset of the catalogue; `classes` where the entry does not name them."""
    return Facts(
        kind=entry.kind,
        task=entry.task,
        shape=shape,
        title=entry.title,
        origin=origin,
        classes=entry.classes or classes,
        targets=entry.targets,
        features=features,
    )


def image_form(entry: DatasetEntry, preparation: PreparationConfig) -> ImageForm | None:
    """What images of one size are made into; None where they are left as they are."""
    channels, height, width = entry.shape
    own: Color = "gray" if channels == 1 else "rgb"
    color = own if preparation.color == "auto" else preparation.color
    size = 0 if height == width == preparation.size else preparation.size
    if not size and color == own:
        return None
    from tui_trainer.data.prepare.images.image_form import ImageForm

    return ImageForm(size, preparation.fit, color)


def _resize(images_NCHW: npt.NDArray[np.uint8], form: ImageForm) -> npt.NDArray[np.uint8]:
    """Each image in the form that was asked for."""
    from PIL import Image

    from tui_trainer.data.prepare.images.image_form import fit_image

    images_NHWC = np.ascontiguousarray(images_NCHW.transpose(0, 2, 3, 1))
    planes = images_NHWC[..., 0] if images_NHWC.shape[-1] == 1 else images_NHWC
    return np.stack([fit_image(Image.fromarray(plane), form) for plane in planes])


def _shape_in(form: ImageForm, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (form.channels, form.size or shape[1], form.size or shape[2])


def block_length(*shapes: tuple[int, ...]) -> int:
    """How many samples of these shapes a block has."""
    return max(1, min(_BLOCK_SAMPLES, _BLOCK_BYTES // max(math.prod(shape) for shape in shapes)))


def _list_tasks(
    entry: DatasetEntry,
    parts: Sequence[OriginalPart],
    form: ImageForm | None,
    shape: tuple[int, ...],
) -> Iterator[ReadTask]:
    first = 0
    length = block_length(entry.shape, shape)
    for part in parts:
        for start in range(0, len(part.labels_N), length):
            inputs = part.inputs[start : start + length]
            if inputs.ndim == 3:
                inputs = inputs[:, None]
            yield ArrayTask(first + start, inputs, INPUT_DTYPES[entry.kind], form)
        first += len(part.labels_N)


def _check_part(entry: DatasetEntry, part: OriginalPart) -> None:
    if len(part.inputs) != len(part.labels_N):
        raise DatasetError(
            f"{entry.name} pairs {len(part.inputs)} inputs with {len(part.labels_N)} labels.",
            "Check that the files belong together.",
        )
    if entry.task != "classification" or not len(part.labels_N):
        return
    low, high = int(part.labels_N.min()), int(part.labels_N.max())
    if low < 0 or high >= entry.num_classes:
        raise DatasetError(
            f"The {part.split} labels of {entry.name} run from {low} to {high}, "
            f"but must lie between 0 and {entry.num_classes - 1}.",
            "Check that the label file is the right one and undamaged.",
        )
