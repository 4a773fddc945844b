"""Images in files of their own, as a source: decoded block by block, in any process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import Skipped, Task
from tui_trainer.data.prepare.images.decoding import (
    ImageHead,
    decode_image,
    quiet_decoding,
    read_head,
    read_image_file,
)
from tui_trainer.data.prepare.images.file_names import keep_inside, name_missing, show_name
from tui_trainer.data.prepare.images.image_form import ImageForm, UnreadableImageError
from tui_trainer.data.prepare.source import (
    AnyLabels,
    Block,
    Facts,
    ReadTask,
    ReadySource,
    Stamps,
    are_many,
    stamp_source,
)
from tui_trainer.errors import DatasetError
from tui_trainer.store.source_stamps import Stamp, list_stamps, stamp_present

_LOOKED_AT = 32
_GIVEN_UP_AFTER = 1000
_BLOCK_BYTES = 8 << 20
_BLOCK_COUNT = 512
# Of an image that is kept as it is; that of the largest `size`.
_MOST_SAMPLE_PIXELS = 4096 * 4096


@dataclass(frozen=True)
class _Batch:
    """Files that are read as one block; the first is sample `first` of the source.

    With `is_stamped` the block tells their stamps.
    """

    root: str
    names: tuple[str, ...]
    first: int
    form: ImageForm
    shape: tuple[int, ...]
    example: str
    is_stamped: bool


def open_image_files(
    root: Path,
    names: Sequence[str],
    labels_N: AnyLabels,
    *,
    task: Task,
    title: str,
    origin: str,
    preparation: PreparationConfig,
    classes: Sequence[str] = (),
    targets: Sequence[str] = (),
    splits_N: npt.NDArray[np.int8] | None = None,
    stamps: Mapping[str, Stamp] | None = None,
    skipped: Sequence[Skipped] = (),
    are_listed: bool = False,
) -> ReadySource:
    """Images in the files `names`, relative to `root`, with their labels, as a source.

    Files that are missing, special, or lead out of `root` are set aside at once. With
    `are_listed` the names are not looked at, as they come from a listing of the folder. `stamps`
    are those of the folders or tables that told of them, if they are to be stamped themselves.

    Raises:
        DatasetError: there is none; none can be read; they differ in size and none is asked for.
    """
    missing: list[str] = []
    if not are_listed:
        kept, left_out = keep_inside(root, names)
        missing = name_missing(names, kept, left_out)
        names, labels_N = [names[number] for number in kept], labels_N[kept]
        splits_N = None if splits_N is None else splits_N[kept]
        skipped = (*skipped, *left_out)
    if not names:
        raise _no_images(root, skipped, are_listed=are_listed)
    # Of many files the stamps are taken where they are read, which costs next to nothing.
    is_many = stamps is not None and are_many(len(stamps) + len(names) + len(missing))
    stamped = Stamps()
    if stamps is not None:
        stamped = stamp_source(stamps, root, missing if is_many else [*names, *missing])
    with quiet_decoding():
        form, shape, example = _choose_form(root, names, preparation)
    return ReadySource(
        facts=Facts(
            kind="image",
            task=task,
            shape=shape,
            title=title,
            origin=origin,
            classes=tuple(classes),
            targets=tuple(targets),
        ),
        labels_N=labels_N,
        read=partial(_make_tasks, str(root), names, form, shape, example, is_many),
        splits_N=splits_N,
        skipped=tuple(skipped),
        is_heavy=True,
        stamps=stamped.few,
        files=stamped.files,
    )


def _no_images(root: Path, skipped: Sequence[Skipped], *, are_listed: bool) -> DatasetError:
    told = f": {skipped[0].name}: {skipped[0].reason}" if skipped else ""
    hint = "See that it is the right one."
    if not are_listed:
        hint = "See that it is the folder from which the names in the table are meant."
    return DatasetError(f"{root} has no images to read{told}.", hint)


def _choose_form(
    root: Path, names: Sequence[str], preparation: PreparationConfig
) -> tuple[ImageForm, tuple[int, ...], str]:
    """The form of all images, the shape of one, and the name of an image that has it."""
    size, color = preparation.size, preparation.color
    if size and color != "auto":
        form = ImageForm(size, preparation.fit, color)
        return form, (form.channels, size, size), ""
    heads = _look_at_some(root, names, size)
    if color == "auto":
        color = "rgb" if any(head.has_color for _, head in heads) else "gray"
    form = ImageForm(size, preparation.fit, color)
    if size:
        return form, (form.channels, size, size), ""
    example, first = heads[0]
    shape = (form.channels, first.height, first.width)
    if first.height * first.width > _MOST_SAMPLE_PIXELS:
        raise DatasetError(
            f"{show_name(example)} is {_show_size(shape)} pixels, too many to keep as they are.",
            "Bring the images to one size with --size N.",
        )
    for name, head in heads:
        _check_shape(name, (form.channels, head.height, head.width), shape, example)
    return form, shape, example


def _look_at_some(root: Path, names: Sequence[str], size: int) -> list[tuple[str, ImageHead]]:
    """The heads of some images throughout; without a size the first of them is whole.

    Raises:
        DatasetError: none of many can be read.
    """
    heads: list[tuple[str, ImageHead]] = []
    reason = ""
    for tried, place in enumerate(_choose_places(len(names))):
        if tried >= (_LOOKED_AT if heads else _GIVEN_UP_AFTER):
            break
        try:
            content, _ = read_image_file(os.path.join(root, names[place]))
            head = read_head(content)
            if not size and not heads:
                decode_image(content, ImageForm(0, "crop", "gray"))
            heads.append((names[place], head))
        except UnreadableImageError as error:
            reason = reason or f"{show_name(names[place])}: {error.reason}"
    if not heads:
        raise DatasetError(
            f"No image in {root} can be read; {reason}.", "Check the files, or name others."
        )
    return heads


def _choose_places(count: int) -> Iterator[int]:
    """Places spread evenly over `count`, the first included, and then all in order."""
    spread = sorted({number * count // _LOOKED_AT for number in range(_LOOKED_AT)})
    yield from spread
    yield from (place for place in range(count) if place not in spread)


def _make_tasks(
    root: str,
    names: Sequence[str],
    form: ImageForm,
    shape: tuple[int, ...],
    example: str,
    is_stamped: bool,
) -> Iterator[ReadTask]:
    count = max(1, min(_BLOCK_COUNT, _BLOCK_BYTES // int(np.prod(shape))))
    for first in range(0, len(names), count):
        chosen = tuple(names[first : first + count])
        batch = _Batch(root, chosen, first, form, shape, example, is_stamped)
        yield partial(_read_block, batch)


def _read_block(batch: _Batch) -> Block:
    """Decode the images of a batch.

    Raises:
        DatasetError: one has another size, and none was asked for.
    """
    images_BCHW = np.empty((len(batch.names), *batch.shape), np.uint8)
    numbers: list[int] = []
    skipped: list[Skipped] = []
    stamps: list[tuple[str, Stamp]] = []
    with quiet_decoding():
        for number, name in enumerate(batch.names, start=batch.first):
            path, stamp = os.path.join(batch.root, name), None
            try:
                content, stamp = read_image_file(path)
                pixels_CHW = decode_image(content, batch.form)
            except UnreadableImageError as error:
                skipped.append(Skipped(name=show_name(name), reason=error.reason))
                continue
            finally:
                if batch.is_stamped:
                    stamps.append((path, stamp or stamp_present(path)))
            if pixels_CHW.shape != batch.shape:
                _check_shape(name, pixels_CHW.shape, batch.shape, batch.example)
            images_BCHW[len(numbers)] = pixels_CHW
            numbers.append(number)
    return Block(
        numbers_B=np.array(numbers, np.int64),
        inputs=images_BCHW[: len(numbers)],
        skipped=tuple(skipped),
        stamps=list_stamps(stamps),
    )


def _check_shape(
    name: str, shape: tuple[int, ...], expected: tuple[int, ...], example: str
) -> None:
    if shape != expected:
        raise DatasetError(
            f"{show_name(name)} is {_show_size(shape)} pixels, but {show_name(example)} is "
            f"{_show_size(expected)}.",
            "Bring the images to one size with --size N.",
        )


def _show_size(shape: tuple[int, ...]) -> str:
    """Width and height, as people name them, of C×H×W."""
    return f"{shape[2]} × {shape[1]}"
